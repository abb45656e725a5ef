//! Destroying for good what is isolated. It may be repeated: what is gone is gone, and whether it is can be seen.

use super::super::effect::WriteId;
use super::write::{Kind, RETURN_TIMEOUT, TRIES_MAX, Write, WritePhase, is_busy};
use super::{Machine, error_detail};
use crate::cloud::limits::TERMINATE_BATCH_MAX;
use crate::cloud::{CloudError, ErrorClass};
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
        self.writes[id].tries += 1;
        let (tries, detail) = (self.writes[id].tries, error_detail(&error));
        let Kind::Terminate { targets } = &self.writes[id].kind else { return };
        match error.class {
            ErrorClass::Refused if targets.len() > 1 && !is_busy(&error) => {
                // One refuses for all of them: one by one.
                let (targets, began) = (targets.clone(), self.writes[id].began);
                self.set_write_phase(id, WritePhase::Over);
                for target in targets {
                    let mut write = Write::due(Kind::Terminate { targets: vec![target] }, now);
                    write.began = began;
                    self.push_write(write);
                }
            }
            ErrorClass::Auth => {
                self.end_termination(id, ItemStatus::Failed, &detail, error.request_id);
                self.stop(now, &detail);
            }
            _ if tries >= TRIES_MAX => {
                if error.class != ErrorClass::Refused {
                    self.passing.extend(targets.iter().map(|(address, one)| (address.clone(), Some(one.clone()))));
                }
                self.end_termination(id, ItemStatus::Failed, &detail, error.request_id);
            }
            // Refused because it is destroyed already, or no answer: what is there decides.
            ErrorClass::Refused | ErrorClass::Ambiguous if !is_busy(&error) => {
                self.writes[id].refused = Some((detail, error.request_id));
                self.set_write_phase(id, WritePhase::Polling);
                self.poll_soon(now);
            }
            _ => {
                let wait = self.backoff(tries);
                self.set_write_phase(id, WritePhase::Due(now.plus(wait)));
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
            } else if let Some((detail, request_id)) = self.writes[id].refused.take()
                && !ending
            {
                if self.writes[id].tries < 3 {
                    let wait = self.backoff(self.writes[id].tries);
                    self.set_write_phase(id, WritePhase::Due(now.plus(wait)));
                    self.want_write_turns(now);
                } else {
                    self.end_termination(id, ItemStatus::Failed, &detail, request_id);
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
