//! Responses of the actions we use, as far as we use them. Unknown fields and states are accepted: the service grows. What
//! each leaves out is `None`, see `reported`.

use super::reported::response;
use serde::Deserialize;

/// A tag. One without key or value is none that could be compared, so the list in which it is does not count as reported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Key, one value for each key on a resource.
    pub key: String,
    /// Value.
    pub value: String,
}

response! {
    /// An instance as DescribeInstances shows it.
    Instance {
        /// `lhins-…`.
        instance_id: String = "InstanceId",
        /// Package.
        bundle_id: String = "BundleId",
        /// Image.
        blueprint_id: String = "BlueprintId",
        /// Display name.
        instance_name: String = "InstanceName",
        /// Zone.
        zone: String = "Zone",
        /// Private addresses.
        private_addresses: Vec<String> = "PrivateAddresses",
        /// Public addresses.
        public_addresses: Vec<String> = "PublicAddresses",
        /// Renewal at the end of the paid time.
        renew_flag: String = "RenewFlag",
        /// Lifecycle state; unknown values are possible.
        instance_state: String = "InstanceState",
        /// `NORMAL` or `NETWORK_RESTRICT`.
        instance_restrict_state: String = "InstanceRestrictState",
        /// `SUCCESS`, `OPERATING`, `FAILED`; none where there was no operation.
        latest_operation_state: String = "LatestOperationState",
        /// Request id of the call that began the latest operation.
        latest_operation_request_id: String = "LatestOperationRequestId",
        /// ISO 8601, UTC.
        created_time: String = "CreatedTime",
        /// ISO 8601, UTC.
        expired_time: String = "ExpiredTime",
        /// ISO 8601, UTC; none when not isolated.
        isolated_time: String = "IsolatedTime",
        /// `LINUX_UNIX` or `WINDOWS`.
        platform_type: String = "PlatformType",
        /// Bound tags; absent on site international.
        tags: Vec<Tag> = "Tags",
        /// Bound key pairs.
        login_settings: LoginSettings = "LoginSettings",
    }

    /// Bound key pairs of an instance.
    LoginSettings {
        /// `lhkp-…`.
        key_ids: Vec<String> = "KeyIds",
    }

    /// Answer of DescribeInstances.
    DescribeInstancesReply {
        /// Matches in all, not in this page.
        total_count: u64 = "TotalCount",
        /// This page.
        instance_set: Vec<Instance> = "InstanceSet",
    }

    /// Answer of CreateInstances. A successful dry run has no ids.
    CreateInstancesReply {
        /// Ids, in an order that means nothing.
        instance_id_set: Vec<String> = "InstanceIdSet",
    }
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
