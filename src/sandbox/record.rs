//! An instance as the account keeps it and as DescribeInstances shows it.

use super::catalogue;
use super::disks::{Denied, Snapshot};
use crate::model::{RenewFlag, Site, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lifecycle states that the sandbox knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Being created.
    Pending,
    /// Creation failed; final.
    LaunchFailed,
    /// In service.
    Running,
    /// Being started.
    Starting,
    /// Being shut down.
    Stopping,
    /// Shut down.
    Stopped,
    /// Being restarted.
    Rebooting,
    /// Returned, kept for seven days.
    Shutdown,
    /// Being destroyed.
    Terminating,
    /// Being deleted.
    Deleting,
    /// Frozen for a violation.
    Freezing,
    /// On the way into rescue mode.
    EnterRescueMode,
    /// In rescue mode.
    RescueMode,
    /// On the way out of rescue mode.
    ExitRescueMode,
}

impl State {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "PENDING",
            State::LaunchFailed => "LAUNCH_FAILED",
            State::Running => "RUNNING",
            State::Starting => "STARTING",
            State::Stopping => "STOPPING",
            State::Stopped => "STOPPED",
            State::Rebooting => "REBOOTING",
            State::Shutdown => "SHUTDOWN",
            State::Terminating => "TERMINATING",
            State::Deleting => "DELETING",
            State::Freezing => "FREEZING",
            State::EnterRescueMode => "ENTER_RESCUE_MODE",
            State::RescueMode => "RESCUE_MODE",
            State::ExitRescueMode => "EXIT_RESCUE_MODE",
        }
    }
}

/// What an operation changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The power state alone.
    Power,
    /// The package.
    Bundle(String),
    /// The system disk: image and login.
    Reset(String, Login),
    /// The key pairs, and the user that they are for.
    Keys(Vec<String>, Option<String>),
    /// The password, as a digest.
    Password(String),
    /// End of the paid time and renew flag.
    Renew(Timestamp, String),
}

/// An operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operating {
    /// What it is for.
    pub effect: Effect,
    /// The state once it has succeeded.
    pub then: State,
    /// The state once it has failed.
    pub otherwise: State,
    /// What was paid for it, in ten-thousandths; it comes back if it fails.
    pub paid: i64,
    /// Whether it will fail.
    pub fails: bool,
}

/// How one logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Login {
    /// Key pairs.
    pub keys: Vec<String>,
    /// The user of the key pairs, if one was named.
    pub user: Option<String>,
    /// Digest of the password, if there is one. The password itself is not kept.
    pub password: Option<String>,
}

/// Why an instance is restricted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Violation {
    /// `RESTRICT` or `FREEZING`.
    pub source: String,
    /// `1` if the user may lift it, else `2`.
    pub state: String,
    /// Kind of violation.
    pub reason: String,
    /// For people.
    pub content: String,
}

/// What comes of an instance when its time is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Creation ends well.
    Boot,
    /// Creation fails.
    Fail,
    /// The return is done.
    Isolated,
    /// The id vanishes.
    Gone,
    /// An operation ends.
    Operated(Box<Operating>),
}

/// The last operation on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The action.
    pub action: String,
    /// `OPERATING`, `SUCCESS`, `FAILED`.
    pub state: String,
    /// Request that began it.
    pub request_id: String,
    /// When it began.
    pub started: Timestamp,
}

impl Operation {
    /// An operation that has just begun.
    pub fn begun(action: &str, request_id: &str, now: Timestamp) -> Self {
        Self { action: action.to_owned(), state: "OPERATING".into(), request_id: request_id.to_owned(), started: now }
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        self.state == "OPERATING"
    }
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `lhins-…`.
    pub id: String,
    /// Counts purchases; later is greater.
    pub serial: u64,
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Package.
    pub bundle: String,
    /// Image.
    pub blueprint: String,
    /// Display name.
    pub name: String,
    /// At the end of the paid time.
    pub renew_flag: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Key pairs.
    pub keys: Vec<String>,
    /// Global id.
    pub uuid: String,
    /// `lhdisk-…`.
    pub disk: String,
    /// `inv-…` if a command was given.
    pub invocation: Option<String>,
    /// What was paid, in ten-thousandths.
    pub paid: i64,
    /// Purchase.
    pub created: Timestamp,
    /// End of the paid time.
    pub expires: Timestamp,
    /// Return.
    pub isolated: Option<Timestamp>,
    /// Not listed before.
    pub visible: Timestamp,
    /// Lifecycle.
    pub state: State,
    /// The next change and when it comes.
    pub due: Option<(Timestamp, Next)>,
    /// Last operation.
    pub operation: Operation,
    /// The user of the key pairs, if one was named.
    #[serde(default)]
    pub key_user: Option<String>,
    /// Digest of the password, if there is one.
    #[serde(default)]
    pub password: Option<String>,
    /// How often the system disk was wiped.
    #[serde(default)]
    pub resets: u32,
    /// Whether the renewal at the end of the paid time failed.
    #[serde(default)]
    pub dunned: bool,
    /// Whether the network is blocked.
    #[serde(default)]
    pub restricted: bool,
    /// Why it is restricted, if it is.
    #[serde(default)]
    pub violation: Option<Violation>,
    /// Why it cannot be returned, by the codes of DescribeInstancesReturnable; 0 if it can.
    #[serde(default)]
    pub return_fail: u8,
    /// Snapshots; they end with the instance.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// Actions that are refused beyond what the state forbids.
    #[serde(default)]
    pub denied: Vec<Denied>,
    /// The firewall template that was applied last.
    #[serde(default)]
    pub firewall_template: Option<String>,
}

