//! Changes of instances that stay: one step after the other for each instance, equal steps of several in one call.
//!
//! An asynchronous operation is awaited by the request id of its own call. A call without an answer is looked for: what shows
//! that it was made is made, anything else is repeated, except an order (`order`), which is not.

mod order;
mod step;

use super::super::effect::{Effect, TimerId, WriteId};
use super::super::failure_policy::{Decision, FailedAttempt, History, Operation, decide, decide_after_check};
use super::write::{Kind, Write, WritePhase};
use super::{Machine, error_detail};
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::DesiredInstance;
use crate::event::{ItemStatus, Retry};
use crate::model::digest::canonical;
use crate::model::{Address, InstanceId, InstanceSpec, ObservedInstance, Power, RequestId, Secret, Timestamp};
use crate::plan::{Action, Change};
use crate::state::fold::apply_keys;
use crate::state::{AppliedSpec, Record};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) use order::LEAVES_WITHIN;
use step::{CallParts, steps};
pub(super) use step::{Step, isolate_body, terminate_body};

/// The changes of one instance.
pub(super) struct Alteration {
    address: Address,
    id: InstanceId,
    steps: VecDeque<Step>,
    /// What is wanted, for what a step needs of it.
    spec: Option<Arc<InstanceSpec>>,
    /// The same in the manifest's words.
    wanted: Value,
    phase: Phase,
    /// The order that carries the present step.
    order: Option<String>,
    /// How it was before the order.
    before: String,
    /// The failed attempts of the present step.
    history: History,
    /// Whether its step goes alone, since a call for several was refused.
    alone: bool,
    timeout: Duration,
    began: Option<Timestamp>,
    live: Option<ObservedInstance>,
    done: ItemStatus,
    /// Whether anything of it was made in this run.
    changed: bool,
    /// Whether it only finds out what became of an earlier run's order.
    settles: bool,
    last_error: Option<(String, Option<String>)>,
    told: bool,
}

/// How far the present step is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// May be asked for from this time.
    Ready(Timestamp),
    /// The instance is busy, or was not seen: looked at first.
    Looking,
    /// A call carries it.
    Asked,
    /// Taken by the service: awaited by the request id.
    Awaiting(String),
    /// No answer, or a refusal: what is there is looked at.
    Unsure {
        since: Timestamp,
        refused: bool,
    },
    Over,
}

impl Alteration {
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn id(&self) -> &InstanceId {
        &self.id
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn began(&self) -> Option<Timestamp> {
        self.began
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {:?} {:?}", self.address, self.steps.front().map(Step::action), self.phase)
    }
}

impl Machine {
    pub(super) fn add_alteration(
        &mut self,
        change: &Change,
        id: &InstanceId,
        wanted: Option<&DesiredInstance>,
        live: Option<&ObservedInstance>,
    ) {
        let parts = wanted.map(|wanted| (wanted.spec.as_ref(), wanted.power));
        let steps = steps(change, parts, live, &self.setup.salt, self.setup.site);
        if let Some(secret) = wanted.and_then(|wanted| wanted.spec.password()) {
            self.secrets.insert(secret.fingerprint(&self.setup.salt), secret.clone());
        }
        let timeout = wanted.map_or(crate::desired::Timeouts::default().update, |wanted| wanted.timeouts.update);
        self.altering.insert(id.clone(), self.alterations.len());
        self.push_alteration(Alteration {
            address: change.address.clone(),
            id: id.clone(),
            steps: steps.into(),
            spec: wanted.map(|wanted| Arc::clone(&wanted.spec)),
            wanted: wanted.map_or(Value::Null, |wanted| wanted.spec.to_json(&self.setup.salt)),
            phase: Phase::Looking,
            order: None,
            before: String::new(),
            history: History::default(),
            alone: false,
            timeout,
            began: None,
            live: live.cloned(),
            done: if change.action == Action::Renew { ItemStatus::Renewed } else { ItemStatus::Updated },
            changed: false,
            settles: false,
            last_error: None,
            told: false,
        });
    }

    fn push_alteration(&mut self, alteration: Alteration) {
        let index = self.alterations.len();
        if let Some(set) = self.alterations_at(&alteration.phase) {
            set.insert(index);
        }
        self.alterations.push(alteration);
    }

    fn set_alteration_phase(&mut self, index: usize, phase: Phase) {
        let before = std::mem::replace(&mut self.alterations[index].phase, phase.clone());
        if let Some(set) = self.alterations_at(&before) {
            set.remove(&index);
        }
        if let Some(set) = self.alterations_at(&phase) {
            set.insert(index);
        }
    }

