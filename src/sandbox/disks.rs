//! Data disks and snapshots of instances. The API's actions to buy and attach disks are not simulated; a side route attaches
//! them, as somebody at the console would. What returns and renews instances treats them as the model says.

use super::account::{Account, not_found};
use super::call::{Answer, ApiError, Call};
use super::order::bad_value;
use super::params::{Filter, Params, exclusive};
use super::record::{Record, iso};
use super::term::months_later;
use crate::model::{Site, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most disks attached to one instance (guide).
const ATTACHED_MAX: usize = 5;

/// Most snapshots of one instance that the side route makes.
const SNAPSHOTS_MAX: u64 = 10;

/// Months for which a disk of the side route is paid.
const PAID_MONTHS: u32 = 1;

/// A month of one GB, in ten-thousandths. No document gives a price; the simulation needs one that is not nothing.
const MONTH_PER_GB: i64 = 3_500;

/// A data disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDisk {
    /// `lhdisk-…`.
    pub id: String,
    /// Where it is.
    pub region: String,
    /// Where it is, more closely.
    pub zone: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    /// GB.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
    /// End of the paid time.
    pub expires: Timestamp,
    /// When it was isolated, if it was.
    pub isolated: Option<Timestamp>,
}

/// A snapshot of an instance's system disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `lhsnap-…`.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
}

/// What the service refuses for an instance, beyond what its state forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Denied {
    /// API action.
    pub action: String,
    /// Error code.
    pub code: String,
    /// Reason.
    pub message: String,
}

impl DataDisk {
    fn state(&self) -> &'static str {
        match (self.isolated, &self.instance) {
            (Some(_), _) => "SHUTDOWN",
            (None, Some(_)) => "ATTACHED",
            (None, None) => "UNATTACHED",
        }
    }

    fn matches(&self, filter: &Filter<'_>) -> bool {
        match filter.name {
            "disk-id" => filter.has(&self.id),
            "instance-id" => self.instance.as_deref().is_some_and(|id| filter.has(id)),
            "disk-name" => filter.has(&self.name()),
            "zone" => filter.has(&self.zone),
            "disk-usage" => filter.has("DATA_DISK"),
            "disk-state" => filter.has(self.state()),
            // No disk has tags.
            _ => false,
        }
    }

    fn name(&self) -> String {
        self.id.replace('-', "_")
    }

    fn to_json(&self, site: Site) -> Value {
        let mut shown = json!({
            "DiskId": self.id,
            "InstanceId": self.instance.as_deref().unwrap_or_default(),
            "Zone": self.zone,
            "DiskName": self.name(),
            "DiskUsage": "DATA_DISK",
            "DiskType": "CLOUD_SSD",
            "DiskChargeType": "PREPAID",
            "DiskSize": self.size,
            "RenewFlag": "NOTIFY_AND_MANUAL_RENEW",
            "DiskState": self.state(),
            "Attached": self.instance.is_some(),
            "DeleteWithInstance": false,
            "LatestOperation": "AttachDisks",
            "LatestOperationState": "SUCCESS",
            "LatestOperationRequestId": "",
            "CreatedTime": iso(self.created),
            "ExpiredTime": iso(self.expires),
            "IsolatedTime": self.isolated.map(iso),
            "DiskBackupCount": 0,
            "Tags": [],
        });
        if let (Site::China, Some(map)) = (site, shown.as_object_mut()) {
            map.insert("DiskBackupQuota".into(), json!(0));
        }
        shown
    }
}

