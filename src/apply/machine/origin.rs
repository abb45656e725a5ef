//! Where instances come from: which purchase brought them, whether this run made it, and the request id of its answer. For
//! the account alone; nothing is decided by it.

use crate::model::{ClientToken, InstanceId};
use crate::state::Record;
use crate::state::fold::OpenIntents;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of instances' purchases.
#[derive(Default)]
pub(super) struct Origins {
    /// How many requests of a purchase left in this run and may have bought.
    asked: BTreeMap<ClientToken, usize>,
    created: BTreeSet<InstanceId>,
    request_ids: BTreeMap<InstanceId, String>,
}

impl Origins {
    /// What the answers of an earlier run told.
    pub(super) fn of_open(open: &OpenIntents) -> Self {
        let mut origins = Self::default();
        for answer in open.values().filter_map(|entry| entry.answer.as_ref()) {
            origins.answered(&answer.ids, &answer.request_id);
        }
        origins
    }

    /// Takes note of what is written down.
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Attempt { token, .. } => *self.asked.entry(token.clone()).or_default() += 1,
            Record::NoEffect { token, .. } => {
                if let Some(asked) = self.asked.get_mut(token) {
                    *asked = asked.saturating_sub(1);
                }
            }
            Record::Answer { ids, request_id, .. } => self.answered(ids, request_id),
            Record::Assigned { token, matches, .. } if self.was_asked(token) => {
                self.created.extend(matches.iter().map(|(_, instance)| instance.clone()));
            }
            _ => {}
        }
    }

    fn answered(&mut self, ids: &[InstanceId], request_id: &str) {
        if !request_id.is_empty() {
            self.request_ids.extend(ids.iter().map(|instance| (instance.clone(), request_id.to_owned())));
        }
    }

    /// Whether a purchase of this run may have brought it.
    pub(super) fn is_created(&self, instance: &InstanceId) -> bool {
        self.created.contains(instance)
    }

    /// Whether a request of this purchase left in this run and may have bought.
    pub(super) fn was_asked(&self, token: &ClientToken) -> bool {
        self.asked.get(token).is_some_and(|asked| *asked > 0)
    }

    /// The request id of the answer that brought it.
    pub(super) fn request_id(&self, instance: &InstanceId) -> Option<String> {
        self.request_ids.get(instance).cloned()
    }
}
