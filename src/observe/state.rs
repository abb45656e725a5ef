//! The observed state.

use super::catalogue::Catalogue;
use crate::cloud::types::Instance;
use crate::model::attributes::{Field, Unreported};
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

/// What the API shows of an instance, as we keep it; `None` without an id, since it is nobody's then.
pub fn observed(instance: Instance) -> Option<ObservedInstance> {
    let mut unreported = Unreported::default();
    let mut attributes = Attributes {
        state: taken(instance.instance_state, Field::State, &mut unreported),
        restrict_state: taken(instance.instance_restrict_state, Field::RestrictState, &mut unreported),
        instance_name: taken(instance.instance_name, Field::InstanceName, &mut unreported),
        bundle_id: taken(instance.bundle_id, Field::BundleId, &mut unreported),
        blueprint_id: taken(instance.blueprint_id, Field::BlueprintId, &mut unreported),
        zone: taken(instance.zone, Field::Zone, &mut unreported),
        renew_flag: taken(instance.renew_flag, Field::RenewFlag, &mut unreported),
        public_addresses: taken(instance.public_addresses, Field::PublicAddresses, &mut unreported),
        private_addresses: taken(instance.private_addresses, Field::PrivateAddresses, &mut unreported),
        key_ids: taken(instance.login_settings.and_then(|login| login.key_ids), Field::KeyIds, &mut unreported),
        tags: taken(instance.tags, Field::Tags, &mut unreported).into_iter().map(|tag| (tag.key, tag.value)).collect(),
        created_time: instance.created_time.and_then(|time| Timestamp::parse(&time)),
        expired_time: instance.expired_time.and_then(|time| Timestamp::parse(&time)),
        isolated_time: instance.isolated_time.and_then(|time| Timestamp::parse(&time)),
        unreported: Unreported::default(),
    };
    if attributes.restrict_state == "NORMAL" {
        attributes.restrict_state.clear();
    }
    if attributes.expired_time.is_none() {
        unreported.insert(Field::ExpiredTime);
    }
    attributes.unreported = unreported;
    Some(ObservedInstance {
        id: InstanceId(instance.instance_id?),
        operation_request_id: instance.latest_operation_request_id.unwrap_or_default(),
        operation_state: instance.latest_operation_state.unwrap_or_default(),
        platform: instance.platform_type.unwrap_or_default(),
        attributes,
    })
}

/// A value, or its type's empty one, noted as not reported.
fn taken<T: Default>(value: Option<T>, field: Field, unreported: &mut Unreported) -> T {
    value.unwrap_or_else(|| {
        unreported.insert(field);
        T::default()
    })
}
