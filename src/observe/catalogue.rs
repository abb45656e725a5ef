//! What the cloud sells and takes back, as far as a plan has to know it: read only for what changes.

use super::attached;
use super::refresh::PAGES_AT_ONCE;
use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use crate::cloud::port::{CloudRead, ReadAction, Reply};
use crate::cloud::reported::{flag, missing, number, text};
use crate::cloud::{CloudError, ErrorClass};
use crate::model::InstanceId;
use crate::model::money::Amount;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is known. What was not asked is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Bundles by id; a bundle that was asked for and does not exist has no size.
    pub bundles: BTreeMap<String, Option<BundleSize>>,
    /// For instances whose bundle is to change: what the service says of that.
    pub upgrades: BTreeMap<InstanceId, UpgradeOffer>,
    /// `LINUX_UNIX` or `WINDOWS` by blueprint, empty where it is not reported; a blueprint that was asked for and does not exist has none.
    pub platforms: BTreeMap<String, Option<String>>,
    /// Whether instances that leave can be returned.
    pub returnable: BTreeMap<InstanceId, Returnable>,
    /// Attached data disks of instances that are destroyed, replaced or renewed. Absent where the cloud did not list them.
    pub data_disks: BTreeMap<InstanceId, Vec<DataDisk>>,
    /// How many snapshots a purge deletes with the instance.
    pub snapshots: BTreeMap<InstanceId, u64>,
    /// API actions that the service refuses for instances that change.
    pub denied: BTreeMap<InstanceId, Vec<DeniedAction>>,
    /// Why an instance cannot be reinstalled with a blueprint; none if it can.
    pub resets: BTreeMap<(InstanceId, String), Option<String>>,
    /// What of this is not known (`upgrade`, `refund`, `disks`, `snapshots`, `denied`), and why.
    pub unanswered: BTreeSet<(&'static str, String)>,
}

impl Catalogue {
    /// Adds what other questions brought.
    pub fn extend(&mut self, other: Catalogue) {
        self.bundles.extend(other.bundles);
        self.upgrades.extend(other.upgrades);
        self.platforms.extend(other.platforms);
        self.returnable.extend(other.returnable);
        self.data_disks.extend(other.data_disks);
        self.snapshots.extend(other.snapshots);
        self.denied.extend(other.denied);
        self.resets.extend(other.resets);
        self.unanswered.extend(other.unanswered);
    }
}

/// What a bundle has, as far as it is reported; each may only grow in an upgrade (guide of the product).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleSize {
    /// Cores.
    pub cpu: Option<u64>,
    /// GB.
    pub memory: Option<u64>,
    /// GB of system disk.
    pub disk: Option<u64>,
    /// Mbps.
    pub bandwidth: Option<u64>,
    /// GB a month.
    pub traffic: Option<u64>,
}

impl BundleSize {
    /// Reads type Bundle.
    pub fn read(bundle: &Value) -> Self {
        Self {
            cpu: number(bundle, "CPU"),
            memory: number(bundle, "Memory"),
            disk: number(bundle, "SystemDiskSize"),
            bandwidth: number(bundle, "InternetMaxBandwidthOut"),
            traffic: number(bundle, "MonthlyTraffic"),
        }
    }

    /// What of `other` is less than here.
    pub fn what_shrinks_to(&self, other: &BundleSize) -> Vec<&'static str> {
        let less = |(_, here, there): &(_, Option<u64>, Option<u64>)| here.zip(*there).is_some_and(|(h, t)| t < h);
        self.beside(other).into_iter().filter(less).map(|(what, ..)| what).collect()
    }

    /// What cannot be compared with `other`, since the service does not report it of both.
    pub fn what_is_not_known_beside(&self, other: &BundleSize) -> Vec<&'static str> {
        let unknown = |(_, here, there): &(_, Option<u64>, Option<u64>)| here.is_none() || there.is_none();
        self.beside(other).into_iter().filter(unknown).map(|(what, ..)| what).collect()
    }

    fn beside(&self, other: &BundleSize) -> [(&'static str, Option<u64>, Option<u64>); 5] {
        [
            ("CPU", self.cpu, other.cpu),
            ("memory", self.memory, other.memory),
            ("disk", self.disk, other.disk),
            ("bandwidth", self.bandwidth, other.bandwidth),
            ("traffic", self.traffic, other.traffic),
        ]
    }
}

