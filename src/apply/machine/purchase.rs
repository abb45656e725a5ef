//! The purchase protocol: intent, send, answer; what no answer means. The look before every send is
//! in `look`, what a refusal proves in `refusal`.

mod look;
mod refusal;

use super::super::effect::{Effect, PurchaseId};
use super::super::failure_policy::{Decision, FailedAttempt, History, Operation, decide};
use super::{Machine, error_detail, node_of};
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::cloud::port::WriteAction;
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::DependencyRef;
use crate::event::{ItemStatus, Retry};
use crate::model::{Address, InstanceId, ObservedInstance, RequestId, Secret, Timestamp};
use crate::observe::ownership::{self, Sought};
use crate::plan::request::wire_body;
use crate::state::{Intent, OpenIntent, Record, Via};
use refusal::Refusal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Age at which a signed request is not sent any more but signed and looked for again. A minute is left for the way.
const SIGNED_FOR_MAX: Duration = Duration::from_secs(SIGNATURE_VALID_SECS - 60);

/// How long after it was signed a request may still arrive and be carried out. What it buys is listed within the grace
/// after that, so only then does a look that finds nothing prove that nothing was bought.
const ARRIVES_WITHIN: Duration = Duration::from_secs(SIGNATURE_VALID_SECS);

/// What consent to buy does with a purchase of which not everything is clear.
const AND_THEN: &str = "takes what can only be this purchase's and buys what is missing";

/// One purchase.
pub(super) struct Purchase {
    pub(super) intent: Intent,
    secret: Option<Secret>,
    pub(super) depends_on: Arc<[DependencyRef]>,
    timeout: Duration,
    /// Whether the present manifest still wants it; always for a planned one.
    wanted: bool,
    pub(super) group: usize,
    pub(super) phase: Phase,
    pub(super) began: Option<Timestamp>,
    /// Its failed attempts and lookups.
    history: History,
    /// Lookups that found nothing while an earlier attempt is ambiguous.
    lookups: u32,
    refusals: u32,
    /// The refusal that a dry run is to confirm.
    refusal: Option<Refusal>,
    /// Refusals that a dry run contradicted.
    contradicted: u32,
    incomplete_since: Option<Timestamp>,
    last_error: Option<(String, Option<String>)>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for what it depends on.
    Blocked,
    /// Wants a look, not before this time.
    Ready(Timestamp),
    /// Signed, and a look is under way.
    Looking(Timestamp),
    /// Looked for and not found: goes out at the next turn.
    Queued { signed_at: Timestamp, written: bool },
    /// On the wire.
    InFlight { signed_at: Timestamp },
    /// Refused, and a dry run of the same request is on the wire.
    Checking,
    /// Its ids are known; who is who is not.
    Answered,
    /// Its instances stand at their addresses.
    Settled,
    /// Over without an instance.
    Ended,
}

impl Purchase {
    pub(super) fn new(
        intent: Intent,
        secret: Option<Secret>,
        depends_on: Arc<[DependencyRef]>,
        timeout: Duration,
        wanted: bool,
        group: usize,
    ) -> Self {
        Self {
            intent,
            secret,
            depends_on,
            timeout,
            wanted,
            group,
            phase: Phase::Blocked,
            began: None,
            history: History::default(),
            lookups: 0,
            refusals: 0,
            refusal: None,
            contradicted: 0,
            incomplete_since: None,
            last_error: None,
        }
    }

    pub(super) fn is_over(&self, stopping: bool) -> bool {
        matches!(self.phase, Phase::Settled | Phase::Ended) || (stopping && self.phase == Phase::Answered)
    }

    pub(super) fn note_failed_lookup(&mut self, detail: &str, error: &CloudError) {
        self.last_error = Some((detail.to_owned(), error.request_id.clone()));
    }

    fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.intent.members.iter().map(|member| &member.address)
    }

    /// Whether the same bytes can be sent again: a changed secret makes them others (rule 9).
    fn can_repeat(&self) -> bool {
        match (&self.intent.secret, &self.secret) {
            (None, _) => true,
            (Some(print), Some(secret)) => secret.matches(print),
            (Some(_), None) => false,
        }
    }

    fn sought<'a>(&'a self, machine: &'a Machine, since: Option<Timestamp>) -> Sought<'a> {
        let text = |key: &str| self.intent.body.get(key).and_then(|value| value.as_str()).unwrap_or("");
        let zones = self.intent.body.get("Zones").and_then(|zones| zones.as_array());
        Sought {
            stack: &machine.setup.stack,
            ownership: machine.setup.ownership,
            token: &self.intent.token,
            members: self.intent.members.iter().map(|member| (&member.address, member.name.as_str())).collect(),
            purchase_name: text("InstanceName"),
            bundle_id: text("BundleId"),
            blueprint_id: text("BlueprintId"),
            zones: zones.into_iter().flatten().filter_map(|zone| zone.as_str()).collect(),
            since,
        }
    }
}