    /// Those that wait for the same.
    fn alterations_at(&mut self, phase: &Phase) -> Option<&mut BTreeSet<usize>> {
        match phase {
            Phase::Ready(_) => Some(&mut self.alteration_queues.ready),
            Phase::Looking | Phase::Awaiting(_) | Phase::Unsure { .. } => Some(&mut self.alteration_queues.polled),
            Phase::Over => Some(&mut self.alteration_queues.over),
            Phase::Asked => None,
        }
    }

    pub(super) fn alterations_are_over(&self) -> bool {
        self.alteration_queues.over.len() == self.alterations.len()
    }

    pub(super) fn begin_alterations(&mut self, now: Timestamp) {
        for index in 0..self.alterations.len() {
            let alteration = &mut self.alterations[index];
            alteration.began = Some(now);
            let idle = alteration.live.as_ref().is_some_and(|live| !live.is_busy());
            if alteration.phase == Phase::Looking && idle {
                self.set_alteration_phase(index, Phase::Ready(now));
            }
        }
        self.form_calls(now);
    }

    /// Puts steps that can be asked for into calls.
    pub(super) fn form_calls(&mut self, now: Timestamp) {
        if self.stopping {
            return;
        }
        let mut calls: BTreeMap<(Step, Option<usize>), Vec<usize>> = BTreeMap::new();
        let mut later: Option<Timestamp> = None;
        for index in self.alteration_queues.ready.clone() {
            self.skip_what_is_made(index);
            let alteration = &self.alterations[index];
            match alteration.phase {
                Phase::Ready(from) if from <= now => {
                    let Some(step) = alteration.steps.front() else { continue };
                    calls.entry((step.clone(), alteration.alone.then_some(index))).or_default().push(index);
                }
                Phase::Ready(from) => later = Some(later.map_or(from, |later| later.min(from))),
                _ => {}
            }
        }
        for ((step, _), members) in calls {
            for chunk in members.chunks(step.batch_max()) {
                for index in chunk {
                    self.set_alteration_phase(*index, Phase::Asked);
                }
                let kind = Kind::Alter { step: step.clone(), members: chunk.to_vec() };
                self.push_write(Write::due(kind, now));
            }
        }
        if let Some(at) = later {
            self.effects.push(Effect::Timer { id: TimerId::Change, at });
        }
        self.want_write_turns(now);
    }

    /// Power that is as it is to be, keys that are gone, and instances that have nothing more to do.
    fn skip_what_is_made(&mut self, index: usize) {
        while matches!(self.alterations[index].phase, Phase::Ready(_)) {
            let alteration = &self.alterations[index];
            let made = match (alteration.steps.front(), &alteration.live) {
                (None, _) => {
                    self.finish_alteration(index);
                    return;
                }
                (Some(step @ (Step::Power(_) | Step::Unbind { .. })), Some(live)) => {
                    step.is_made(live, "") == Some(true)
                }
                _ => false,
            };
            if !made {
                return;
            }
            self.alterations[index].steps.pop_front();
            self.settle_order(index, true, "seen");
        }
    }

    /// The body of a call whose turn has come. An order is written down first.
    pub(super) fn alteration_body(&mut self, now: Timestamp, step: &Step, members: &[usize]) -> String {
        if let Some(kind) = step.order_kind() {
            self.write_order(now, kind, step, members);
        }
        let first = &self.alterations[members[0]];
        let secret: Option<&Secret> = match step {
            Step::Password(print) => self.secrets.get(print),
            _ => first.spec.as_deref().and_then(InstanceSpec::password),
        };
        let body = step.body(&CallParts {
            ids: members.iter().map(|index| &self.alterations[*index].id).collect(),
            spec: first.spec.as_deref(),
            secret,
            region: &self.setup.region,
            account: self.setup.account.as_deref().unwrap_or_default(),
        });
        canonical(&body)
    }

    /// The answer of a call.
    pub(super) fn altered(
        &mut self,
        now: Timestamp,
        id: WriteId,
        step: &Step,
        members: &[usize],
        result: Result<RequestId, CloudError>,
    ) {
        self.set_write_phase(id, WritePhase::Over);
        match result {
            Ok(request_id) => {
                self.accept_order(members, &request_id);
                for index in members {
                    self.alterations[*index].changed = true;
                    if step.is_asynchronous() {
                        self.set_alteration_phase(*index, Phase::Awaiting(request_id.0.clone()));
                    } else {
                        self.step_made(now, *index);
                    }
                }
                self.poll_soon(now);
            }
            Err(error) => self.alteration_failed(now, step, members, &error),
        }
        self.form_calls(now);
    }

