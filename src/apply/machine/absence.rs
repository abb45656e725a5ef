//! Absence of instances that were listed before: one reading that misses an instance does not prove that it is gone.

use super::Machine;
use crate::model::{InstanceId, ObservedInstance, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long readings have to miss an instance. A lagging replica of the service catches up within a second or two.
const CONFIRMED_AFTER: Duration = Duration::from_secs(3);

/// Since when readings miss which instances, without a reading in between that has them.
#[derive(Default)]
pub(super) struct Absence(BTreeMap<InstanceId, Timestamp>);

impl Absence {
    /// Whether at least two readings, some seconds apart, missed the instance.
    pub(super) fn is_confirmed(&self, now: Timestamp, id: &InstanceId) -> bool {
        self.0.get(id).is_some_and(|since| now.since(*since) >= CONFIRMED_AFTER)
    }
}

impl Machine {
    /// Takes in which of the instances that were asked about a reading has.
    pub(super) fn note_absence(
        &mut self,
        now: Timestamp,
        asked: &[InstanceId],
        found: &BTreeMap<InstanceId, ObservedInstance>,
    ) {
        for id in asked {
            if found.contains_key(id) {
                self.absence.0.remove(id);
            } else {
                self.absence.0.entry(id.clone()).or_insert(now);
            }
        }
    }
}
