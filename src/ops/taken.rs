//! The record of an instance that was not bought by this state.

use crate::desired::DesiredInstance;
use crate::model::attributes::Field;
use crate::model::{Attributes, Login, ObservedInstance, Predecessor};
use crate::state::{AppliedSpec, RecordedInstance};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Records `live` at the address of `desired`, as if it had been applied: what the service reports as it is, what it cannot
/// report (period, password, containers, template, init command, domain) or does not report now as the manifest says. So the latter is no difference,
/// and of the former just what differs is.
pub(super) fn record(
    desired: &DesiredInstance,
    live: &ObservedInstance,
    predecessor: &Predecessor,
    salt: &str,
) -> RecordedInstance {
    RecordedInstance {
        instance_id: live.id.clone(),
        predecessor: predecessor.clone(),
        seen: true,
        protect: desired.protect,
        unconfirmed: false,
        spec: AppliedSpec::from(applied(desired, &live.attributes, salt)),
        replacing: false,
        attributes: live.attributes.clone(),
    }
}

fn applied(desired: &DesiredInstance, live: &Attributes, salt: &str) -> Value {
    let mut spec = desired.spec.to_json(salt);
    let reports = |field| !live.unreported.has(field);
    for (key, field, value) in [
        ("bundle_id", Field::BundleId, &live.bundle_id),
        ("blueprint_id", Field::BlueprintId, &live.blueprint_id),
        ("instance_name", Field::InstanceName, &live.instance_name),
    ] {
        if reports(field) {
            spec[key] = json!(value);
        }
    }
    if !live.renew_flag.is_empty() {
        spec["charge"]["renew_flag"] = json!(live.renew_flag);
    }
    if matches!(desired.spec.login, Some(Login::KeyIds(_))) && reports(Field::KeyIds) {
        spec["login"] = json!({"key_ids": live.key_ids});
    }
    if !desired.spec.zones.is_empty() && reports(Field::Zone) && !desired.spec.zones.contains(&live.zone) {
        spec["zones"] = json!([live.zone]);
    }
    if !reports(Field::Tags) {
        return spec;
    }
    // Tags that the manifest does not name are others'.
    let tags: BTreeMap<&String, &String> =
        live.tags.iter().filter(|(key, _)| desired.spec.tags.contains_key(*key)).collect();
    if let Value::Object(map) = &mut spec {
        map.remove("tags");
    }
    if !tags.is_empty() {
        spec["tags"] = json!(tags);
    }
    spec
}