    fn alteration_failed(&mut self, now: Timestamp, step: &Step, members: &[usize], error: &CloudError) {
        let detail = error_detail(error);
        let failed = Some((detail.clone(), error.request_id.clone()));
        for index in members {
            self.alterations[*index].last_error.clone_from(&failed);
        }
        if error.class.proves_no_effect() && step.order_kind().is_some() {
            let why = error.code.clone().unwrap_or_else(|| "not sent".to_owned());
            for index in members {
                self.settle_order(*index, false, &why);
            }
        }
        let operation = step.operation();
        let mut decisions = Vec::with_capacity(members.len());
        for index in members {
            self.alterations[*index].history.count(error.class);
            let failed = self.failed_alteration(now, *index, error);
            decisions.push((*index, decide(operation, &failed)));
        }
        let is_refused =
            error.class == ErrorClass::Refused && decisions.iter().any(|(_, one)| *one == Decision::Reject);
        if is_refused && members.len() > 1 {
            // One refuses for all of them: one by one.
            for index in members {
                self.alterations[*index].alone = true;
                self.set_alteration_phase(*index, Phase::Ready(now));
            }
            return;
        }
        if is_refused && error.is("UnsupportedOperation.KeyPairBindDuplicate") && self.unbind_first(members[0]) {
            self.set_alteration_phase(members[0], Phase::Ready(now));
            return;
        }
        for (index, decision) in &decisions {
            self.follow_alteration_decision(now, *index, *decision, error.class);
        }
        if decisions.iter().any(|(_, decision)| *decision == Decision::EndRun) {
            self.stop(now, &detail);
        }
    }

    fn follow_alteration_decision(&mut self, now: Timestamp, index: usize, decision: Decision, class: ErrorClass) {
        let detail = self.alterations[index].last_error.clone().map(|(detail, _)| detail).unwrap_or_default();
        self.alterations[index].changed |= class == ErrorClass::Ambiguous;
        match decision {
            Decision::Retry(wait) => {
                let next = now.plus(wait);
                self.set_alteration_phase(index, Phase::Ready(next));
                let alteration = &self.alterations[index];
                let retry = Retry { attempts: alteration.history.attempts, last_error: detail, next };
                self.groups.set_retry_at(&alteration.address, &retry);
            }
            Decision::Ambiguous(_) => {
                self.set_alteration_phase(index, Phase::Unsure { since: now, refused: false });
                self.poll_soon(now);
            }
            // It may be refused because it is made already: what is there decides.
            Decision::Reject if class == ErrorClass::Refused => {
                self.set_alteration_phase(index, Phase::Unsure { since: now, refused: true });
                self.poll_soon(now);
            }
            Decision::Reject | Decision::EndRun => self.alteration_ends(index, ItemStatus::Failed, &detail),
            Decision::GiveUp => {
                let alteration = &self.alterations[index];
                self.passing.insert((alteration.address.clone(), Some(alteration.id.clone())));
                self.alteration_ends(index, ItemStatus::Failed, &detail);
            }
        }
    }

    fn failed_alteration(&mut self, now: Timestamp, index: usize, error: &CloudError) -> FailedAttempt {
        let jitter = self.jitter.next_unit();
        let alteration = &self.alterations[index];
        let elapsed = now.since(alteration.began.unwrap_or(now));
        FailedAttempt::of(error, &alteration.history, elapsed, alteration.timeout, jitter)
    }

    /// The service takes no key that is bound already, and may take the others away when it binds some: those that are bound
    /// are unbound first. False if that changes nothing.
    fn unbind_first(&mut self, index: usize) -> bool {
        let alteration = &mut self.alterations[index];
        let (Some(Step::Bind { keys: all, mode }), Some(live)) = (alteration.steps.front(), &alteration.live) else {
            return false;
        };
        let bound: Vec<String> = all.iter().filter(|id| live.attributes.key_ids.contains(*id)).cloned().collect();
        if bound.is_empty() {
            return false;
        }
        alteration.steps.push_front(Step::Unbind { keys: bound, mode: *mode });
        true
    }

    /// An attempt without a usable response, of which a check shows no effect.
    fn retry_after_check(&mut self, now: Timestamp, index: usize) {
        let operation = self.alterations[index].steps.front().map_or(Operation::Change, Step::operation);
        let error = CloudError::transport(ErrorClass::Ambiguous, "", "");
        let failed = self.failed_alteration(now, index, &error);
        let decision = decide_after_check(operation, &failed);
        self.follow_alteration_decision(now, index, decision, ErrorClass::Ambiguous);
    }