impl Machine {
    fn entry(&self, id: PurchaseId) -> Option<&OpenIntent> {
        self.open.get(&self.purchases[id].intent.token)
    }

    fn is_unsure(&self, id: PurchaseId) -> bool {
        self.entry(id).is_some_and(OpenIntent::is_unsure)
    }

    pub(super) fn label(&self, id: PurchaseId) -> &str {
        self.groups.label(self.purchases[id].group)
    }

    /// The request of a purchase, as it goes out each time.
    fn wire_body(&self, id: PurchaseId) -> Value {
        let (setup, purchase) = (&self.setup, &self.purchases[id]);
        let Intent { body, token, .. } = &purchase.intent;
        wire_body(body, token, &setup.stack, setup.ownership, purchase.addresses(), purchase.secret.as_ref())
    }

    /// Rule 1: all intents of the run are durable before its first request.
    pub(super) fn write_intents(&mut self) {
        let fresh: Vec<Intent> = self
            .purchases
            .iter()
            .map(|purchase| &purchase.intent)
            .filter(|intent| !self.open.contains_key(&intent.token))
            .cloned()
            .collect();
        for intent in fresh {
            self.record(Record::Intent(intent));
        }
    }

    pub(super) fn begin_purchase(&mut self, now: Timestamp, id: PurchaseId) {
        if self.purchases[id].phase != Phase::Blocked || self.stopping {
            return;
        }
        self.purchases[id].began = Some(now);
        let entry = self.entry(id);
        if entry.is_some_and(|entry| entry.answer.is_some()) {
            self.set_phase(id, Phase::Answered);
            self.match_answer(now, id, None);
        } else if !self.purchases[id].wanted && entry.is_some_and(|entry| !entry.is_unsure()) {
            // Asked for by nobody any more, and certainly never bought.
            self.close(id, "never sent");
            self.set_phase(id, Phase::Ended);
        } else {
            self.set_phase(id, Phase::Ready(now));
        }
    }

    fn want_turn_to_buy(&mut self) {
        if !self.queues.queued.is_empty() && !self.stopping && self.turns_wanted.insert(WriteAction::CreateInstances) {
            self.effects.push(Effect::Turn(WriteAction::CreateInstances));
            // The first attempt is written down while its turn is waited for, so that the sync costs no time.
            self.write_next_attempt(None);
        }
    }

    fn next_queued(&self) -> Option<PurchaseId> {
        self.queues.queued.first().copied()
    }

    fn write_next_attempt(&mut self, now: Option<Timestamp>) {
        let Some(id) = self.next_queued() else { return };
        if let Phase::Queued { signed_at, written: false } = self.purchases[id].phase {
            let at = now.unwrap_or(signed_at);
            let token = self.purchases[id].intent.token.clone();
            self.set_phase(id, Phase::Queued { signed_at, written: true });
            self.record(Record::Attempt { token, at });
        }
    }

    pub(super) fn turn_to_buy(&mut self, now: Timestamp) {
        if self.stopping {
            return;
        }
        while let Some(id) = self.next_queued() {
            let Phase::Queued { signed_at, written } = self.purchases[id].phase else { break };
            if now.since(signed_at) > SIGNED_FOR_MAX {
                self.take_back(id, "the signature grew old");
                self.set_phase(id, Phase::Ready(now));
                continue;
            }
            if !written {
                self.write_next_attempt(Some(now));
            }
            self.set_phase(id, Phase::InFlight { signed_at });
            self.effects.push(Effect::Send { purchase: id });
            // The next one's attempt is written down between two turns.
            self.write_next_attempt(Some(now));
            break;
        }
        self.want_turn_to_buy();
        self.look(now);
    }

