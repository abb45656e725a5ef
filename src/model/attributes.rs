//! What the cloud says of one instance, as far as we keep it.

use super::{InstanceId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Observed attributes of an instance. Volatile fields (latest operation, traffic) are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// Lifecycle state; empty before the instance was first seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// `NORMAL` is left out; `NETWORK_RESTRICT` is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub restrict_state: String,
    /// Display name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_name: String,
    /// Package.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bundle_id: String,
    /// Image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blueprint_id: String,
    /// Zone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Renewal at the end of the paid time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub renew_flag: String,
    /// Public addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<String>,
    /// Private addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private_addresses: Vec<String>,
    /// Bound key pairs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<String>,
    /// All tags, ours among them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When it was bought: the service's word, or ours until the service has listed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Timestamp>,
    /// Until when it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_time: Option<Timestamp>,
    /// Since when it is isolated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated_time: Option<Timestamp>,
    /// What of this the service did not report when it was asked. Empty in what is recorded.
    #[serde(skip)]
    pub unreported: Unreported,
}

/// A field of an instance whose absence from a response matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// Lifecycle state.
    State,
    /// Whether its network is restricted.
    RestrictState,
    /// Display name.
    InstanceName,
    /// Package.
    BundleId,
    /// Image.
    BlueprintId,
    /// Zone.
    Zone,
    /// Renewal at the end of the paid time.
    RenewFlag,
    /// Public addresses.
    PublicAddresses,
    /// Private addresses.
    PrivateAddresses,
    /// Bound key pairs.
    KeyIds,
    /// Tags.
    Tags,
    /// Until when it is paid.
    ExpiredTime,
}

impl Field {
    /// The name that the API gives it.
    pub fn api_name(self) -> &'static str {
        match self {
            Field::State => "InstanceState",
            Field::RestrictState => "InstanceRestrictState",
            Field::InstanceName => "InstanceName",
            Field::BundleId => "BundleId",
            Field::BlueprintId => "BlueprintId",
            Field::Zone => "Zone",
            Field::RenewFlag => "RenewFlag",
            Field::PublicAddresses => "PublicAddresses",
            Field::PrivateAddresses => "PrivateAddresses",
            Field::KeyIds => "LoginSettings.KeyIds",
            Field::Tags => "Tags",
            Field::ExpiredTime => "ExpiredTime",
        }
    }
}

/// Fields that a response left out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Unreported(u16);

impl Unreported {
    /// Adds a field.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    /// Whether a field is among them.
    pub fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }
}

impl std::fmt::Debug for Unreported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:012b}", self.0)
    }
}

impl Attributes {
    /// Takes over what a reading reports. What it does not report stays as it was recorded.
    pub fn update(&mut self, live: &Attributes) {
        let before = std::mem::replace(self, live.clone());
        let unreported = std::mem::take(&mut self.unreported);
        if unreported == Unreported::default() {
            return;
        }
        let keep = |field| unreported.has(field);
        macro_rules! keep {
            ($($kept:ident: $field:ident),+ $(,)?) => { $(if keep(Field::$field) { self.$kept = before.$kept; })+ };
        }
        keep!(
            state: State,
            restrict_state: RestrictState,
            instance_name: InstanceName,
            bundle_id: BundleId,
            blueprint_id: BlueprintId,
            zone: Zone,
            renew_flag: RenewFlag,
            public_addresses: PublicAddresses,
            private_addresses: PrivateAddresses,
            key_ids: KeyIds,
            tags: Tags,
            expired_time: ExpiredTime,
        );
    }
}

/// One instance as a refresh or a look saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedInstance {
    /// Its id.
    pub id: InstanceId,
    /// What the service says of it.
    pub attributes: Attributes,
    /// Request id of the call that began its latest operation; empty if there was none.
    pub operation_request_id: String,
    /// `SUCCESS`, `OPERATING`, `FAILED` or empty.
    pub operation_state: String,
    /// `LINUX_UNIX` or `WINDOWS`; empty if the service does not say.
    pub platform: String,
}

impl ObservedInstance {
    /// Whether an operation runs on it, or its state is on the way to another: nothing else can begin now.
    pub fn is_busy(&self) -> bool {
        self.operation_state == "OPERATING" || self.attributes.is_passing()
    }
}

/// What a lifecycle state means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Being created.
    Pending,
    /// Creation failed; final.
    Failed,
    /// In service.
    Running,
    /// Exists, not in service (stopped, rebooting, frozen, in rescue, or a state we do not know).
    Other,
    /// Isolated: returned or expired, kept 7 days.
    Isolated,
    /// Being destroyed.
    Ending,
}

impl Attributes {
    /// Whether the state is on the way to another by itself.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.state.as_str(),
            "PENDING" | "STARTING" | "STOPPING" | "REBOOTING" | "ENTER_RESCUE_MODE" | "EXIT_RESCUE_MODE"
        )
    }

    /// Whether it is shut down and can be started.
    pub fn is_stopped(&self) -> bool {
        self.state == "STOPPED"
    }

    /// The state's meaning. An unknown state is `Other`: the service grows.
    pub fn life(&self) -> Life {
        match self.state.as_str() {
            "PENDING" => Life::Pending,
            "LAUNCH_FAILED" => Life::Failed,
            "RUNNING" => Life::Running,
            "SHUTDOWN" => Life::Isolated,
            "TERMINATING" | "DELETING" => Life::Ending,
            _ => Life::Other,
        }
    }
}