    /// What a poll says of the changes under way.
    pub(super) fn saw_alterations(
        &mut self,
        now: Timestamp,
        asked: &[InstanceId],
        found: &BTreeMap<InstanceId, ObservedInstance>,
    ) {
        if self.alteration_queues.polled.is_empty() {
            return self.form_calls(now);
        }
        let asked: BTreeSet<&InstanceId> = asked.iter().collect();
        for index in self.alteration_queues.polled.clone() {
            let alteration = &self.alterations[index];
            if !asked.contains(&alteration.id) {
                continue;
            }
            match found.get(&alteration.id) {
                Some(live) => self.saw_altering(now, index, live),
                None if self.absence.is_confirmed(now, &self.alterations[index].id) => self.altering_is_gone(index),
                None => {}
            }
            self.check_alteration_deadline(now, index);
        }
        self.form_calls(now);
    }

    fn saw_altering(&mut self, now: Timestamp, index: usize, live: &ObservedInstance) {
        self.alterations[index].live = Some(live.clone());
        let alteration = &self.alterations[index];
        let made = alteration.steps.front().and_then(|step| step.is_made(live, &alteration.before));
        match alteration.phase.clone() {
            Phase::Looking if !live.is_busy() => self.set_alteration_phase(index, Phase::Ready(now)),
            Phase::Awaiting(request) if live.operation_request_id == request => {
                match live.operation_state.as_str() {
                    "OPERATING" => {}
                    "FAILED" => {
                        let text = "the service accepted it and then failed it";
                        self.alterations[index].last_error = Some((text.to_owned(), Some(request)));
                        self.settle_order(index, false, "FAILED");
                        self.alteration_ends(index, ItemStatus::Failed, text);
                    }
                    // Over; a renewal from isolation is over when the machine is back.
                    _ if live.is_busy() => {}
                    _ => self.step_made(now, index),
                }
            }
            // Another operation has overtaken ours, or ours does not show yet.
            Phase::Awaiting(_) if !live.is_busy() && made == Some(true) => self.step_made(now, index),
            Phase::Awaiting(_) if !live.is_busy() && made == Some(false) && self.alterations[index].settles => {
                let order = self.alterations[index].order.as_ref().and_then(|order| self.open.orders.get(order));
                let since = order.map_or(now, |open| open.order.at);
                self.look_for_order(now, index, since);
            }
            Phase::Unsure { .. } if live.is_busy() => {}
            Phase::Unsure { .. } if made == Some(true) => self.step_made(now, index),
            Phase::Unsure { refused: true, .. } => {
                let detail = self.alterations[index].last_error.clone().map(|(detail, _)| detail).unwrap_or_default();
                self.alteration_ends(index, ItemStatus::Failed, &detail);
            }
            // Where nothing shows whether an order happened, time does not tell either.
            Phase::Unsure { .. } if self.alterations[index].orders() && made.is_none() => {}
            Phase::Unsure { since, .. } if self.alterations[index].orders() => self.look_for_order(now, index, since),
            Phase::Unsure { .. } => self.retry_after_check(now, index),
            _ => {}
        }
    }

    /// Ends changes whose deadline is over while no instance could be read.
    pub(super) fn check_alteration_deadlines(&mut self, now: Timestamp) {
        for index in self.alteration_queues.polled.clone() {
            self.check_alteration_deadline(now, index);
        }
    }

    fn altering_is_gone(&mut self, index: usize) {
        let address = self.alterations[index].address.clone();
        let id = self.alterations[index].id.clone();
        let known = self.state.instances.get(&address).filter(|recorded| recorded.instance_id == id);
        let settles = self.alterations[index].settles;
        if known.map_or(settles, |recorded| recorded.seen) {
            let happened = !self.alterations[index].orders();
            self.settle_order(index, happened, "gone");
            self.alteration_ends(index, ItemStatus::Failed, "the instance is gone from the cloud");
        }
    }

    fn check_alteration_deadline(&mut self, now: Timestamp, index: usize) {
        let alteration = &self.alterations[index];
        let Some(began) = alteration.began else { return };
        if alteration.is_over() || now.since(began) < alteration.timeout {
            return;
        }
        let state = alteration.live.as_ref().map(|live| live.attributes.state.clone()).unwrap_or_default();
        let text = match &alteration.phase {
            Phase::Awaiting(_) => format!("still under way at the end of the time-out ({state})"),
            Phase::Looking => format!("still {state} at the end of the time-out"),
            _ => "no answer, and nothing shows yet whether it was made".to_owned(),
        };
        self.alteration_ends(index, ItemStatus::Pending, &text);
    }