    /// An attempt was written down and did not go out.
    fn take_back(&mut self, id: PurchaseId, why: &str) {
        if let Phase::Queued { written: true, .. } = self.purchases[id].phase {
            let token = self.purchases[id].intent.token.clone();
            self.record(Record::NoEffect { token, why: why.to_owned() });
        }
    }

    pub(super) fn sent(
        &mut self,
        now: Timestamp,
        id: PurchaseId,
        result: Result<(Vec<InstanceId>, RequestId), CloudError>,
    ) {
        let Phase::InFlight { signed_at } = self.purchases[id].phase else { return };
        match result {
            // Neither ids nor an error: what this means nobody has documented, so it is no answer.
            Ok((ids, request_id)) if ids.is_empty() => {
                let action = WriteAction::CreateInstances.name();
                let what = "the answer has no instance ids";
                let error = CloudError {
                    request_id: Some(request_id.0),
                    ..CloudError::transport(ErrorClass::Ambiguous, action, what)
                };
                self.send_failed(now, id, signed_at, &error);
            }
            Ok((ids, request_id)) => self.answered(now, id, ids, request_id),
            Err(error) => self.send_failed(now, id, signed_at, &error),
        }
        self.look(now);
    }

    fn answered(&mut self, now: Timestamp, id: PurchaseId, ids: Vec<InstanceId>, request_id: RequestId) {
        let token = self.purchases[id].intent.token.clone();
        let ids: Vec<InstanceId> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        self.record(Record::Answer { token, ids: ids.clone(), at: now, request_id: request_id.0.clone() });
        self.set_phase(id, Phase::Answered);
        self.match_answer(now, id, None);
        self.poll_soon(now);
    }

    /// Rule 3 and the match: who is who is decided by names where members differ in them, which takes a first sight of
    /// all of them, at most for the grace; else by order, at once. It is written down once.
    pub(super) fn match_answer(
        &mut self,
        now: Timestamp,
        id: PurchaseId,
        seen: Option<&BTreeMap<InstanceId, ObservedInstance>>,
    ) {
        if self.purchases[id].phase != Phase::Answered {
            return;
        }
        let Some(answer) = self.entry(id).and_then(|entry| entry.answer.clone()) else { return };
        let (ids, held): (Vec<InstanceId>, Vec<InstanceId>) =
            answer.ids.into_iter().partition(|instance| self.holders.get(&self.state, instance).is_none());
        let asked = self.purchases[id].intent.members.len();
        if (ids.len() > asked || !held.is_empty()) && !self.setup.buy_anyway {
            let what = match held.is_empty() {
                true => format!("{asked} were asked for, and the service answered with {}: {}", ids.len(), join(&ids)),
                false => format!("the service answered with {}, which stand at other addresses", join(&held)),
            };
            let request_id = Some(answer.request_id).filter(|request_id| !request_id.is_empty());
            self.end_purchase(id, ItemStatus::Unclear, &format!("{what}; --buy-anyway {AND_THEN}"), request_id);
            return;
        }
        let members = &self.purchases[id].intent.members;
        let one_name = members.iter().all(|member| member.name == members[0].name);
        let waited_enough = now.since(answer.at) >= self.setup.visibility_grace;
        let names: Vec<(&InstanceId, &str)> = ids
            .iter()
            .map(|instance| {
                let name = seen.and_then(|seen| seen.get(instance)).map(|seen| seen.attributes.instance_name.as_str());
                (instance, name.unwrap_or(""))
            })
            .collect();
        let all_seen = names.iter().all(|(_, name)| !name.is_empty());
        if !(one_name || all_seen || waited_enough) {
            return self.wait_for_names(now, id, answer.at);
        }
        let wanted: Vec<(&Address, &str)> = members.iter().map(|m| (&m.address, m.name.as_str())).collect();
        let matches = ownership::match_members(&wanted, &names);
        self.assign(now, id, matches, Via::Answer);
    }

    /// Waits until all instances of a response are listed, at most until the deadline that one instance has, too.
    fn wait_for_names(&mut self, now: Timestamp, id: PurchaseId, answered: Timestamp) {
        let purchase = &self.purchases[id];
        let since = answered.max(purchase.began.unwrap_or(answered)).min(now);
        if now.since(since) >= purchase.timeout {
            self.end_unmatched(id);
        }
    }