impl Account {
    pub(super) fn describe_disks(&self, call: &Call) -> Answer {
        let known = ["DiskIds", "Filters", "Offset", "Limit", "OrderField", "Order"];
        let params = Params::of_body(&call.body, &known)?;
        let asked = params.ids("DiskIds", "lhdisk-", "InvalidParameterValue.InvalidDiskIdMalformed", 100)?;
        let names = ["disk-id", "instance-id", "disk-name", "zone", "disk-usage", "disk-state", "tag-key", "tag-value"];
        let filters = params.filters(100, |name| names.contains(&name) || name.starts_with("tag:"))?;
        exclusive(&asked, &filters)?;
        params.text("OrderField")?;
        params.text("Order")?;
        let page = params.page()?;
        let found: Vec<&DataDisk> = self
            .disks()
            .filter(|disk| disk.region == call.region)
            .filter(|disk| asked.is_empty() || asked.contains(&disk.id.as_str()))
            .filter(|disk| filters.iter().all(|filter| disk.matches(filter)))
            .collect();
        let total = found.len();
        let site = self.settings.site;
        let set: Vec<Value> = page.of(found).into_iter().map(|disk| disk.to_json(site)).collect();
        Ok(json!({"TotalCount": total, "DiskSet": set}))
    }

    pub(super) fn describe_snapshots(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["SnapshotIds", "Filters", "Offset", "Limit"])?;
        let asked = params.ids("SnapshotIds", "lhsnap-", "InvalidParameterValue.SnapshotIdMalformed", 100)?;
        let names = ["snapshot-id", "disk-id", "snapshot-name", "instance-id", "tag-key", "tag-value"];
        let filters = params.filters(5, |name| names.contains(&name) || name.starts_with("tag:"))?;
        exclusive(&asked, &filters)?;
        let page = params.page()?;
        let all =
            self.region_records(&call.region).flat_map(|record| record.snapshots.iter().map(move |one| (record, one)));
        let matches = |record: &Record, snapshot: &Snapshot, filter: &Filter<'_>| match filter.name {
            "snapshot-id" => filter.has(&snapshot.id),
            "disk-id" => filter.has(&record.disk),
            "snapshot-name" => filter.has(&snapshot.id.replace('-', "_")),
            "instance-id" => filter.has(&record.id),
            _ => false,
        };
        let found: Vec<(&Record, &Snapshot)> = all
            .filter(|(_, snapshot)| asked.is_empty() || asked.contains(&snapshot.id.as_str()))
            .filter(|(record, snapshot)| filters.iter().all(|filter| matches(record, snapshot, filter)))
            .collect();
        let total = found.len();
        let site = self.settings.site;
        let set: Vec<Value> =
            page.of(found).into_iter().map(|(record, one)| snapshot_json(site, record, one)).collect();
        Ok(json!({"TotalCount": total, "SnapshotSet": set}))
    }

    /// Isolates the disks that are attached to an instance.
    pub(super) fn isolate_disks(&mut self, instance: &str, now: Timestamp) {
        for mut disk in self.attached(instance) {
            disk.isolated = Some(now);
            self.put_disk(disk);
        }
    }

    /// Renews the disks that are attached to an instance.
    pub(super) fn renew_disks(&mut self, instance: &str, months: u32) {
        for mut disk in self.attached(instance) {
            self.pay(disk_price(&disk, months));
            disk.expires = months_later(disk.expires, months);
            self.put_disk(disk);
        }
    }

    /// Detaches the disks of an instance that is no more.
    pub(super) fn detach_disks(&mut self, instance: &str) {
        for mut disk in self.attached(instance) {
            disk.instance = None;
            self.put_disk(disk);
        }
    }

    /// The disks that are attached to an instance and in service.
    pub(super) fn attached(&self, instance: &str) -> Vec<DataDisk> {
        let is_its = |disk: &&DataDisk| disk.isolated.is_none() && disk.instance.as_deref() == Some(instance);
        self.disks().filter(is_its).cloned().collect()
    }

    /// Attaches disks behind the API's back: a list of `{"DiskSize": 20}`.
    pub(super) fn attach_disks(&mut self, record: &Record, list: &Value, now: Timestamp) -> Result<(), ApiError> {
        let list = list.as_array().ok_or_else(|| bad_value("`DataDisks` is not a list.".to_owned()))?;
        if self.attached(&record.id).len() + list.len() > ATTACHED_MAX {
            return Err(bad_value(format!("An instance has at most {ATTACHED_MAX} data disks.")));
        }
        for one in list {
            let size = one["DiskSize"].as_u64().filter(|size| (10..=4000).contains(size) && size % 10 == 0);
            let size = size.ok_or_else(|| bad_value("`DiskSize` is a multiple of 10 from 10 to 4000.".to_owned()))?;
            let id = self.random_id("lhdisk-");
            let (region, zone) = (record.region.clone(), record.zone.clone());
            let (instance, expires) = (Some(record.id.clone()), months_later(now, PAID_MONTHS));
            self.put_disk(DataDisk { id, region, zone, instance, size, created: now, expires, isolated: None });
        }
        Ok(())
    }

    /// Makes snapshots behind the API's back.
    pub(super) fn make_snapshots(
        &mut self,
        record: &mut Record,
        count: &Value,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let count = count.as_u64().filter(|count| *count <= SNAPSHOTS_MAX);
        let count = count.ok_or_else(|| bad_value(format!("`Snapshots` is a number up to {SNAPSHOTS_MAX}.")))?;
        record.snapshots.clear();
        for _ in 0..count {
            let id = self.random_id("lhsnap-");
            record.snapshots.push(Snapshot { id, created: now });
        }
        Ok(())
    }

    pub(super) fn describe_denied_actions(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds"])?;
        let ids = params.need_instance_ids(100)?;
        let mut set = Vec::new();
        for id in ids {
            let record = self.one(call, id).map_err(|_| not_found(id))?;
            let by_state = denied_by_state(record).into_iter().map(|action| {
                let message = format!("Instance `{}` in `{}` does not support this.", record.id, record.state.as_str());
                json!({"Action": action, "Code": "UnsupportedOperation.InvalidInstanceState", "Message": message})
            });
            let extra = record.denied.iter().map(|denied| json!(denied));
            let actions: Vec<Value> = by_state.chain(extra).collect();
            set.push(json!({"InstanceId": record.id, "DeniedActions": actions}));
        }
        Ok(json!({"InstanceDeniedActionSet": set}))
    }
}

