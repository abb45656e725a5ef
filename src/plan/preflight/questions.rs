//! What is to be asked for a plan: one question for each distinct purchase, not for each instance.

use super::answers::Answers;
use crate::desired::DesiredState;
use crate::model::digest::canonical;
use crate::model::{Address, InstanceId, InstanceSpec};
use crate::plan::attribute::Kind;
use crate::plan::batch::{Batch, cut};
use crate::plan::change::{Plan, Reason};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a price depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Package.
    pub bundle_id: String,
    /// Image; some cost money.
    pub blueprint_id: String,
    /// Months.
    pub period: u32,
    /// At the end of the paid time.
    pub renew_flag: String,
}

/// A shape, and how many of it are bought at once.
pub type PriceKey = (Shape, u32);

/// Purchases whose requests differ in names and number alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Indexes of their batches.
    pub batches: Vec<usize>,
    /// The one that a dry run is made of: the largest.
    pub largest: usize,
}

/// What is to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Prices of purchases.
    pub prices: BTreeSet<PriceKey>,
    /// Prices of more time: instances by months.
    pub renewals: BTreeMap<u32, Vec<InstanceId>>,
    /// Blueprints.
    pub blueprints: BTreeSet<String>,
    /// Zones that are named.
    pub zones: BTreeSet<String>,
    /// Whether the bundles matter.
    pub bundles: bool,
    /// For dry runs.
    pub groups: Vec<Group>,
}

impl Questions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The shape of an instance.
pub fn shape(spec: &InstanceSpec) -> Shape {
    Shape {
        bundle_id: spec.bundle_id.clone(),
        blueprint_id: spec.blueprint_id.clone(),
        period: spec.charge.period,
        renew_flag: spec.charge.renew_flag.as_str().to_owned(),
    }
}

/// What a batch's price is asked by.
pub(super) fn price_key(batch: &Batch) -> PriceKey {
    (shape(&batch.spec), u32::try_from(batch.members.len()).unwrap_or(u32::MAX))
}

/// The purchases that would bring the whole manifest: of each the key of its price, and for whom.
pub fn price_keys(desired: &DesiredState) -> Vec<(PriceKey, Vec<&Address>)> {
    let keyed = |members: Vec<&'_ Address>| {
        let first = members.first().and_then(|first| desired.instances.get(*first));
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        first.map(|first| shape(&first.spec)).map(|shape| (shape, count))
    };
    cut(desired).into_iter().filter_map(|members| Some((keyed(members.clone())?, members))).collect()
}

/// Reads a plan. `whole` asks for the prices of the manifest as a whole too.
pub fn questions(plan: &Plan, desired: &DesiredState, whole: bool) -> Questions {
    let mut questions = Questions { groups: groups(plan), ..Questions::default() };
    for batch in &plan.batches {
        questions.prices.insert(price_key(batch));
        questions.blueprints.insert(batch.spec.blueprint_id.clone());
        questions.zones.extend(batch.spec.zones.iter().cloned());
        questions.bundles = true;
    }
    for change in &plan.changes {
        if let (Reason::MoreTime { months, .. }, Some(id)) = (&change.reason, &change.instance_id) {
            questions.renewals.entry(*months).or_default().push(id.clone());
        }
        // Another type of bundle takes from another quota.
        questions.bundles |=
            change.action.is_alteration() && change.diffs.iter().any(|diff| diff.kind == Kind::BundleId);
    }
    if whole {
        questions.prices.extend(price_keys(desired).into_iter().map(|(key, _)| key));
    }
    questions
}

/// Purchases by what a dry run tells apart. A password is told apart by its fingerprint, since a marker stands for it.
pub(super) fn groups(plan: &Plan) -> Vec<Group> {
    let mut places: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (index, batch) in plan.batches.iter().enumerate() {
        let mut body = batch.body.clone();
        for name in ["InstanceName", "InstanceCount"] {
            body[name] = Value::Null;
        }
        let key = (canonical(&body), batch.spec.password().map(|password| password.fingerprint("preflight")));
        match places.get(&key).and_then(|place| groups.get_mut(*place)) {
            Some(group) => {
                group.batches.push(index);
                let size = |index: usize| plan.batches.get(index).map_or(0, |batch| batch.members.len());
                if size(index) > size(group.largest) {
                    group.largest = index;
                }
            }
            None => {
                places.insert(key, groups.len());
                groups.push(Group { batches: vec![index], largest: index });
            }
        }
    }
    groups
}

/// Zones of purchases for which no dry run passed: whether these have stock is still to be asked.
pub fn zones_in_doubt(plan: &Plan, answers: &Answers) -> BTreeSet<String> {
    let settled = |group: &Group| matches!(answers.dry_runs.get(&group.largest), Some(Ok(None)));
    let doubtful = groups(plan).into_iter().filter(|group| !settled(group));
    let batches = doubtful.filter_map(|group| plan.batches.get(group.largest));
    batches.flat_map(|batch| batch.spec.zones.iter().cloned()).collect()
}

/// Zones that nobody named, where a bundle is short in those that were: the way out may be there.
pub fn other_zones(plan: &Plan, answers: &Answers) -> BTreeSet<String> {
    let short = plan.batches.iter().any(|batch| {
        let has = |zone: &String| match answers.in_zones.get(zone) {
            Some(Ok(bundles)) => bundles.get(&batch.spec.bundle_id).copied().unwrap_or(false),
            _ => true,
        };
        !batch.spec.zones.is_empty() && !batch.spec.zones.iter().any(has)
    });
    match (&answers.zones, short) {
        (Some(Ok(zones)), true) => zones.iter().filter(|zone| !answers.in_zones.contains_key(*zone)).cloned().collect(),
        _ => BTreeSet::new(),
    }
}