/// What DescribeModifyInstanceBundles says of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpgradeOffer {
    /// It can be bought, for this difference.
    Available {
        /// Decimal.
        price: Option<String>,
        /// CNY or USD.
        currency: String,
    },
    /// It cannot be had now.
    Refused {
        /// `SOLD_OUT`, `UNAVAILABLE`, or an error's code.
        state: String,
        /// The service's reason.
        message: String,
    },
    /// The service does not list it for this instance.
    NotListed,
}

/// What DescribeInstancesReturnable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returnable {
    /// Whether it can be returned.
    pub is_returnable: bool,
    /// `ReturnFailCode`.
    pub code: i64,
    /// The service's reason.
    pub message: String,
}

impl Returnable {
    /// The reason in our own words (model, type InstanceReturnable).
    pub fn why(&self) -> String {
        let known = match self.code {
            0 => "it can be returned",
            1 => "it is returned already",
            2 => "it has expired",
            3 => "it was bought more than five days ago",
            4 => "it is not prepaid",
            8 => "the number of returns of this year is used up",
            9 => "it was bought in a promotion",
            10 => "only a support ticket can return it",
            11 => "it was bought through a promotion channel",
            12 => "the rules of its product do not allow it",
            _ => self.message.trim_end_matches('.'),
        };
        format!("{known} (code {})", self.code)
    }
}

/// A data disk that is attached to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDisk {
    /// `lhdisk-…`.
    pub id: String,
    /// In GB, where the service reports it.
    pub size: Option<u64>,
}

impl std::fmt::Display for DataDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.size {
            Some(size) => write!(f, "{} ({size} GB)", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// An action that the service refuses for an instance (model, type DeniedAction).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedAction {
    /// Name of the API action.
    pub action: String,
    /// Error code that a call would get.
    pub code: String,
    /// The service's reason.
    pub message: String,
}

/// What a plan needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Instances, with the bundles that they have and are to have.
    pub upgrades: BTreeMap<InstanceId, (String, String)>,
    /// Blueprints whose platform matters.
    pub blueprints: BTreeSet<String>,
    /// Instances that leave.
    pub returns: BTreeSet<InstanceId>,
    /// Instances whose attached data disks matter.
    pub disks: BTreeSet<InstanceId>,
    /// Instances whose snapshots are deleted.
    pub snapshots: BTreeSet<InstanceId>,
    /// Instances that change: what the service refuses for them.
    pub denied: BTreeSet<InstanceId>,
    /// Instances that are reinstalled, with the blueprint.
    pub resets: BTreeSet<(InstanceId, String)>,
}

impl Questions {
    /// Whether nothing has to be asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Questions {
    /// Leaves out what an earlier round asked of instances. A failure is an answer, too: it is reported and not asked again.
    pub fn leave_out_answered(&mut self, catalogue: &Catalogue) {
        let failed = |name: &str| catalogue.unanswered.iter().any(|(what, _)| *what == name);
        let (disks, snapshots, denied) = (failed("disks"), failed("snapshots"), failed("denied"));
        self.disks.retain(|id| !disks && !catalogue.data_disks.contains_key(id));
        self.snapshots.retain(|id| !snapshots && !catalogue.snapshots.contains_key(id));
        self.denied.retain(|id| !denied && !catalogue.denied.contains_key(id));
        self.resets.retain(|reset| !denied && !catalogue.resets.contains_key(reset));
    }
}

