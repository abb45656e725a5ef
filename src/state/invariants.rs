//! What holds in every state that lhprov writes. A state that a person merged or edited is held to it when it is read: what does
//! not hold could buy a machine, forget one, or end a run in the middle.

use super::journal::{Intent, Record};
use super::prior::PriorState;
use crate::model::{Address, InstanceId, Predecessor};
use serde_json::Value;
use std::collections::BTreeMap;

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a path of keys.
    pub place: String,
    /// Which.
    pub message: String,
}

fn violation(place: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation { place: place.into(), message: message.into() }
}

/// Checks a state.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_state(state: &PriorState) -> Result<(), Violation> {
    let mut places: BTreeMap<&InstanceId, String> = BTreeMap::new();
    let at = |address: &Address| format!("instances.{address}");
    let left = |number: usize| format!("deposed[{number}]");
    let instances = state.instances.iter().map(|(address, one)| (at(address), &one.instance_id));
    let deposed = state.deposed.iter().enumerate().map(|(number, one)| (left(number), &one.instance_id));
    for (place, id) in instances.chain(deposed) {
        if id.as_str().is_empty() {
            return Err(violation(place, "its instance id is empty"));
        }
        if let Some(other) = places.insert(id, place.clone()) {
            return Err(violation(place, format!("{id} is also {other}, and an instance has one place")));
        }
    }
    for (address, recorded) in &state.instances {
        if recorded.predecessor.instance() == Some(&recorded.instance_id) {
            return Err(violation(at(address), format!("{} is its own predecessor", recorded.instance_id)));
        }
        check_spec(&format!("{}.spec", at(address)), &recorded.spec.to_value())?;
    }
    match state.predecessors.iter().find(|(_, before)| matches!(before, Predecessor::Instance(id) if id.0.is_empty())) {
        Some((address, _)) => Err(violation(format!("predecessors.{address}"), "its instance id is empty")),
        None => Ok(()),
    }
}

/// Checks a record of the journal.
///
/// # Errors
/// The first rule that does not hold.
pub(super) fn check_record(record: &Record) -> Result<(), Violation> {
    match record {
        Record::Intent(Intent { body, spec, members, .. }) => {
            if !body.is_object() {
                return Err(violation("record.body", "it is not a map"));
            }
            if members.is_empty() {
                return Err(violation("record.members", "a purchase has members"));
            }
            check_spec("record.spec", spec)
        }
        Record::Adopted { spec, .. } | Record::Applied { spec, .. } => check_spec("record.spec", spec),
        Record::Order(order) => {
            order.targets.iter().try_for_each(|target| check_spec("record.targets.spec", &target.spec))
        }
        _ => Ok(()),
    }
}

/// Type of a value, for people.
type Shape = (fn(&Value) -> bool, &'static str);

const TEXT: Shape = (Value::is_string, "a text");
const NUMBER: Shape = (Value::is_u64, "a number");
const BOOLEAN: Shape = (Value::is_boolean, "true or false");
const MAP: Shape = (Value::is_object, "a map");
const TEXTS: Shape = (|value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string)), "a list of texts");
const MAPS: Shape = (|value| value.as_array().is_some_and(|all| all.iter().all(Value::is_object)), "a list of maps");
const TEXT_MAP: Shape =
    (|value| value.as_object().is_some_and(|map| map.values().all(Value::is_string)), "a map of texts");

/// The keys of a spec and their types. A key with null counts as absent; others are unknown and harmless.
const SPEC: [(&[&str], Shape); 19] = [
    (&["bundle_id"], TEXT),
    (&["blueprint_id"], TEXT),
    (&["instance_name"], TEXT),
    (&["firewall_template_id"], TEXT),
    (&["domain_name"], TEXT),
    (&["subdomain"], TEXT),
    (&["auto_voucher"], BOOLEAN),
    (&["charge"], MAP),
    (&["charge", "period"], NUMBER),
    (&["charge", "renew_flag"], TEXT),
    (&["zones"], TEXTS),
    (&["tags"], TEXT_MAP),
    (&["login"], MAP),
    (&["login", "key_ids"], TEXTS),
    (&["login", "auto_generate_password"], BOOLEAN),
    (&["login", "password"], MAP),
    (&["login", "password", "fingerprint"], TEXT),
    (&["containers"], MAPS),
    (&["init_command"], MAP),
];

fn check_spec(place: &str, spec: &Value) -> Result<(), Violation> {
    if spec.is_null() {
        return Ok(());
    }
    if !spec.is_object() {
        return Err(violation(place, "it is not a map"));
    }
    for (path, (holds, expected)) in SPEC {
        let value = path.iter().try_fold(spec, |value, key| value.get(key)).filter(|value| !value.is_null());
        if value.is_some_and(|value| !holds(value)) {
            return Err(violation(format!("{place}.{}", path.join(".")), format!("it is not {expected}")));
        }
    }
    Ok(())
}
