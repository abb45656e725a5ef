//! Answers of the actions we use, as far as we use them. Unknown fields and states are accepted: the service grows.

use serde::{Deserialize, Deserializer, Serialize};

/// `null` and absence read as the default: the model marks many fields as nullable.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Key, one value for each key on a resource.
    pub key: String,
    /// Value.
    #[serde(default, deserialize_with = "nullable")]
    pub value: String,
}

/// An instance as DescribeInstances shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Instance {
    /// `lhins-…`.
    pub instance_id: String,
    /// Package.
    #[serde(deserialize_with = "nullable")]
    pub bundle_id: String,
    /// Image.
    #[serde(deserialize_with = "nullable")]
    pub blueprint_id: String,
    /// Display name.
    #[serde(deserialize_with = "nullable")]
    pub instance_name: String,
    /// Zone.
    #[serde(deserialize_with = "nullable")]
    pub zone: String,
    /// Private addresses.
    #[serde(deserialize_with = "nullable")]
    pub private_addresses: Vec<String>,
    /// Public addresses.
    #[serde(deserialize_with = "nullable")]
    pub public_addresses: Vec<String>,
    /// Renewal at the end of the paid time.
    #[serde(deserialize_with = "nullable")]
    pub renew_flag: String,
    /// Lifecycle state; unknown values are possible.
    #[serde(deserialize_with = "nullable")]
    pub instance_state: String,
    /// `NORMAL` or `NETWORK_RESTRICT`.
    #[serde(deserialize_with = "nullable")]
    pub instance_restrict_state: String,
    /// Last operation, an action's name.
    #[serde(deserialize_with = "nullable")]
    pub latest_operation: String,
    /// `SUCCESS`, `OPERATING`, `FAILED` or empty.
    #[serde(deserialize_with = "nullable")]
    pub latest_operation_state: String,
    /// Request id of the call that began it.
    #[serde(deserialize_with = "nullable")]
    pub latest_operation_request_id: String,
    /// ISO 8601, UTC.
    #[serde(deserialize_with = "nullable")]
    pub created_time: String,
    /// ISO 8601, UTC.
    #[serde(deserialize_with = "nullable")]
    pub expired_time: String,
    /// ISO 8601, UTC; empty when not isolated.
    #[serde(deserialize_with = "nullable")]
    pub isolated_time: String,
    /// `LINUX_UNIX` or `WINDOWS`.
    #[serde(deserialize_with = "nullable")]
    pub platform_type: String,
    /// Bound tags; absent on site international.
    #[serde(deserialize_with = "nullable")]
    pub tags: Vec<Tag>,
    /// Bound key pairs.
    #[serde(deserialize_with = "nullable")]
    pub login_settings: LoginSettings,
}

/// Bound key pairs of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LoginSettings {
    /// `lhkp-…`.
    #[serde(deserialize_with = "nullable")]
    pub key_ids: Vec<String>,
}

impl Instance {
    /// Value of the tag `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}

/// Answer of DescribeInstances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeInstancesReply {
    /// Matches in all, not in this page.
    pub total_count: u64,
    /// This page.
    #[serde(deserialize_with = "nullable")]
    pub instance_set: Vec<Instance>,
}

/// Answer of CreateInstances. A successful dry run has no ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateInstancesReply {
    /// Ids, in an order that means nothing.
    #[serde(deserialize_with = "nullable")]
    pub instance_id_set: Vec<String>,
}

/// Lifecycle states by what they mean for us (model, type Instance).
pub mod instance_state {
    /// Being created.
    pub const PENDING: &str = "PENDING";
    /// Creation failed; final.
    pub const LAUNCH_FAILED: &str = "LAUNCH_FAILED";
    /// In service.
    pub const RUNNING: &str = "RUNNING";
    /// Isolated, kept 7 days.
    pub const SHUTDOWN: &str = "SHUTDOWN";
    /// Being destroyed.
    pub const TERMINATING: &str = "TERMINATING";
    /// Being deleted.
    pub const DELETING: &str = "DELETING";
}

/// Tag that names the stack.
pub const TAG_STACK: &str = "lhprov-stack";

/// Tag that names a purchase and its members, as `model::batch_tag` writes them.
pub const TAG_BATCH: &str = "lhprov-batch";