/// Asks.
///
/// # Errors
/// When a list of what is sold cannot be read. What an upgrade costs and whether instances can be returned is only worth a
/// word, so a failure there leaves it unknown, and says why.
pub async fn ask(cloud: &dyn CloudRead, questions: &Questions) -> Result<Catalogue, CloudError> {
    let mut catalogue = Catalogue::default();
    let bundles: BTreeSet<&String> = questions.upgrades.values().flat_map(|(from, to)| [from, to]).collect();
    for set in listed(cloud, ReadAction::DescribeBundles, ("BundleIds", "BundleSet"), bundles.iter().copied()).await? {
        let id = text(&set, "BundleId").ok_or_else(|| missing(ReadAction::DescribeBundles.name(), "BundleId"))?;
        catalogue.bundles.insert(id, Some(BundleSize::read(&set)));
    }
    for bundle in bundles {
        catalogue.bundles.entry(bundle.clone()).or_default();
    }
    let blueprints = questions.blueprints.iter();
    for set in listed(cloud, ReadAction::DescribeBlueprints, ("BlueprintIds", "BlueprintSet"), blueprints).await? {
        let id =
            text(&set, "BlueprintId").ok_or_else(|| missing(ReadAction::DescribeBlueprints.name(), "BlueprintId"))?;
        catalogue.platforms.insert(id, Some(text(&set, "PlatformType").unwrap_or_default()));
    }
    for blueprint in &questions.blueprints {
        catalogue.platforms.entry(blueprint.clone()).or_default();
    }
    let offers = questions.upgrades.iter().map(|(id, (_, to))| offer(cloud, id, to));
    for (id, offer) in stream::iter(offers.collect::<Vec<_>>()).buffered(PAGES_AT_ONCE).collect::<Vec<_>>().await {
        match offer {
            Ok(offer) => drop(catalogue.upgrades.insert(id, offer)),
            Err(error) => drop(catalogue.unanswered.insert(("upgrade", why_not(&error)))),
        }
    }
    let ids: Vec<&InstanceId> = questions.returns.iter().collect();
    for chunk in ids.chunks(DESCRIBE_BATCH_MAX) {
        match returnable(cloud, chunk).await {
            Ok(found) => catalogue.returnable.extend(found),
            // One that is not listed makes an error of the call for all.
            Err(error) if error.is("ResourceNotFound") => {
                for id in chunk {
                    match returnable(cloud, &[id]).await {
                        Ok(found) => catalogue.returnable.extend(found),
                        Err(error) => drop(catalogue.unanswered.insert(("refund", why_not(&error)))),
                    }
                }
            }
            Err(error) => drop(catalogue.unanswered.insert(("refund", why_not(&error)))),
        }
    }
    attached::ask(cloud, questions, &mut catalogue).await;
    Ok(catalogue)
}

