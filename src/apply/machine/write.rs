//! Writes other than purchases: names of what was bought, returns, and the calls of changes. The first two may be repeated: a name
//! set twice is set, and whether an instance is isolated can be seen.

use super::super::effect::{Effect, TimerId, WriteId};
use super::super::failure_policy::{Decision, FailedAttempt, History, Operation, decide, decide_after_check};
use super::alter::{LEAVES_WITHIN, Step, isolate_body, terminate_body};
use super::{Machine, error_detail};
use crate::cloud::limits::{ISOLATE_BATCH_MAX, RENAME_BATCH_MAX};
use crate::cloud::port::WriteAction;
use crate::cloud::{CloudError, ErrorClass};
use crate::event::ItemStatus;
use crate::model::digest::canonical;
use crate::model::{Address, InstanceId, Life, ObservedInstance, RequestId, Timestamp};
use crate::state::{DepartureReason, Record};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a return may take before it is left to the next run.
pub(super) const RETURN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// One write.
pub(super) struct Write {
    pub(super) kind: Kind,
    pub(super) phase: WritePhase,
    /// Its failed attempts.
    pub(super) history: History,
    pub(super) began: Option<Timestamp>,
    /// The last attempt, refused or without a usable response: the state of its instances decides what follows.
    pub(super) refused: Option<CloudError>,
    request_id: Option<RequestId>,
}