/// What renewing a disk for some months costs, in ten-thousandths.
fn disk_price(disk: &DataDisk, months: u32) -> i64 {
    let size = i64::try_from(disk.size).unwrap_or(i64::MAX);
    MONTH_PER_GB.saturating_mul(size).saturating_mul(i64::from(months))
}

/// The actions that the state of an instance forbids.
fn denied_by_state(record: &Record) -> Vec<&'static str> {
    use super::record::State;
    /// Actions on an instance in service.
    const IN_SERVICE: [&str; 10] = [
        "AssociateInstancesKeyPairs",
        "DisassociateInstancesKeyPairs",
        "IsolateInstances",
        "ModifyInstancesBundle",
        "RebootInstances",
        "ResetInstance",
        "ResetInstancesPassword",
        "StartInstances",
        "StopInstances",
        "ApplyFirewallTemplate",
    ];
    match record.state {
        State::Running => vec!["StartInstances", "TerminateInstances"],
        State::Stopped => vec!["RebootInstances", "StopInstances", "TerminateInstances"],
        State::Shutdown => IN_SERVICE.to_vec(),
        _ => IN_SERVICE.iter().copied().chain(["RenewInstances", "TerminateInstances"]).collect(),
    }
}

fn snapshot_json(site: Site, record: &Record, snapshot: &Snapshot) -> Value {
    let mut shown = json!({
        "SnapshotId": snapshot.id,
        "DiskUsage": "SYSTEM_DISK",
        "DiskId": record.disk,
        "DiskSize": 50,
        "SnapshotName": snapshot.id.replace('-', "_"),
        "SnapshotState": "NORMAL",
        "Percent": 100,
        "LatestOperation": "CreateInstanceSnapshot",
        "LatestOperationState": "SUCCESS",
        "LatestOperationRequestId": "",
        "CreatedTime": iso(snapshot.created),
    });
    if let (Site::China, Some(map)) = (site, shown.as_object_mut()) {
        map.insert("Tags".into(), json!([]));
    }
    shown
}
