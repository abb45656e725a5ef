//! The purchase protocol: intent, look, send, answer; what no answer means; what a refusal proves.

use super::super::effect::{Effect, PurchaseId, TimerId};
use super::{Machine, error_detail, node_of};
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::cloud::port::WriteAction;
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::DependencyRef;
use crate::event::{Event, ItemStatus};
use crate::model::address::{compact, expand_compact};
use crate::model::{Address, InstanceId, Life, ObservedInstance, Ownership, RequestId, Secret, Timestamp};
use crate::observe::ownership::{self, Finding, Sought};
use crate::plan::request::wire_text;
use crate::state::{Intent, OpenIntent, Record, Via};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Purchases that one look serves. They go out within two minutes at 5 a second, well within a signature's life.
const LOOK_SERVES_MAX: usize = 600;

/// Age at which a signed request is not sent any more but signed and looked for again. A minute is left for the way.
const SIGNED_FOR_MAX: Duration = Duration::from_secs(SIGNATURE_VALID_SECS - 60);

/// How long after it was signed a request may still arrive and be carried out. What it buys is listed within the grace
/// after that, so only then does a look that finds nothing prove that nothing was bought.
const ARRIVES_WITHIN: Duration = Duration::from_secs(SIGNATURE_VALID_SECS);

/// Refusals after which a purchase with an unanswered attempt is left to the next run instead of being asked for again.
const REFUSALS_MAX: u32 = 3;