/// Lists by id. Where an unknown id is an error for the whole call, each is asked for alone.
///
/// # Errors
/// When the cloud cannot be asked.
pub async fn listed(
    cloud: &dyn CloudRead,
    action: ReadAction,
    (ids_key, set_key): (&str, &str),
    ids: impl Iterator<Item = &String>,
) -> Result<Vec<Value>, CloudError> {
    let ids: Vec<&String> = ids.collect();
    let mut all = Vec::new();
    for chunk in ids.chunks(DESCRIBE_BATCH_MAX) {
        let body = |ids: &[&String]| json!({ids_key: ids, "Limit": DESCRIBE_BATCH_MAX});
        let set = |reply: Reply| reply.rows(action.name(), set_key);
        match cloud.read(action, body(chunk)).await {
            Ok(reply) => all.extend(set(reply)?),
            Err(error) if error.class == ErrorClass::Refused => {
                for id in chunk {
                    match cloud.read(action, body(&[id])).await {
                        Ok(reply) => all.extend(set(reply)?),
                        Err(error) if error.class == ErrorClass::Refused => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Why something is not known, in a few words.
pub fn why_not(error: &CloudError) -> String {
    match error.is("UnauthorizedOperation") || error.is("AuthFailure.UnauthorizedOperation") {
        true => format!("no permission for {}", error.action),
        false => error.to_string(),
    }
}

async fn offer(cloud: &dyn CloudRead, id: &InstanceId, to: &str) -> (InstanceId, Result<UpgradeOffer, CloudError>) {
    let filters = json!([{"Name": "bundle-id", "Values": [to]}]);
    let body = json!({"InstanceId": id, "Filters": filters, "Limit": DESCRIBE_BATCH_MAX});
    let action = ReadAction::DescribeModifyInstanceBundles;
    let offer = match cloud.read(action, body).await {
        Ok(reply) => reply.read(action.name()).and_then(|response: Value| read_offer(&response, to)),
        Err(error) if error.class == ErrorClass::Refused => {
            Ok(UpgradeOffer::Refused { state: error.code.unwrap_or_default(), message: error.message })
        }
        Err(error) => Err(error),
    };
    (id.clone(), offer)
}

fn read_offer(response: &Value, to: &str) -> Result<UpgradeOffer, CloudError> {
    let action = ReadAction::DescribeModifyInstanceBundles.name();
    let set = response["ModifyBundleSet"].as_array().ok_or_else(|| missing(action, "ModifyBundleSet"))?;
    let Some(found) = set.iter().find(|one| one["Bundle"]["BundleId"] == to) else {
        return match set.iter().any(|one| text(&one["Bundle"], "BundleId").is_none()) {
            true => Err(missing(action, "Bundle.BundleId")),
            false => Ok(UpgradeOffer::NotListed),
        };
    };
    let state = text(found, "ModifyBundleState").ok_or_else(|| missing(action, "ModifyBundleState"))?;
    if state != "AVAILABLE" {
        let message = text(found, "NotSupportModifyMessage").unwrap_or_default();
        return Ok(UpgradeOffer::Refused { state, message });
    }
    let price = &found["ModifyPrice"]["InstancePrice"];
    let amount = Amount::from_json(&price["DiscountPrice"]).map(|amount| amount.to_string());
    // An amount of an unknown currency is no price.
    let (price, currency) = match text(price, "Currency") {
        Some(currency) => (amount, currency),
        None => (None, String::new()),
    };
    Ok(UpgradeOffer::Available { price, currency })
}

async fn returnable(cloud: &dyn CloudRead, ids: &[&InstanceId]) -> Result<Vec<(InstanceId, Returnable)>, CloudError> {
    let body = json!({"InstanceIds": ids, "Limit": DESCRIBE_BATCH_MAX});
    let action = ReadAction::DescribeInstancesReturnable;
    let set = cloud.read(action, body).await?.rows(action.name(), "InstanceReturnableSet")?;
    set.iter()
        .map(|one| {
            let unknown = |field| missing(action.name(), field);
            let found = Returnable {
                is_returnable: flag(one, "IsReturnable").ok_or_else(|| unknown("IsReturnable"))?,
                code: one["ReturnFailCode"].as_i64().unwrap_or_default(),
                message: text(one, "ReturnFailMessage").unwrap_or_default(),
            };
            Ok((InstanceId(text(one, "InstanceId").ok_or_else(|| unknown("InstanceId"))?), found))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_by_its_state() {
        let of = |state: &str| {
            let response = json!({"ModifyBundleSet": [{
                "ModifyBundleState": state, "NotSupportModifyMessage": "none left", "Bundle": {"BundleId": "b"},
                "ModifyPrice": {"InstancePrice": {"DiscountPrice": 12.5, "Currency": "CNY"}},
            }]});
            read_offer(&response, "b").expect("an offer")
        };
        assert_eq!(of("AVAILABLE"), UpgradeOffer::Available { price: Some("12.50".into()), currency: "CNY".into() });
        let refused = UpgradeOffer::Refused { state: "SOLD_OUT".into(), message: "none left".into() };
        assert_eq!(of("SOLD_OUT"), refused);
        assert_eq!(read_offer(&json!({"ModifyBundleSet": []}), "b").ok(), Some(UpgradeOffer::NotListed));
        for unknown in
            [json!({}), json!({"ModifyBundleSet": null}), json!({"ModifyBundleSet": [{"Bundle": {"BundleId": "b"}}]})]
        {
            assert!(read_offer(&unknown, "b").is_err(), "{unknown}");
        }
    }

    #[test]
    fn any_part_that_shrinks_makes_a_bundle_smaller() {
        let small =
            BundleSize { cpu: Some(2), memory: Some(4), disk: Some(60), bandwidth: Some(5), traffic: Some(500) };
        let large =
            BundleSize { cpu: Some(4), memory: Some(8), disk: Some(80), bandwidth: Some(5), traffic: Some(400) };
        assert_eq!(small.what_shrinks_to(&large), ["traffic"]);
        assert_eq!(large.what_shrinks_to(&small), ["CPU", "memory", "disk"]);
        assert!(small.what_shrinks_to(&small).is_empty());
        let unknown = BundleSize { memory: None, ..large };
        assert_eq!(small.what_shrinks_to(&unknown), ["traffic"]);
        assert_eq!(small.what_is_not_known_beside(&unknown), ["memory"]);
    }
}
