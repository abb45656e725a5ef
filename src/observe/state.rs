//! The observed state.

use super::catalogue::Catalogue;
use crate::cloud::types::Instance;
use crate::model::{Attributes, InstanceId, ObservedInstance, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// What was seen in one refresh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedState {
    /// When it was asked for.
    pub at: Timestamp,
    /// Everything asked for by id that exists, and everything that a look found.
    pub instances: BTreeMap<InstanceId, ObservedInstance>,
    /// Ids that a look found to be the stack's; empty where nobody looked.
    pub owned: Vec<InstanceId>,
    /// Whether the cloud was asked at all (`--no-refresh`).
    pub asked: bool,
    /// What is sold and taken back, for what changes.
    pub catalogue: Catalogue,
}

/// Instances by their id, for whoever asks for many of them.
pub type ById<'a> = HashMap<&'a str, &'a ObservedInstance>;

impl ObservedState {
    /// Everything that exists, by its id.
    pub fn by_id(&self) -> ById<'_> {
        self.instances.iter().map(|(id, instance)| (id.as_str(), instance)).collect()
    }
}

/// What the API shows of an instance, as we keep it.
pub fn observed(instance: Instance) -> ObservedInstance {
    ObservedInstance {
        id: InstanceId(instance.instance_id),
        operation_request_id: instance.latest_operation_request_id,
        operation_state: instance.latest_operation_state,
        platform: instance.platform_type,
        attributes: Attributes {
            state: instance.instance_state,
            restrict_state: match instance.instance_restrict_state.as_str() {
                "NORMAL" => String::new(),
                _ => instance.instance_restrict_state,
            },
            instance_name: instance.instance_name,
            bundle_id: instance.bundle_id,
            blueprint_id: instance.blueprint_id,
            zone: instance.zone,
            renew_flag: instance.renew_flag,
            public_addresses: instance.public_addresses,
            private_addresses: instance.private_addresses,
            key_ids: instance.login_settings.key_ids,
            tags: instance.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            created_time: Timestamp::parse(&instance.created_time),
            expired_time: Timestamp::parse(&instance.expired_time),
            isolated_time: Timestamp::parse(&instance.isolated_time),
        },
    }
}