    /// The present step is made.
    fn step_made(&mut self, now: Timestamp, index: usize) {
        // An order that shut a machine down is settled when that is up again: until then a crash must not forget it.
        let comes_up = self.alterations[index].steps.get(1) == Some(&Step::Power(Power::Running));
        if !(self.alterations[index].orders() && comes_up) {
            self.settle_order(index, true, "seen");
        }
        let alteration = &mut self.alterations[index];
        alteration.changed = true;
        alteration.alone = false;
        alteration.history = History::default();
        alteration.last_error = None;
        let Some(step) = alteration.steps.pop_front() else { return };
        if let Some(live) = &mut alteration.live {
            step.show_on(&mut live.attributes);
        }
        let busy = alteration.live.as_ref().is_some_and(ObservedInstance::is_busy);
        let (address, id, wanted) =
            (alteration.address.clone(), alteration.id.clone(), std::mem::take(&mut alteration.wanted));
        self.set_alteration_phase(index, if busy { Phase::Looking } else { Phase::Ready(now) });
        if step.order_kind().is_none() && !wanted.is_null() {
            let unknown = AppliedSpec::unknown();
            let recorded = self.state.instances.get(&address).map_or(&unknown, |recorded| &recorded.spec);
            let keys = step.spec_keys(&wanted, recorded);
            match step {
                // The cloud does not show it: what was applied has to outlive a crash.
                Step::Password(_) => self.record(Record::Applied { address, instance_id: id, spec: keys }),
                _ => apply_keys(&mut self.state, &address, &id, &keys),
            }
        }
        self.alterations[index].wanted = wanted;
        if self.alterations[index].steps.is_empty() {
            self.finish_alteration(index);
        }
    }

    fn finish_alteration(&mut self, index: usize) {
        self.set_alteration_phase(index, Phase::Over);
        let alteration = &mut self.alterations[index];
        if alteration.settles {
            return;
        }
        let (address, id, done) = (alteration.address.clone(), alteration.id.clone(), alteration.done);
        if let Some(live) = alteration.live.clone() {
            self.observe_at(&address, &id, &live.attributes);
        }
        self.set_item(&address, Some(&id), done, None, None);
    }

    fn alteration_ends(&mut self, index: usize, status: ItemStatus, detail: &str) {
        if status == ItemStatus::Failed && !self.alterations[index].orders() {
            // The order itself has happened, and what was to follow it failed for good.
            self.settle_order(index, true, "seen");
        }
        self.set_alteration_phase(index, Phase::Over);
        let alteration = &mut self.alterations[index];
        let (address, id) = (alteration.address.clone(), alteration.id.clone());
        let request_id = alteration.last_error.clone().and_then(|(_, request_id)| request_id);
        let what = alteration.steps.front().map(|step| step.action().name()).unwrap_or_default();
        let text = format!("{what}: {detail}");
        self.set_item(&address, Some(&id), status, Some(text), request_id);
    }

    /// Nothing new begins. What is on the wire is waited for a little longer.
    pub(super) fn stop_alterations(&mut self, why: &str) {
        for index in 0..self.alterations.len() {
            let alteration = &self.alterations[index];
            let begun = alteration.changed || alteration.settles;
            match alteration.phase {
                Phase::Over | Phase::Asked => {}
                Phase::Ready(_) | Phase::Looking => {
                    let status = if begun { ItemStatus::Pending } else { ItemStatus::NotStarted };
                    self.alteration_ends(index, status, why);
                }
                Phase::Awaiting(_) => self.alteration_ends(index, ItemStatus::Pending, &format!("accepted; {why}")),
                Phase::Unsure { refused: true, .. } => self.alteration_ends(index, ItemStatus::Failed, why),
                Phase::Unsure { .. } => {
                    self.alteration_ends(index, ItemStatus::Unknown, &format!("no answer yet; {why}"));
                }
            }
        }
    }

    /// A call of these never went out, or nothing was heard of it.
    pub(super) fn give_up_altering(&mut self, members: &[usize], status: ItemStatus, why: &str) {
        for index in members {
            if !self.alterations[*index].is_over() {
                self.alteration_ends(*index, status, why);
            }
        }
    }
}