    /// Bought, and not listed by the deadline: the journal keeps the ids, and the next run matches them.
    fn end_unmatched(&mut self, id: PurchaseId) {
        let state = match &self.purchases[id].last_error {
            Some((error, _)) => format!("bought, and not listed within the time-out; {error}"),
            None => "bought, and not listed within the time-out".to_owned(),
        };
        self.account_for_unmatched(id, &state);
        self.set_phase(id, Phase::Ended);
        let label = self.label(id).to_owned();
        self.node_failed(node_of(id), &label);
    }

    /// The purchases whose instances are not matched yet: checks their deadlines where no instance could be read.
    pub(super) fn check_unmatched_deadlines(&mut self, now: Timestamp) {
        let answered: Vec<PurchaseId> = self.queues.answered.iter().copied().collect();
        for id in answered {
            self.match_answer(now, id, None);
        }
    }

    /// When the youngest of the purchases was answered whose instances are not matched yet.
    pub(super) fn youngest_unmatched(&self) -> Option<Timestamp> {
        let answered = self.queues.answered.iter().filter_map(|id| {
            let answer = self.entry(*id)?.answer.as_ref()?;
            Some(answer.at.max(self.purchases[*id].began.unwrap_or(answer.at)))
        });
        answered.max()
    }

    fn assign(&mut self, now: Timestamp, id: PurchaseId, matches: Vec<(Address, InstanceId)>, via: Via) {
        let token = self.purchases[id].intent.token.clone();
        self.set_phase(id, Phase::Settled);
        let members = self.purchases[id].intent.members.clone();
        let answered = self.entry(id).and_then(|entry| entry.answer.as_ref()).map(|answer| answer.at);
        // What an earlier run bought may have stood for long; how long it took to run nobody has seen.
        let bought = answered.zip(self.purchases[id].began).map_or(now, |(at, began)| at.max(began).min(now));
        self.record(Record::Assigned { token, matches: matches.clone(), via, at: now });
        let deadline = now.plus(self.purchases[id].timeout);
        for member in members {
            match matches.iter().find(|(address, _)| *address == member.address) {
                Some((_, instance)) => {
                    self.add_bought(now, instance, &member, (bought, deadline), id);
                }
                None => {
                    self.replan = true;
                    let why = format!(
                        "the service brought {} of {} instances",
                        matches.len(),
                        self.purchases[id].intent.members.len()
                    );
                    self.set_item(&member.address, None, ItemStatus::NotStarted, Some(why), None);
                }
            }
        }
        if matches.len() < self.purchases[id].intent.members.len() {
            // What depends on all of them waits for the next round, which buys the rest.
            let label = self.label(id).to_owned();
            self.node_failed(node_of(id), &label);
        }
        self.plan_next_poll(now);
    }

    fn send_failed(&mut self, now: Timestamp, id: PurchaseId, signed_at: Timestamp, error: &CloudError) {
        let detail = error_detail(error);
        let token = self.purchases[id].intent.token.clone();
        self.purchases[id].last_error = Some((detail.clone(), error.request_id.clone()));
        if error.class.proves_no_effect() {
            let why = error.code.clone().unwrap_or_else(|| "not sent".to_owned());
            self.record(Record::NoEffect { token, why });
        }
        match self.decide_failed(now, id, Operation::Purchase, error) {
            Decision::Reject => self.refused(now, id, signed_at, error, &detail),
            decision => self.follow_decision(now, id, error, decision),
        }
    }

    /// Counts a failed attempt and decides what follows.
    fn decide_failed(&mut self, now: Timestamp, id: PurchaseId, operation: Operation, error: &CloudError) -> Decision {
        self.purchases[id].history.count(error.class);
        decide(operation, &self.failed_attempt(now, id, error))
    }

    fn failed_attempt(&mut self, now: Timestamp, id: PurchaseId, error: &CloudError) -> FailedAttempt {
        let jitter = self.jitter.next_unit();
        let purchase = &self.purchases[id];
        let elapsed = now.since(purchase.began.unwrap_or(now));
        FailedAttempt::of(error, &purchase.history, elapsed, purchase.timeout, jitter)
    }