pub(super) enum Kind {
    Rename {
        name: String,
        ids: Vec<InstanceId>,
    },
    Isolate {
        targets: Vec<(Address, InstanceId)>,
    },
    /// Destroys for good what is isolated.
    Terminate {
        targets: Vec<(Address, InstanceId)>,
    },
    /// A step of alterations, by their index.
    Alter {
        step: Step,
        members: Vec<usize>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WritePhase {
    /// Begins when all purchases have come to their end: what is new is there before what is old goes.
    Blocked,
    /// May go out from this time.
    Due(Timestamp),
    InFlight,
    /// Accepted; its instances are polled.
    Polling,
    Over,
}

impl Write {
    /// One that may go out from `now`.
    pub(super) fn due(kind: Kind, now: Timestamp) -> Self {
        Self { began: Some(now), ..Self::new(kind, WritePhase::Due(now)) }
    }

    pub(super) fn new(kind: Kind, phase: WritePhase) -> Self {
        Self { kind, phase, history: History::default(), began: None, refused: None, request_id: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == WritePhase::Over
    }

    pub(super) fn action(&self) -> WriteAction {
        match &self.kind {
            Kind::Rename { .. } => WriteAction::ModifyInstancesAttribute,
            Kind::Isolate { .. } => WriteAction::IsolateInstances,
            Kind::Terminate { .. } => WriteAction::TerminateInstances,
            Kind::Alter { step, .. } => step.action(),
        }
    }

    pub(super) fn polled(&self) -> impl Iterator<Item = &InstanceId> {
        let targets = match &self.kind {
            Kind::Isolate { targets } | Kind::Terminate { targets } if self.phase == WritePhase::Polling => {
                targets.as_slice()
            }
            _ => &[],
        };
        targets.iter().map(|(_, id)| id)
    }
}

/// What is known of renaming an instance that is still being created; nobody has documented it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyRename {
    Unknown,
    Trying,
    Works,
    Refused,
}

impl Machine {
    pub(super) fn add_isolations(&mut self, removals: Vec<(Address, InstanceId)>) {
        for chunk in removals.chunks(ISOLATE_BATCH_MAX) {
            self.add_group(chunk.iter().map(|(address, _)| address.clone()).collect());
            self.push_isolation(chunk.to_vec(), WritePhase::Blocked);
        }
    }

    fn push_isolation(&mut self, targets: Vec<(Address, InstanceId)>, phase: WritePhase) {
        self.push_write(Write::new(Kind::Isolate { targets }, phase));
    }

    /// Returns begin when every purchase is over and what was bought runs or was given up.
    pub(super) fn begin_isolations(&mut self, now: Timestamp) {
        if self.stopping || self.write_queues.blocked.is_empty() {
            return;
        }
        if !self.purchases_are_over() || !self.nothing_is_coming() {
            return;
        }
        for id in self.write_queues.blocked.clone() {
            self.set_write_phase(id, WritePhase::Due(now));
            self.writes[id].began = Some(now);
        }
        self.want_write_turns(now);
    }

    pub(super) fn rename_what_can_be(&mut self, now: Timestamp) {
        if self.stopping {
            return;
        }
        for (name, ids) in self.renames_due() {
            for chunk in ids.chunks(RENAME_BATCH_MAX) {
                self.push_write(Write::due(Kind::Rename { name: name.clone(), ids: chunk.to_vec() }, now));
            }
        }
        self.want_write_turns(now);
    }

    pub(super) fn want_write_turns(&mut self, now: Timestamp) {
        if self.stopping {
            return;
        }
        let later = self.writes_become_due(now);
        for (action, due) in &self.write_queues.due {
            if !due.is_empty() && self.turns_wanted.insert(*action) {
                self.effects.push(Effect::Turn(*action));
            }
        }
        if let Some(at) = later {
            self.effects.push(Effect::Timer { id: TimerId::Write, at });
        }
    }

    pub(super) fn turn_to_write(&mut self, now: Timestamp, action: WriteAction) {
        if self.stopping {
            return;
        }
        let _later = self.writes_become_due(now);
        if let Some(id) = self.write_queues.due.get(&action).and_then(|due| due.first().copied()) {
            self.set_write_phase(id, WritePhase::InFlight);
            let body = match &self.writes[id].kind {
                Kind::Rename { name, ids } => json!({"InstanceIds": ids, "InstanceName": name}),
                Kind::Isolate { targets } => isolate_body(targets.iter().map(|(_, id)| id)),
                Kind::Terminate { targets } => terminate_body(targets.iter().map(|(_, id)| id)),
                Kind::Alter { step, members } => {
                    let (step, members) = (step.clone(), members.clone());
                    self.send_alteration(now, id, &step, &members);
                    self.want_write_turns(now);
                    return;
                }
            };
            if let Kind::Isolate { targets } = &self.writes[id].kind {
                let ids = targets.iter().map(|(_, id)| id.clone()).collect();
                let is_replaced = |address: &&Address| self.replaced_first.contains(*address);
                let replaces = targets.iter().map(|(address, _)| address).filter(is_replaced).cloned().collect();
                self.record(Record::Isolate { ids, replaces });
            }
            self.effects.push(Effect::Write { write: id, action, body: canonical(&body), until: None });
        }
        self.want_write_turns(now);
    }

    /// Sends a step of alterations. An order is written down first, and leaves soon after or not at all.
    fn send_alteration(&mut self, now: Timestamp, id: WriteId, step: &Step, members: &[usize]) {
        let body = self.alteration_body(now, step, members);
        let until = step.order_kind().map(|_| now.plus(LEAVES_WITHIN));
        self.effects.push(Effect::Write { write: id, action: step.action(), body, until });
    }

    pub(super) fn written(&mut self, now: Timestamp, id: WriteId, result: Result<RequestId, CloudError>) {
        if self.writes[id].phase != WritePhase::InFlight {
            return;
        }
        match (&self.writes[id].kind, result) {
            (Kind::Rename { ids, .. }, result) => {
                let ids = ids.clone();
                self.renamed(now, id, &ids, result);
            }
            (Kind::Isolate { .. }, Ok(request_id)) => {
                self.writes[id].request_id = Some(request_id);
                self.set_write_phase(id, WritePhase::Polling);
                self.poll_soon(now);
            }
            (Kind::Isolate { targets }, Err(error)) => {
                let targets = targets.clone();
                self.isolation_failed(now, id, targets, &error);
            }
            (Kind::Terminate { .. }, result) => self.termination_answered(now, id, result),
            (Kind::Alter { step, members }, result) => {
                let (step, members) = (step.clone(), members.clone());
                self.altered(now, id, &step, &members, result);
            }
        }
        self.want_write_turns(now);
    }

    fn renamed(&mut self, now: Timestamp, id: WriteId, ids: &[InstanceId], result: Result<RequestId, CloudError>) {
        let early = ids.iter().any(|id| self.waits.get(id).is_some_and(|wait| !wait.running));
        let Err(error) = result else {
            if early {
                self.early_rename = EarlyRename::Works;
            }
            self.set_write_phase(id, WritePhase::Over);
            for instance in ids {
                self.name_changed(instance);
                self.finish_wait_if_done(now, instance);
            }
            self.rename_what_can_be(now);
            return;
        };
        if early && error.class == ErrorClass::Refused {
            // `OperationDenied.InstanceCreating` and its like: again when it runs.
            self.early_rename = EarlyRename::Refused;
            self.set_write_phase(id, WritePhase::Over);
            for instance in ids {
                self.name_must_wait(instance);
            }
            self.rename_what_can_be(now);
            return;
        }
        let decision = self.decide_write(now, id, Operation::Rename, &error);
        if let Decision::Retry(wait) | Decision::Ambiguous(wait) = decision {
            self.set_write_phase(id, WritePhase::Due(now.plus(wait)));
            return;
        }
        self.set_write_phase(id, WritePhase::Over);
        let detail = error_detail(&error);
        for instance in ids {
            self.name_failed(instance, &detail);
            self.finish_wait_if_done(now, instance);
        }
        if decision == Decision::EndRun {
            self.stop(now, &detail);
        }
    }

    /// Counts a failed attempt of a write and decides what follows.
    pub(super) fn decide_write(
        &mut self,
        now: Timestamp,
        id: WriteId,
        operation: Operation,
        error: &CloudError,
    ) -> Decision {
        self.writes[id].history.count(error.class);
        decide(operation, &self.failed_write(now, id, error))
    }

    pub(super) fn failed_write(&mut self, now: Timestamp, id: WriteId, error: &CloudError) -> FailedAttempt {
        let jitter = self.jitter.next_unit();
        let write = &self.writes[id];
        let elapsed = now.since(write.began.unwrap_or(now));
        FailedAttempt::of(error, &write.history, elapsed, RETURN_TIMEOUT, jitter)
    }

    fn isolation_failed(
        &mut self,
        now: Timestamp,
        id: WriteId,
        targets: Vec<(Address, InstanceId)>,
        error: &CloudError,
    ) {
        let detail = error_detail(error);
        let is_kept = error.is("UnsupportedOperation.ResourceNotReturnable");
        match self.decide_write(now, id, Operation::Destroy, error) {
            Decision::Reject if targets.len() > 1 => {
                // One refuses for all of them, or they have more disks than one call may return: one by one.
                self.set_write_phase(id, WritePhase::Over);
                for target in targets {
                    self.push_isolation(vec![target], WritePhase::Due(now));
                    let began = self.writes[id].began;
                    if let Some(write) = self.writes.last_mut() {
                        write.began = began;
                    }
                }
            }
            Decision::Reject if is_kept && self.setup.accept_no_refund => {
                self.keep(id, &targets, &detail, error.request_id.clone());
            }
            Decision::Reject if is_kept => {
                self.end_isolation(id, ItemStatus::Failed, &detail, error.request_id.clone());
            }
            // Refused because it is isolated already, or no response: the instance's state decides.
            Decision::Reject | Decision::Ambiguous(_) => {
                self.writes[id].refused = Some(error.clone());
                self.set_write_phase(id, WritePhase::Polling);
                self.poll_soon(now);
            }
            Decision::Retry(wait) => self.set_write_phase(id, WritePhase::Due(now.plus(wait))),
            Decision::GiveUp => {
                self.passing.extend(targets.into_iter().map(|(address, instance)| (address, Some(instance))));
                self.end_isolation(id, ItemStatus::Failed, &detail, error.request_id.clone());
            }
            Decision::EndRun => {
                self.end_isolation(id, ItemStatus::Failed, &detail, error.request_id.clone());
                self.stop(now, &detail);
            }
        }
    }

    fn end_isolation(&mut self, id: WriteId, status: ItemStatus, detail: &str, request_id: Option<String>) {
        self.set_write_phase(id, WritePhase::Over);
        let Kind::Isolate { targets } = &self.writes[id].kind else { return };
        for (address, instance) in targets.clone() {
            self.set_item(&address, Some(&instance), status, Some(detail.to_owned()), request_id.clone());
        }
    }

    /// What a poll says of the returns under way.
    pub(super) fn returned(
        &mut self,
        now: Timestamp,
        asked: &[InstanceId],
        found: &BTreeMap<InstanceId, ObservedInstance>,
    ) {
        if self.write_queues.polling.is_empty() {
            return;
        }
        let asked: BTreeSet<&InstanceId> = asked.iter().collect();
        for id in self.write_queues.polling.clone() {
            let Kind::Isolate { targets } = &self.writes[id].kind else { continue };
            if !targets.iter().all(|(_, instance)| asked.contains(instance)) {
                continue;
            }
            let (gone, left): (Vec<_>, Vec<_>) =
                targets.clone().into_iter().partition(|(address, instance)| match found.get(instance) {
                    Some(i) => matches!(i.attributes.life(), Life::Isolated | Life::Ending),
                    // Rule 6: what was never listed is not gone.
                    None => self.was_listed(address, instance) && self.absence.is_confirmed(now, instance),
                });
            for (address, instance) in &gone {
                self.has_returned(address, instance);
            }
            if self.setup.purge {
                self.terminate(now, gone);
            }
            if left.is_empty() {
                self.set_write_phase(id, WritePhase::Over);
                continue;
            }
            self.writes[id].kind = Kind::Isolate { targets: left.clone() };
            self.go_on_returning(now, id, &left, found);
        }
    }

    /// Ends returns and purges whose deadline is over while no instance could be read.
    pub(super) fn check_write_deadlines(&mut self, now: Timestamp, why: &str) {
        for id in self.write_queues.polling.clone() {
            if now.since(self.writes[id].began.unwrap_or(now)) < RETURN_TIMEOUT {
                continue;
            }
            let detail = format!("not seen to be done at the end of the time-out ({why})");
            match self.writes[id].kind {
                Kind::Terminate { .. } => self.end_termination(id, ItemStatus::Pending, &detail, None),
                _ => self.end_isolation(id, ItemStatus::Pending, &detail, None),
            }
        }
    }

    /// Since when the youngest of the returns and purges is polled.
    pub(super) fn youngest_polled_write(&self) -> Option<Timestamp> {
        self.write_queues.polling.iter().filter_map(|id| self.writes[*id].began).max()
    }

    fn was_listed(&self, address: &Address, instance: &InstanceId) -> bool {
        let recorded = self.state.instances.get(address).filter(|recorded| recorded.instance_id == *instance);
        recorded.is_none_or(|recorded| recorded.seen)
    }

    fn keep(&mut self, id: WriteId, left: &[(Address, InstanceId)], detail: &str, request_id: Option<String>) {
        for (address, instance) in left {
            if self.state.instances.get(address).is_some_and(|recorded| recorded.instance_id == *instance) {
                let (address, instance_id) = (address.clone(), instance.clone());
                self.record(Record::Gone { address, instance_id, reason: DepartureReason::NotReturned, deposed: true });
            }
            self.record(Record::Kept { instance_id: instance.clone(), why: detail.to_owned() });
            self.replan |= self.replaced_first.contains(address);
        }
        self.end_isolation(id, ItemStatus::Kept, detail, request_id);
    }

    fn has_returned(&mut self, address: &Address, instance: &InstanceId) {
        let stands = self.state.instances.get(address).is_some_and(|recorded| recorded.instance_id == *instance);
        let purge = self.setup.purge;
        if stands {
            let (address, instance_id) = (address.clone(), instance.clone());
            self.record(Record::Gone { address, instance_id, reason: DepartureReason::Isolated, deposed: purge });
        } else if !purge {
            self.record(Record::Returned { instance_id: instance.clone() });
        }
        self.set_item(address, Some(instance), ItemStatus::Isolated, None, None);
        // Returned first, to be bought then: that is planned now that it is gone.
        self.replan |= self.replaced_first.contains(address);
    }

    fn go_on_returning(
        &mut self,
        now: Timestamp,
        id: WriteId,
        left: &[(Address, InstanceId)],
        found: &BTreeMap<InstanceId, ObservedInstance>,
    ) {
        let instances: Vec<&ObservedInstance> = left.iter().filter_map(|(_, instance)| found.get(instance)).collect();
        let began = self.writes[id].began.unwrap_or(now);
        if now.since(began) >= RETURN_TIMEOUT {
            self.end_isolation(id, ItemStatus::Pending, "not isolated yet at the end of the time-out", None);
            return;
        }
        if let Some(error) = self.writes[id].refused.take() {
            // Refused, or no answer, and it is still there. What is being created or operated on may be returned later.
            let busy =
                instances.iter().any(|i| i.attributes.life() == Life::Pending || i.operation_state == "OPERATING");
            let failed = self.failed_write(now, id, &error);
            let failed = FailedAttempt { is_temporary: failed.is_temporary || busy, ..failed };
            let decision = decide_after_check(Operation::Destroy, &failed);
            let detail = error_detail(&error);
            if let Decision::Retry(wait) | Decision::Ambiguous(wait) = decision {
                self.set_write_phase(id, WritePhase::Due(now.plus(wait)));
                self.want_write_turns(now);
            } else if !instances.is_empty() && instances.iter().all(|i| i.attributes.life() == Life::Failed) {
                // Whether a failed launch can be returned is undocumented. Where it cannot, nothing is left to do.
                self.keep(id, left, &detail, error.request_id);
            } else {
                if decision == Decision::GiveUp {
                    self.passing.extend(left.iter().map(|(address, one)| (address.clone(), Some(one.clone()))));
                }
                self.end_isolation(id, ItemStatus::Failed, &detail, error.request_id);
            }
            return;
        }
        let ours = self.writes[id].request_id.clone();
        let failed = instances.iter().find(|i| {
            i.operation_state == "FAILED" && ours.as_ref().is_some_and(|ours| ours.0 == i.operation_request_id)
        });
        if failed.is_some() {
            let request_id = ours.map(|id| id.0);
            self.end_isolation(
                id,
                ItemStatus::Failed,
                "the service accepted the return and then failed it",
                request_id,
            );
        }
    }

    pub(super) fn stop_writes(&mut self, why: &str) {
        for id in 0..self.writes.len() {
            let (status, detail) = match self.writes[id].phase {
                WritePhase::Blocked | WritePhase::Due(_) => (ItemStatus::NotStarted, why.to_owned()),
                WritePhase::Polling => (ItemStatus::Pending, format!("return accepted; {why}")),
                WritePhase::InFlight | WritePhase::Over => continue,
            };
            match &self.writes[id].kind {
                Kind::Isolate { .. } => self.end_isolation(id, status, &detail, None),
                Kind::Terminate { .. } => {
                    self.end_termination(id, ItemStatus::Pending, &format!("not destroyed; {why}"), None);
                }
                Kind::Rename { .. } => self.set_write_phase(id, WritePhase::Over),
                Kind::Alter { members, .. } => {
                    let members = members.clone();
                    self.set_write_phase(id, WritePhase::Over);
                    self.give_up_altering(&members, ItemStatus::NotStarted, why);
                }
            }
        }
    }

    pub(super) fn give_up_writes(&mut self) {
        for id in 0..self.writes.len() {
            if self.writes[id].phase == WritePhase::InFlight {
                let why = "no answer before the end of the run";
                match &self.writes[id].kind {
                    Kind::Alter { members, .. } => {
                        let members = members.clone();
                        self.set_write_phase(id, WritePhase::Over);
                        self.give_up_altering(&members, ItemStatus::Unknown, why);
                    }
                    Kind::Terminate { .. } => self.end_termination(id, ItemStatus::Unknown, why, None),
                    Kind::Isolate { .. } | Kind::Rename { .. } => {
                        self.end_isolation(id, ItemStatus::Unknown, why, None);
                    }
                }
            }
        }
    }
}