/// Time between two looks at a batch that is listed in part.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

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
    began: Option<Timestamp>,
    tries: u32,
    refusals: u32,
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
    InFlight,
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
            tries: 0,
            refusals: 0,
            incomplete_since: None,
            last_error: None,
        }
    }

    pub(super) fn is_over(&self, stopping: bool) -> bool {
        match self.phase {
            Phase::Settled | Phase::Ended => true,
            Phase::InFlight => false,
            Phase::Answered => stopping,
            Phase::Blocked | Phase::Ready(_) | Phase::Looking(_) | Phase::Queued { .. } => false,
        }
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
        &self.groups[self.purchases[id].group].label
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
            self.purchases[id].phase = Phase::Answered;
            self.match_answer(now, id, None);
        } else if !self.purchases[id].wanted && entry.is_some_and(|entry| !entry.is_unsure()) {
            // Asked for by nobody any more, and certainly never bought.
            self.close(id, "never sent");
            self.purchases[id].phase = Phase::Ended;
        } else {
            self.purchases[id].phase = Phase::Ready(now);
        }
    }

    /// Rule 2, first half: signs what is ready, then looks.
    pub(super) fn look(&mut self, now: Timestamp) {
        if self.look_in_flight || self.stopping || !self.started {
            return;
        }
        let mut ready = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (id, purchase) in self.purchases.iter().enumerate() {
            match purchase.phase {
                Phase::Ready(from) if from <= now && ready.len() < LOOK_SERVES_MAX => ready.push(id),
                Phase::Ready(from) if from > now => next = Some(next.map_or(from, |next| next.min(from))),
                _ => {}
            }
        }
        if ready.is_empty() {
            if let Some(at) = next {
                self.effects.push(Effect::Timer { id: TimerId::Look, at });
            }
            return;
        }
        for id in ready {
            self.purchases[id].phase = Phase::Looking(now);
            if self.purchases[id].can_repeat() {
                let purchase = &self.purchases[id];
                let body = wire_text(
                    &purchase.intent.body,
                    &purchase.intent.token,
                    &self.setup.stack,
                    self.setup.ownership,
                    purchase.addresses(),
                    purchase.secret.as_ref(),
                );
                self.effects.push(Effect::Sign { purchase: id, body });
            }
        }
        self.look_in_flight = true;
        self.effects.push(Effect::Look);
    }

    pub(super) fn signed(&mut self, now: Timestamp, id: PurchaseId, result: Result<Timestamp, CloudError>) {
        if !matches!(self.purchases[id].phase, Phase::Looking(_)) {
            return;
        }
        match result {
            Ok(at) => self.purchases[id].phase = Phase::Looking(at),
            Err(error) => {
                self.end_purchase(id, ItemStatus::Failed, &error_detail(&error), None);
                self.stop(now, &error_detail(&error));
            }
        }
    }

    /// Rule 2, second half: takes what is found, sends what is not.
    pub(super) fn looked(&mut self, now: Timestamp, result: Result<Vec<ObservedInstance>, CloudError>) {
        self.look_in_flight = false;
        let looking: Vec<PurchaseId> = self
            .purchases
            .iter()
            .enumerate()
            .filter(|(_, purchase)| matches!(purchase.phase, Phase::Looking(_)))
            .map(|(id, _)| id)
            .collect();
        if self.stopping {
            return;
        }
        match result {
            Err(error) => {
                for id in looking {
                    self.retry_or_give_up(now, id, &error);
                }
            }
            Ok(listed) => {
                let unclaimed = self.unclaimed(listed);
                let by_batch = index_by_batch(&unclaimed);
                // What one purchase took is no candidate of the next.
                let mut taken: BTreeSet<InstanceId> = BTreeSet::new();
                for id in looking {
                    self.decide(now, id, &unclaimed, &by_batch, &taken);
                    if self.purchases[id].phase == Phase::Settled {
                        let members = self.purchases[id].intent.members.iter();
                        let stand = members.filter_map(|member| self.state.instances.get(&member.address));
                        taken.extend(stand.map(|recorded| recorded.instance_id.clone()));
                    }
                }
            }
        }
        self.want_turn_to_buy();
        self.look(now);
    }

    fn unclaimed(&self, listed: Vec<ObservedInstance>) -> Vec<ObservedInstance> {
        let recorded = self.state.instances.values().map(|recorded| &recorded.instance_id);
        let deposed = self.state.deposed.iter().map(|deposed| &deposed.instance_id);
        let answered =
            self.open.values().filter_map(|entry| entry.answer.as_ref()).flat_map(|answer| answer.ids.iter());
        let claimed: BTreeSet<&InstanceId> = recorded.chain(deposed).chain(answered).collect();
        let before: BTreeSet<&str> = self
            .state
            .predecessors
            .values()
            .map(String::as_str)
            .chain(self.state.instances.values().map(|recorded| recorded.predecessor.as_str()))
            .collect();
        listed
            .into_iter()
            .filter(|instance| !claimed.contains(&instance.id) && !before.contains(instance.id.as_str()))
            .collect()
    }

    fn decide(
        &mut self,
        now: Timestamp,
        id: PurchaseId,
        unclaimed: &[ObservedInstance],
        by_batch: &BTreeMap<&str, Vec<&ObservedInstance>>,
        taken: &BTreeSet<InstanceId>,
    ) {
        let since = match self.setup.ownership {
            // What was there before the first attempt, or before this run, is not this purchase's. What was found again
            // before is in the plan already.
            Ownership::Name => self.entry(id).and_then(OpenIntent::first_unsure).or(self.purchases[id].began),
            Ownership::Tags => None,
        };
        let sought = self.purchases[id].sought(self, since);
        let finding = match self.setup.ownership {
            Ownership::Tags => {
                let candidates = by_batch.get(sought.token.short()).map(Vec::as_slice).unwrap_or_default();
                ownership::find(&sought, candidates.iter().copied())
            }
            Ownership::Name => {
                ownership::find(&sought, unclaimed.iter().filter(|instance| !taken.contains(&instance.id)))
            }
        };
        match finding {
            Finding::Complete(matches) => {
                let dead: Vec<(Address, InstanceId, Life)> = matches
                    .iter()
                    .filter_map(|(address, instance)| {
                        let live = unclaimed.iter().find(|other| other.id == *instance)?.attributes.life();
                        matches!(live, Life::Failed | Life::Isolated | Life::Ending)
                            .then(|| (address.clone(), instance.clone(), live))
                    })
                    .collect();
                self.assign(now, id, matches, Via::Look);
                for (address, instance, life) in dead {
                    self.found_dead(now, &address, &instance, life);
                }
            }
            Finding::Nothing => match self.stranger(id, unclaimed) {
                Some(what) if !self.setup.buy_anyway => self.end_purchase(id, ItemStatus::Unclear, &what, None),
                _ => self.not_found(now, id),
            },
            Finding::Incomplete(ids) => {
                let since = *self.purchases[id].incomplete_since.get_or_insert(now);
                if now.since(since) < self.setup.visibility_grace {
                    let again = now.plus(LOOK_AGAIN.min(self.setup.visibility_grace / 4));
                    self.purchases[id].phase = Phase::Ready(again);
                } else {
                    let what = format!(
                        "{} of {} instances of this purchase are listed ({}), and the state does not say for whom",
                        ids.len(),
                        self.purchases[id].intent.members.len(),
                        join(&ids)
                    );
                    self.end_purchase(id, ItemStatus::Unclear, &what, None);
                }
            }
            Finding::TooMany(ids) => {
                let what = format!(
                    "{} instances may be the {} of this purchase: {}",
                    ids.len(),
                    self.purchases[id].intent.members.len(),
                    join(&ids)
                );
                self.end_purchase(id, ItemStatus::Unclear, &what, None);
            }
        }
    }

    /// Rule 7: an instance of the stack that no purchase of this run accounts for and whose tag names a member of this one.
    fn stranger(&self, id: PurchaseId, unclaimed: &[ObservedInstance]) -> Option<String> {
        if self.setup.ownership != Ownership::Tags {
            return None;
        }
        let ours: BTreeSet<&str> = self.purchases.iter().map(|purchase| purchase.intent.token.short()).collect();
        let members: BTreeSet<&Address> = self.purchases[id].addresses().collect();
        let strangers: Vec<&ObservedInstance> = unclaimed
            .iter()
            .filter(|instance| !matches!(instance.attributes.life(), Life::Isolated | Life::Ending))
            .filter(|instance| {
                let Some(batch) = ownership::batch_of(instance) else { return true };
                if ours.contains(batch) {
                    return false;
                }
                let tag = instance.attributes.tags.get(crate::cloud::types::TAG_BATCH);
                let named = tag.and_then(|tag| tag.split_once(' ')).and_then(|(_, list)| expand_compact(list));
                named.is_none_or(|named| named.iter().any(|address| members.contains(address)))
            })
            .collect();
        if strangers.is_empty() {
            return None;
        }
        let ids: Vec<InstanceId> = strangers.iter().map(|instance| instance.id.clone()).collect();
        Some(format!(
            "{} of stack `{}` that the state does not know may stand for {}",
            join(&ids),
            self.setup.stack,
            compact(members)
        ))
    }

    /// Rule 4 and the first half of rule 2: whether what is not listed may be asked for.
    fn not_found(&mut self, now: Timestamp, id: PurchaseId) {
        let entry = self.entry(id);
        let first = entry.and_then(OpenIntent::first_unsure);
        let last = entry.and_then(OpenIntent::last_unsure);
        let Phase::Looking(signed_at) = self.purchases[id].phase else { return };
        let grace = self.setup.visibility_grace + ARRIVES_WITHIN;
        let old_enough = last.is_none_or(|last| now.since(last) >= grace);
        let fresh = first.is_none_or(|first| now.since(first) <= self.setup.token_ttl);
        if old_enough && last.is_some() && !self.purchases[id].wanted {
            self.close(id, "not found");
            self.end_quietly(id);
        } else if !self.purchases[id].can_repeat() {
            if old_enough {
                self.close(id, "not found, and its secret has changed");
                self.replan = true;
                self.end_quietly(id);
            } else {
                self.wait_for_grace(now, id, last, grace);
            }
        } else if fresh || old_enough {
            self.purchases[id].phase = Phase::Queued { signed_at, written: false };
        } else {
            self.wait_for_grace(now, id, last, grace);
        }
    }

    fn wait_for_grace(&mut self, now: Timestamp, id: PurchaseId, last: Option<Timestamp>, grace: Duration) {
        let until = last.unwrap_or(now).plus(grace);
        let text = format!(
            "{}: an earlier attempt has no answer; looking again until {until}, when it would certainly be listed.",
            self.label(id)
        );
        if self.purchases[id].tries == 0 {
            self.effects.push(Effect::Emit(Event::Note { text }));
        }
        self.purchases[id].tries += 1;
        let soon = now.plus(LOOK_AGAIN * self.purchases[id].tries.min(6));
        self.purchases[id].phase = Phase::Ready(until.min(soon).max(now.plus(Duration::from_millis(100))));
    }

    fn want_turn_to_buy(&mut self) {
        let queued = self.purchases.iter().any(|purchase| matches!(purchase.phase, Phase::Queued { .. }));
        if queued && !self.stopping && self.turns_wanted.insert(WriteAction::CreateInstances) {
            self.effects.push(Effect::Turn(WriteAction::CreateInstances));
            // The first attempt is written down while its turn is waited for, so that the sync costs no time.
            self.write_next_attempt(None);
        }
    }

    fn next_queued(&self) -> Option<PurchaseId> {
        self.purchases.iter().position(|purchase| matches!(purchase.phase, Phase::Queued { .. }))
    }

    fn write_next_attempt(&mut self, now: Option<Timestamp>) {
        let Some(id) = self.next_queued() else { return };
        if let Phase::Queued { signed_at, written: false } = self.purchases[id].phase {
            let at = now.unwrap_or(signed_at);
            let token = self.purchases[id].intent.token.clone();
            self.purchases[id].phase = Phase::Queued { signed_at, written: true };
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
                self.purchases[id].phase = Phase::Ready(now);
                continue;
            }
            if !written {
                self.write_next_attempt(Some(now));
            }
            self.purchases[id].phase = Phase::InFlight;
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
        if self.purchases[id].phase != Phase::InFlight {
            return;
        }
        match result {
            Ok((ids, request_id)) => self.answered(now, id, ids, request_id),
            Err(error) => self.send_failed(now, id, &error),
        }
        self.look(now);
    }

    fn answered(&mut self, now: Timestamp, id: PurchaseId, ids: Vec<InstanceId>, request_id: RequestId) {
        let token = self.purchases[id].intent.token.clone();
        let ids: Vec<InstanceId> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let members = self.purchases[id].intent.members.len();
        let held: Vec<InstanceId> =
            ids.iter().filter(|instance| self.state.holder(instance).is_some()).cloned().collect();
        self.record(Record::Answer { token, ids: ids.clone(), at: now, request_id: request_id.0.clone() });
        self.purchases[id].phase = Phase::Answered;
        if ids.len() > members || !held.is_empty() {
            let what = if held.is_empty() {
                format!("{members} were asked for, and the service answered with {}: {}", ids.len(), join(&ids))
            } else {
                format!("the service answered with {}, which stand at other addresses", join(&held))
            };
            self.end_purchase(id, ItemStatus::Unclear, &what, Some(request_id.0));
            return;
        }
        if ids.is_empty() {
            // Neither ids nor an error: what this means nobody has documented.
            let error = CloudError::transport(
                ErrorClass::Ambiguous,
                WriteAction::CreateInstances.name(),
                "the answer has no instance ids",
            );
            self.purchases[id].phase = Phase::InFlight;
            self.send_failed(now, id, &error);
            return;
        }
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
        let members = &self.purchases[id].intent.members;
        let one_name = members.iter().all(|member| member.name == members[0].name);
        let waited_enough = now.since(answer.at) >= self.setup.visibility_grace;
        let names: Vec<(&InstanceId, &str)> = answer
            .ids
            .iter()
            .map(|instance| {
                let name = seen.and_then(|seen| seen.get(instance)).map(|seen| seen.attributes.instance_name.as_str());
                (instance, name.unwrap_or(""))
            })
            .collect();
        let all_seen = names.iter().all(|(_, name)| !name.is_empty());
        if !(one_name || all_seen || waited_enough) {
            return;
        }
        let wanted: Vec<(&Address, &str)> = members.iter().map(|m| (&m.address, m.name.as_str())).collect();
        let matches = ownership::match_members(&wanted, &names);
        self.assign(now, id, matches, Via::Answer);
    }

    fn assign(&mut self, now: Timestamp, id: PurchaseId, matches: Vec<(Address, InstanceId)>, via: Via) {
        let token = self.purchases[id].intent.token.clone();
        self.purchases[id].phase = Phase::Settled;
        let members = self.purchases[id].intent.members.clone();
        self.record(Record::Assigned { token, matches: matches.clone(), via, at: now });
        let deadline = now.plus(self.purchases[id].timeout);
        for member in members {
            match matches.iter().find(|(address, _)| *address == member.address) {
                Some((_, instance)) => {
                    self.add_bought(now, instance, &member, deadline, id);
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
        self.poll_soon(now);
    }

    fn send_failed(&mut self, now: Timestamp, id: PurchaseId, error: &CloudError) {
        let detail = error_detail(error);
        let token = self.purchases[id].intent.token.clone();
        self.purchases[id].last_error = Some((detail.clone(), error.request_id.clone()));
        if error.class.proves_no_effect() {
            let why = error.code.clone().unwrap_or_else(|| "not sent".to_owned());
            self.record(Record::NoEffect { token, why });
        }
        match error.class {
            ErrorClass::Auth => {
                self.end_after_failure(id, &detail, error.request_id.clone());
                self.stop(now, &detail);
            }
            ErrorClass::SignatureExpired if self.purchases[id].tries > 0 => {
                // Signed a moment ago and too old again: one of the clocks is wrong.
                self.end_after_failure(id, &detail, error.request_id.clone());
                self.stop(now, &detail);
            }
            ErrorClass::Refused => self.refused(now, id, error, &detail),
            ErrorClass::SignatureExpired | ErrorClass::NotSent | ErrorClass::Throttled | ErrorClass::Ambiguous => {
                self.retry_or_give_up(now, id, error);
            }
        }
    }

    /// Rule 5: a refusal proves that nothing was bought only if no earlier attempt went unanswered, or if such a one is
    /// so old that it would be listed. The look just before this attempt found nothing.
    fn refused(&mut self, now: Timestamp, id: PurchaseId, error: &CloudError, detail: &str) {
        let unsure = self.entry(id).and_then(OpenIntent::last_unsure);
        let grace = self.setup.visibility_grace + ARRIVES_WITHIN;
        let proved = unsure.is_none_or(|last| now.since(last) >= grace);
        #[cfg(test)]
        let proved = proved || crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::RefusalIsProof);
        if proved {
            let code = error.code.clone().unwrap_or_else(|| "refused".into());
            self.close(id, &code);
            self.end_purchase(id, ItemStatus::Failed, detail, error.request_id.clone());
            return;
        }
        self.purchases[id].refusals += 1;
        if self.purchases[id].refusals >= REFUSALS_MAX {
            let what = format!("{detail}; an earlier attempt has no answer yet");
            self.end_purchase(id, ItemStatus::Unknown, &what, error.request_id.clone());
        } else {
            self.retry_or_give_up(now, id, error);
        }
    }

    fn retry_or_give_up(&mut self, now: Timestamp, id: PurchaseId, error: &CloudError) {
        let tries = self.purchases[id].tries;
        self.purchases[id].tries += 1;
        let wait = self.backoff(tries);
        let began = self.purchases[id].began.unwrap_or(now);
        let detail = error_detail(error);
        if error.class == ErrorClass::Auth {
            self.end_after_failure(id, &detail, error.request_id.clone());
            self.stop(now, &detail);
        } else if now.plus(wait).since(began) > self.purchases[id].timeout {
            self.end_after_failure(id, &detail, error.request_id.clone());
        } else {
            self.purchases[id].phase = Phase::Ready(now.plus(wait));
        }
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
        self.purchases[id].phase = Phase::Ended;
        let addresses: Vec<Address> = self.purchases[id].addresses().cloned().collect();
        for address in addresses {
            self.set_item(&address, None, status, Some(detail.to_owned()), request_id.clone());
        }
        let label = self.label(id).to_owned();
        self.node_failed(node_of(id), &label);
    }

    /// Over, with nothing to tell: a settled leftover that nobody wants any more.
    fn end_quietly(&mut self, id: PurchaseId) {
        self.purchases[id].phase = Phase::Ended;
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
                    let detail = match &self.purchases[id].last_error {
                        Some((error, _)) => format!("{why} ({error})"),
                        None => why.to_owned(),
                    };
                    self.purchases[id].phase = Phase::Ended;
                    if status == ItemStatus::NotStarted {
                        self.close(id, "never sent");
                    }
                    let addresses: Vec<Address> = self.purchases[id].addresses().cloned().collect();
                    for address in addresses {
                        self.set_item(&address, None, status, Some(detail.clone()), None);
                    }
                }
                Phase::InFlight | Phase::Answered | Phase::Settled | Phase::Ended => {}
            }
        }
    }

    /// What is still on the wire when the time after a signal is over stays open; the next run settles it.
    pub(super) fn give_up_in_flight(&mut self) {
        for id in 0..self.purchases.len() {
            if self.purchases[id].phase == Phase::InFlight {
                self.end_purchase(id, ItemStatus::Unknown, "no answer before the end of the run", None);
            }
        }
        self.give_up_writes();
    }
}

fn index_by_batch(instances: &[ObservedInstance]) -> BTreeMap<&str, Vec<&ObservedInstance>> {
    let mut index: BTreeMap<&str, Vec<&ObservedInstance>> = BTreeMap::new();
    for instance in instances {
        if let Some(batch) = ownership::batch_of(instance) {
            index.entry(batch).or_default().push(instance);
        }
    }
    index
}

fn join(ids: &[InstanceId]) -> String {
    ids.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
}