    fn follow_decision(&mut self, now: Timestamp, id: PurchaseId, error: &CloudError, decision: Decision) {
        let detail = error_detail(error);
        match decision {
            // Every attempt begins with a lookup, so that a retry and an ambiguous attempt go the same way.
            Decision::Retry(wait) | Decision::Ambiguous(wait) => {
                let next = now.plus(wait);
                self.set_phase(id, Phase::Ready(next));
                self.explain_retry(id, self.purchases[id].history.attempts, &detail, next);
            }
            Decision::Reject => self.end_after_failure(id, &detail, error.request_id.clone()),
            Decision::GiveUp => {
                let passing: Vec<_> = self.purchases[id].addresses().map(|address| (address.clone(), None)).collect();
                self.passing.extend(passing);
                self.end_after_failure(id, &detail, error.request_id.clone());
            }
            Decision::EndRun => {
                self.end_after_failure(id, &detail, error.request_id.clone());
                self.stop(now, &detail);
            }
        }
    }

    /// Shows why a purchase waits.
    fn explain_retry(&mut self, id: PurchaseId, attempts: u32, last_error: &str, next: Timestamp) {
        let retry = Retry { attempts, last_error: last_error.to_owned(), next };
        self.groups.set_retry(self.purchases[id].group, Some(retry));
    }

    /// Ends a purchase that no further try can help in this run.
    fn end_after_failure(&mut self, id: PurchaseId, detail: &str, request_id: Option<String>) {
        let status = if self.is_unsure(id) { ItemStatus::Unknown } else { ItemStatus::Failed };
        if status == ItemStatus::Failed {
            self.close(id, "not bought");
        }
        self.end_purchase(id, status, detail, request_id);
    }

    fn close(&mut self, id: PurchaseId, why: &str) {
        let token = self.purchases[id].intent.token.clone();
        if self.open.contains_key(&token) {
            self.record(Record::Closed { token, why: why.to_owned() });
        }
    }

    pub(super) fn end_purchase(
        &mut self,
        id: PurchaseId,
        status: ItemStatus,
        detail: &str,
        request_id: Option<String>,
    ) {
        self.take_back(id, "not sent");
        if matches!(status, ItemStatus::Unclear | ItemStatus::NotStarted) && !self.is_unsure(id) {
            let answered = self.entry(id).is_some_and(|entry| entry.answer.is_some());
            if !answered {
                self.close(id, "never sent");
            }
        }
        self.set_phase(id, Phase::Ended);
        let addresses: Vec<Address> = self.purchases[id].addresses().cloned().collect();
        for address in addresses {
            self.set_item(&address, None, status, Some(detail.to_owned()), request_id.clone());
        }
        let label = self.label(id).to_owned();
        self.node_failed(node_of(id), &label);
    }

    /// Over, with nothing to tell: a settled leftover that nobody wants any more.
    fn end_quietly(&mut self, id: PurchaseId) {
        self.set_phase(id, Phase::Ended);
    }

    pub(super) fn end_not_started(&mut self, id: PurchaseId, why: &str) {
        if self.purchases[id].phase == Phase::Blocked {
            self.end_purchase(id, ItemStatus::NotStarted, why, None);
        }
    }

    pub(super) fn stop_purchases(&mut self, why: &str) {
        for id in 0..self.purchases.len() {
            match self.purchases[id].phase {
                Phase::Blocked | Phase::Ready(_) | Phase::Looking(_) | Phase::Queued { .. } => {
                    self.take_back(id, "not sent");
                    let status = if self.is_unsure(id) { ItemStatus::Unknown } else { ItemStatus::NotStarted };
                    let (detail, request_id) = match &self.purchases[id].last_error {
                        Some((error, request_id)) => (format!("{why} ({error})"), request_id.clone()),
                        None => (why.to_owned(), None),
                    };
                    self.set_phase(id, Phase::Ended);
                    if status == ItemStatus::NotStarted {
                        self.close(id, "never sent");
                    }
                    let addresses: Vec<Address> = self.purchases[id].addresses().cloned().collect();
                    for address in addresses {
                        self.set_item(&address, None, status, Some(detail.clone()), request_id.clone());
                    }
                }
                Phase::Checking => self.give_up_checking(id),
                Phase::InFlight { .. } | Phase::Answered | Phase::Settled | Phase::Ended => {}
            }
        }
    }

    /// What is still on the wire when the time after a signal is over stays open; the next run settles it.
    pub(super) fn give_up_in_flight(&mut self) {
        for id in 0..self.purchases.len() {
            if matches!(self.purchases[id].phase, Phase::InFlight { .. }) {
                self.end_purchase(id, ItemStatus::Unknown, "no answer before the end of the run", None);
            }
        }
        self.give_up_writes();
    }
}

fn join(ids: &[InstanceId]) -> String {
    ids.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
}
