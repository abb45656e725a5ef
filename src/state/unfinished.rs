//! Orders without a token that a command was given and has not come to the end of: `<state>.unfinished` beside the state.
//!
//! A renewal, or a replacement by `--replace`, is not part of the manifest. After it is done nothing but this file shows that
//! the same command, given again after an interrupt, means the same order. An entry is durable before the first request of its
//! order, and is removed when a command that gives the order ends with nothing left to do. Other commands leave it in place:
//! whoever continues an interrupted run must be able to give its command again, whatever ran in between.

use super::store::{StateError, Store};
use crate::disk::{create_private_folder, replace_file, suffixed};
use crate::model::{Address, InstanceId, Lineage, Timestamp};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// So long an interrupted command is recognised when it is given again. It covers the week in which an isolated instance can
/// still be brought back, and is shorter than the month that is the least that can be renewed: a job that renews each month
/// is never taken for the repetition of the one before.
pub const RECOGNISED_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The format this version writes.
const FORMAT: u64 = 1;

/// What a command orders for one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ordered {
    /// Another instance in place of this one.
    Replace {
        /// The instance that was to be replaced.
        instance_id: InstanceId,
    },
    /// More time.
    Renew {
        /// For which instance.
        instance_id: InstanceId,
        /// How much.
        months: u32,
        /// The end of the paid time before.
        paid_until: Timestamp,
    },
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfinishedOrder {
    /// For which address.
    pub address: Address,
    /// When the command was given.
    pub at: Timestamp,
    /// What.
    pub ordered: Ordered,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u64,
    lineage: Lineage,
    orders: Vec<UnfinishedOrder>,
}

impl UnfinishedOrder {
    fn is_of_same_kind(&self, other: &Self) -> bool {
        self.address == other.address && std::mem::discriminant(&self.ordered) == std::mem::discriminant(&other.ordered)
    }
}

impl Store {
    fn unfinished_path(&self) -> PathBuf {
        suffixed(self.path(), ".unfinished")
    }

    /// Orders of commands that were interrupted a short while ago. Those of another history are none.
    ///
    /// # Errors
    /// When the file cannot be read. It is never passed over: what it lists could be ordered twice.
    pub fn unfinished(&self, lineage: &Lineage, now: Timestamp) -> Result<Vec<UnfinishedOrder>, StateError> {
        let path = self.unfinished_path();
        let bytes = match self.disk().read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StateError::Io { operation: "read", path, source }),
        };
        let file: File = serde_json::from_slice(&bytes)
            .map_err(|error| StateError::Unfinished { path: path.clone(), problem: format!("is damaged: {error}") })?;
        if file.format > FORMAT {
            let problem =
                format!("has format {}, and this version of lhprov knows formats up to {FORMAT}", file.format);
            return Err(StateError::Unfinished { path, problem });
        }
        #[cfg(test)]
        if crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::RepeatCommand) {
            return Ok(Vec::new());
        }
        let mut orders = file.orders;
        // A clock that was set back makes an order no older.
        orders.retain(|order| file.lineage == *lineage && now.since(order.at) < RECOGNISED_FOR);
        Ok(orders)
    }

    /// Adds orders, before the first of their requests. Each takes the place of an earlier one of its kind at its address.
    /// Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add_unfinished(
        &self,
        lineage: &Lineage,
        now: Timestamp,
        added: &[UnfinishedOrder],
    ) -> Result<(), StateError> {
        if added.is_empty() {
            return Ok(());
        }
        let mut orders = self.unfinished(lineage, now)?;
        orders.retain(|order| !added.iter().any(|other| other.is_of_same_kind(order)));
        orders.extend_from_slice(added);
        self.write_unfinished(lineage, orders)
    }

    /// Removes orders that are done.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_unfinished(
        &self,
        lineage: &Lineage,
        now: Timestamp,
        is_done: impl Fn(&UnfinishedOrder) -> bool,
    ) -> Result<(), StateError> {
        let mut orders = self.unfinished(lineage, now)?;
        let before = orders.len();
        orders.retain(|order| !is_done(order));
        if orders.len() == before { Ok(()) } else { self.write_unfinished(lineage, orders) }
    }

    fn write_unfinished(&self, lineage: &Lineage, orders: Vec<UnfinishedOrder>) -> Result<(), StateError> {
        let path = self.unfinished_path();
        if orders.is_empty() {
            return match self.disk().remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(StateError::Io { operation: "remove", path, source: error })
                }
                // The last effect of its command, so no process dies between it and another. After a power failure the file may be
                // there again: then the next order is taken for a repetition, which says so and costs nothing.
                _ => Ok(()),
            };
        }
        create_private_folder(self.disk().as_ref(), &path)?;
        let file = File { format: FORMAT, lineage: lineage.clone(), orders };
        let bytes = serde_json::to_vec_pretty(&file).expect("orders have only string keys");
        Ok(replace_file(self.disk().as_ref(), &path, Some(self.path()), &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::OsDisk;
    use std::sync::Arc;

    fn order(address: &str, at: i64, ordered: Ordered) -> UnfinishedOrder {
        UnfinishedOrder { address: Address::single(address), at: Timestamp::from_secs(at), ordered }
    }

    fn replacement(address: &str, at: i64) -> UnfinishedOrder {
        order(address, at, Ordered::Replace { instance_id: "lhins-1".into() })
    }

    fn renewal(address: &str, months: u32) -> UnfinishedOrder {
        let paid_until = Timestamp::from_secs(7);
        order(address, 0, Ordered::Renew { instance_id: "lhins-1".into(), months, paid_until })
    }

    #[test]
    fn orders_are_kept_until_they_are_done_or_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(OsDisk), folder.path().join("state/shop.json"));
        let (lineage, now) = (Lineage("l".into()), Timestamp::from_secs(10));
        assert_eq!(store.unfinished(&lineage, now).unwrap(), []);
        store.add_unfinished(&lineage, now, &[replacement("db", 0), renewal("web", 1)]).unwrap();
        // Another renewal of the address is a new order; a replacement is of another kind.
        store.add_unfinished(&lineage, now, &[renewal("web", 3), replacement("web", 5)]).unwrap();
        let all = [replacement("db", 0), renewal("web", 3), replacement("web", 5)];
        assert_eq!(store.unfinished(&lineage, now).unwrap(), all);
        assert_eq!(store.unfinished(&Lineage("other".into()), now).unwrap(), []);
        let later = Timestamp::from_secs(4).plus(RECOGNISED_FOR);
        assert_eq!(store.unfinished(&lineage, later).unwrap(), [replacement("web", 5)]);
        store.remove_unfinished(&lineage, now, |order| order.address == Address::single("web")).unwrap();
        assert_eq!(store.unfinished(&lineage, now).unwrap(), [replacement("db", 0)]);
        store.remove_unfinished(&lineage, now, |_| true).unwrap();
        assert!(store.disk().read(&store.unfinished_path()).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(OsDisk), folder.path().join("shop.json"));
        for text in ["", "{", r#"{"format":2,"lineage":"l","orders":[]}"#] {
            std::fs::write(store.unfinished_path(), text).unwrap();
            let read = store.unfinished(&Lineage("l".into()), Timestamp(0));
            assert!(matches!(read, Err(StateError::Unfinished { .. })), "{text}: {read:?}");
        }
    }
}