/// So long after the end of the paid time an instance goes on.
pub const GRACE: Duration = Duration::from_secs(2 * 86_400);

/// The default order: to be recycled first, then the newest.
pub type OrderKey = (bool, Reverse<Timestamp>, Reverse<u64>);

/// ISO 8601 in whole seconds, as the API writes times.
pub fn iso(time: Timestamp) -> String {
    Timestamp::from_secs(time.as_secs()).to_string()
}

impl Record {
    /// Place in the default order.
    pub fn order_key(&self) -> OrderKey {
        (self.state != State::Shutdown, Reverse(self.created), Reverse(self.serial))
    }

    /// Whether it takes a place of the quota.
    pub fn counts(&self) -> bool {
        self.state != State::LaunchFailed
    }

    /// When something happens to it next, if nobody acts: its operation ends, or its paid time.
    pub fn wakes(&self) -> Option<Timestamp> {
        let operation = self.due.as_ref().map(|(time, _)| *time);
        let lease = match self.state {
            State::Pending | State::LaunchFailed | State::Shutdown | State::Terminating | State::Deleting => None,
            _ if self.renews() && !self.dunned => Some(self.expires),
            _ => Some(self.expires.plus(GRACE)),
        };
        operation.into_iter().chain(lease).min()
    }

    /// Whether it is renewed at the end of the paid time.
    pub fn renews(&self) -> bool {
        self.renew_flag == RenewFlag::NotifyAndAutoRenew.as_str()
    }

    /// The user that logs in if none is named.
    pub fn default_user(&self) -> &'static str {
        match catalogue::find_blueprint(&self.blueprint) {
            Some(image) if image.windows => "Administrator",
            Some(image) if image.platform == "UBUNTU" => "ubuntu",
            _ => "root",
        }
    }

    /// Whether it runs Windows.
    pub fn is_windows(&self) -> bool {
        catalogue::find_blueprint(&self.blueprint).is_some_and(|image| image.windows)
    }

    /// Private address, once created.
    pub fn private_ip(&self) -> Option<String> {
        self.address([10, 0])
    }

    /// Public address, once created.
    pub fn public_ip(&self) -> Option<String> {
        self.address([43, 128])
    }

    fn address(&self, [first, second]: [u8; 2]) -> Option<String> {
        if matches!(self.state, State::Pending | State::LaunchFailed) {
            return None;
        }
        let [.., b, c, d] = (self.serial.wrapping_add(1)).to_be_bytes();
        Some(format!("{first}.{}.{c}.{d}", second.wrapping_add(b)))
    }

    /// As DescribeInstances shows it, with every field that the site has.
    pub fn to_json(&self, site: Site) -> Value {
        let bundle = catalogue::find_bundle(site, &self.bundle);
        let blueprint = catalogue::find_blueprint(&self.blueprint);
        let tags: Vec<_> = self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let mut shown = json!({
            "InstanceId": self.id,
            "BundleId": self.bundle,
            "BlueprintId": self.blueprint,
            "CPU": bundle.map(|bundle| bundle.cpu),
            "Memory": bundle.map(|bundle| bundle.memory),
            "InstanceName": self.name,
            "InstanceChargeType": "PREPAID",
            "SystemDisk": {
                "DiskType": "CLOUD_SSD",
                "DiskSize": bundle.map(|bundle| bundle.disk),
                "DiskId": self.disk,
            },
            "PrivateAddresses": self.private_ip().as_slice(),
            "PublicAddresses": self.public_ip().as_slice(),
            "InternetAccessible": {
                "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
                "InternetMaxBandwidthOut": bundle.map(|bundle| bundle.bandwidth),
                "PublicIpAssigned": true,
            },
            "RenewFlag": self.renew_flag,
            "LoginSettings": {"KeyIds": self.keys},
            "InstanceState": self.state.as_str(),
            "Uuid": self.uuid,
            "LatestOperation": self.operation.action,
            "LatestOperationState": self.operation.state,
            "LatestOperationRequestId": self.operation.request_id,
            "IsolatedTime": self.isolated.map(iso),
            "CreatedTime": iso(self.created),
            "ExpiredTime": iso(self.expires),
            "PlatformType": blueprint.map(catalogue::Blueprint::platform_type),
            "Platform": blueprint.map(|blueprint| blueprint.platform),
            "OsName": blueprint.map(|blueprint| blueprint.os),
            "Zone": self.zone,
            "Tags": tags,
            "InstanceRestrictState": if self.restricted { "NETWORK_RESTRICT" } else { "NORMAL" },
        });
        if let (Site::China, Some(map)) = (site, shown.as_object_mut()) {
            map.insert("LatestOperationStartedTime".into(), json!(iso(self.operation.started)));
            let detail = json!({"IsSupport": false, "Detail": "REGION_NOT_SUPPORT", "Message": ""});
            map.insert("SupportIpv6Detail".into(), detail);
            map.insert("PublicIpv6Addresses".into(), json!([]));
            map.insert("InitInvocationId".into(), json!(self.invocation.as_deref().unwrap_or_default()));
            map.insert("InstanceViolationDetail".into(), json!(self.violation));
        }
        shown
    }
}
