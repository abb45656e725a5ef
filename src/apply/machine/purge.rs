//! Destroying for good what is isolated. It may be repeated: what is gone is gone, and whether it is can be seen.

use super::super::effect::WriteId;
use super::super::failure_policy::{Decision, Operation, decide_after_check};
use super::write::{Kind, RETURN_TIMEOUT, Write, WritePhase};
use super::{Machine, error_detail};
use crate::cloud::CloudError;
use crate::cloud::limits::TERMINATE_BATCH_MAX;
use crate::event::ItemStatus;
use crate::model::{Address, InstanceId, Life, ObservedInstance, RequestId, Timestamp};
use crate::state::Record;
use std::collections::{BTreeMap, BTreeSet};

impl Machine {
    /// What is isolated already: begins with the returns.
    pub(super) fn add_terminations(&mut self, targets: Vec<(Address, InstanceId)>) {
        for chunk in targets.chunks(TERMINATE_BATCH_MAX) {
            self.add_group(chunk.iter().map(|(address, _)| address.clone()).collect());
            self.push_write(Write::new(Kind::Terminate { targets: chunk.to_vec() }, WritePhase::Blocked));
        }
    }

    /// What has been returned a moment ago.
    pub(super) fn terminate(&mut self, now: Timestamp, targets: Vec<(Address, InstanceId)>) {
        for chunk in targets.chunks(TERMINATE_BATCH_MAX) {
            self.push_write(Write::due(Kind::Terminate { targets: chunk.to_vec() }, now));
        }
        self.want_write_turns(now);
    }

    pub(super) fn termination_answered(&mut self, now: Timestamp, id: WriteId, result: Result<RequestId, CloudError>) {
        let Err(error) = result else {
            self.set_write_phase(id, WritePhase::Polling);
            self.poll_soon(now);
            return;
        };
        let decision = self.decide_write(now, id, Operation::Purge, &error);
        let detail = error_detail(&error);
        let Kind::Terminate { targets } = &self.writes[id].kind else { return };
        match decision {
            Decision::Reject if targets.len() > 1 => {
                // One refuses for all of them: one by one.
                let (targets, began) = (targets.clone(), self.writes[id].began);
                self.set_write_phase(id, WritePhase::Over);
                for target in targets {
                    let mut write = Write::due(Kind::Terminate { targets: vec![target] }, now);
                    write.began = began;
                    self.push_write(write);
                }
            }
            // Refused because it is destroyed already, or no answer: what is there decides.
            Decision::Reject | Decision::Ambiguous(_) => {
                self.writes[id].refused = Some(error);
                self.set_write_phase(id, WritePhase::Polling);
                self.poll_soon(now);
            }
            Decision::Retry(wait) => self.set_write_phase(id, WritePhase::Due(now.plus(wait))),
            Decision::GiveUp => {
                self.passing.extend(targets.iter().map(|(address, one)| (address.clone(), Some(one.clone()))));
                self.end_termination(id, ItemStatus::Failed, &detail, error.request_id);
            }
            Decision::EndRun => {
                self.end_termination(id, ItemStatus::Failed, &detail, error.request_id);
                self.stop(now, &detail);
            }
        }
    }

    /// What a poll says of what is being destroyed.
    pub(super) fn saw_terminating(
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
            let Kind::Terminate { targets } = &self.writes[id].kind else { continue };
            if !targets.iter().all(|(_, one)| asked.contains(one)) {
                continue;
            }
            let (left, gone): (Vec<_>, Vec<_>) =
                targets.clone().into_iter().partition(|(_, instance)| found.contains_key(instance));
            for (address, instance) in gone {
                self.record(Record::Returned { instance_id: instance.clone() });
                self.set_item(&address, Some(&instance), ItemStatus::Purged, None, None);
            }
            if left.is_empty() {
                self.set_write_phase(id, WritePhase::Over);
                continue;
            }
            let ending =
                left.iter().filter_map(|(_, one)| found.get(one)).all(|one| one.attributes.life() == Life::Ending);
            self.writes[id].kind = Kind::Terminate { targets: left };
            let began = self.writes[id].began.unwrap_or(now);
            if now.since(began) >= RETURN_TIMEOUT {
                self.end_termination(id, ItemStatus::Pending, "not destroyed yet at the end of the time-out", None);
            } else if let Some(error) = self.writes[id].refused.take()
                && !ending
            {
                let failed = self.failed_write(now, id, &error);
                match decide_after_check(Operation::Purge, &failed) {
                    Decision::Retry(wait) | Decision::Ambiguous(wait) => {
                        self.set_write_phase(id, WritePhase::Due(now.plus(wait)));
                        self.want_write_turns(now);
                    }
                    decision => {
                        if let (Decision::GiveUp, Kind::Terminate { targets }) = (decision, &self.writes[id].kind) {
                            let targets = targets.iter().map(|(address, one)| (address.clone(), Some(one.clone())));
                            self.passing.extend(targets);
                        }
                        self.end_termination(id, ItemStatus::Failed, &error_detail(&error), error.request_id);
                    }
                }
            }
        }
    }

    pub(super) fn end_termination(
        &mut self,
        id: WriteId,
        status: ItemStatus,
        detail: &str,
        request_id: Option<String>,
    ) {
        self.set_write_phase(id, WritePhase::Over);
        let Kind::Terminate { targets } = &self.writes[id].kind else { return };
        for (address, instance) in targets.clone() {
            let detail = format!("returned, and not destroyed: {detail}");
            self.set_item(&address, Some(&instance), status, Some(detail), request_id.clone());
        }
    }
}
