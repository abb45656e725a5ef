//! Fields that the cloud does not report of instances that a plan or a drift compares: noted once, with their number.

use super::attribute::TABLE;
use super::change::count;
use super::diff::wanted;
use crate::desired::DesiredInstance;
use crate::model::attributes::{Field, Unreported};
use crate::model::{Attributes, Ownership};
use std::collections::BTreeMap;

/// How many instances lack each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotReported(BTreeMap<Field, usize>);

impl NotReported {
    /// Counts what of an instance could not be compared: the state, what the manifest manages, and the ownership tags.
    pub fn add(&mut self, desired: &DesiredInstance, ownership: Ownership, live: &Attributes) {
        if live.unreported == Unreported::default() {
            return;
        }
        let managed = TABLE.iter().filter(|row| row.reported && !row.is_ignored(&desired.ignore_changes));
        let managed =
            managed.filter(|row| wanted(row.kind, desired).is_some_and(|wanted| wanted != serde_json::json!({})));
        let owned = (ownership == Ownership::Tags).then_some(Field::Tags);
        let mut fields: Vec<Field> =
            managed.filter_map(|row| row.kind.field()).chain(owned).chain([Field::State]).collect();
        fields.sort();
        fields.dedup();
        for field in fields.into_iter().filter(|field| live.unreported.has(*field)) {
            *self.0.entry(field).or_default() += 1;
        }
    }

    /// Fields by the names of the API, each with its number of instances.
    pub fn counted(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().map(|(field, number)| (field.api_name(), *number))
    }

    /// The note; none where everything is reported.
    pub fn sentence(&self) -> Option<String> {
        let list: Vec<String> =
            self.counted().map(|(field, number)| format!("{field} of {}", count(number, "instance"))).collect();
        (!list.is_empty()).then(|| format!("the cloud does not report {}", list.join(", ")))
    }
}
