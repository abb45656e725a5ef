//! Orders: calls that must not simply be repeated and have no token to be repeated with. An upgrade and a renewal cost money, a
//! reinstall wipes a disk. Each is written down before it goes out, with what tells afterwards whether it happened.

use super::fold::OpenIntent;
use super::journal::Record;
use crate::model::{Address, ClientToken, InstanceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Another bundle. `BundleId` tells.
    Upgrade,
    /// Another image on a wiped disk. `BlueprintId` tells.
    Reinstall,
    /// More time. `ExpiredTime` tells: it only ever rises.
    Renew,
}

impl OrderKind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderKind::Upgrade => "upgrade",
            OrderKind::Reinstall => "reinstall",
            OrderKind::Renew => "renewal",
        }
    }
}

/// An order for some instances: one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its name in the journal.
    pub id: String,
    /// What is ordered.
    pub kind: OrderKind,
    /// The bundle, the blueprint, or the months.
    pub to: String,
    /// When it was written down; the request left at that moment or a little later.
    pub at: Timestamp,
    /// For which instances.
    pub targets: Vec<OrderTarget>,
}

/// One instance of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderTarget {
    /// Where it stands.
    pub address: Address,
    /// Which.
    pub instance_id: InstanceId,
    /// What it was before: bundle, blueprint, or the end of the paid time.
    pub before: String,
    /// Whether it runs, and has to run again once it has happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runs: bool,
    /// Keys of the spec that hold once it has happened, in the manifest's words.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub spec: Value,
}

/// An order of which it is not known for every instance whether it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenOrder {
    /// The order; its targets are those that are not decided.
    pub order: Order,
    /// The request id of its answer, where one came: the service has taken it.
    pub accepted: Option<String>,
}

/// What is not settled: purchases by token (which this dereferences to) and orders by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenIntents {
    purchases: BTreeMap<ClientToken, OpenIntent>,
    /// Orders, by id.
    pub orders: BTreeMap<String, OpenOrder>,
}

impl OpenIntents {
    /// Nothing open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is open at all.
    pub fn is_empty(&self) -> bool {
        self.purchases.is_empty() && self.orders.is_empty()
    }

    /// How many purchases and orders are open.
    pub fn len(&self) -> usize {
        self.purchases.len() + self.orders.len()
    }

    /// The records that say all this, for a rewritten journal.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.purchases.values().flat_map(OpenIntent::records).collect();
        for (id, open) in &self.orders {
            records.push(Record::Order(open.order.clone()));
            let accepted = open.accepted.clone();
            records.extend(accepted.map(|request_id| Record::OrderAccepted { order: id.clone(), request_id }));
        }
        records
    }
}

impl Deref for OpenIntents {
    type Target = BTreeMap<ClientToken, OpenIntent>;

    fn deref(&self) -> &Self::Target {
        &self.purchases
    }
}

impl DerefMut for OpenIntents {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.purchases
    }
}
