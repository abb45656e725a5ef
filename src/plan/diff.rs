//! Three-way comparison of one instance: what is wanted, what was last applied, what is live.
//!
//! What the API reports is compared with the live value; what it cannot report (password, containers, template, init
//! command, domain) with what was last applied, never with the cloud. The period is a purchase amount, not a setting.

use super::attribute::{TABLE, attribute};
use super::change::AttributeDiff;
use crate::desired::DesiredInstance;
use crate::model::{Attributes, Login, Power};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tags that are ours to write and nobody's to declare.
const OWN_TAG_PREFIX: &str = "lhprov-";

/// What differs, in the order of the attribute table, without what the manifest says to ignore. `live` is absent where the
/// cloud was not asked or has not listed the instance yet; `applied` is null where nothing is known.
pub fn differences(desired: &DesiredInstance, applied: &Value, live: Option<&Attributes>) -> Vec<AttributeDiff> {
    let mut diffs = Vec::new();
    for row in TABLE.iter().filter(|row| !row.is_ignored(&desired.ignore_changes)) {
        let Some((before, after)) = compared(row.name, desired, applied, live) else { continue };
        if before != after {
            diffs.push(AttributeDiff { name: row.name, before, after });
        }
    }
    diffs
}

/// What one attribute is and what it is to be. `None` where it is not managed, or nothing tells what it is.
fn compared(
    name: &'static str,
    desired: &DesiredInstance,
    applied: &Value,
    live: Option<&Attributes>,
) -> Option<(Value, Value)> {
    let after = wanted(name, desired)?;
    match live {
        Some(live) if attribute(name).reported => Some((reported(name, desired, applied, live)?, after)),
        _ if applied.is_null() => None,
        // Power is not a thing that was applied once: without a look at it nothing is known.
        _ if name == "power" => None,
        _ => {
            let before = recorded(name, applied);
            match (name, &desired.spec.login) {
                ("login.password", Some(Login::Password(secret))) => {
                    let same = before["fingerprint"].as_str().is_some_and(|print| secret.matches(print));
                    let before = if same { after.clone() } else { json!("(earlier)") };
                    Some((before, after))
                }
                _ => Some((before, after)),
            }
        }
    }
}

/// What the manifest wants of an attribute; `None` if it does not manage it.
pub(super) fn wanted(name: &str, desired: &DesiredInstance) -> Option<Value> {
    let spec = &desired.spec;
    let value = match (name, &spec.login) {
        ("instance_name", _) => json!(spec.instance_name),
        ("renew_flag", _) => json!(spec.charge.renew_flag.as_str()),
        ("tags", _) => json!(spec.tags),
        ("bundle_id", _) => json!(spec.bundle_id),
        ("blueprint_id", _) => json!(spec.blueprint_id),
        // Without a wish any login is fine.
        ("login.key_ids", Some(Login::KeyIds(ids))) => json!(sorted(ids)),
        ("login.password", Some(Login::Password(_))) => json!("(sensitive)"),
        ("login.auto_generate_password", Some(Login::AutoGeneratePassword)) => json!(true),
        ("power", _) => json!(desired.power?.as_str()),
        ("zones", _) => (!spec.zones.is_empty()).then(|| json!(spec.zones))?,
        ("containers", _) => spec.containers.iter().map(crate::model::Container::to_json).collect(),
        ("init_command", _) => spec.init_command.as_ref().map_or(Value::Null, crate::model::InitCommand::to_json),
        ("firewall_template_id", _) => json!(spec.firewall_template_id),
        ("domain_name", _) => json!(spec.domain_name),
        ("subdomain", _) => json!(spec.subdomain),
        _ => return None,
    };
    Some(value)
}

/// What was last applied of an attribute.
pub(super) fn recorded(name: &str, applied: &Value) -> Value {
    match name {
        "renew_flag" => applied["charge"]["renew_flag"].clone(),
        "login.key_ids" => match applied["login"]["key_ids"].as_array() {
            Some(ids) => {
                let mut ids = ids.clone();
                ids.sort_by_key(ToString::to_string);
                Value::Array(ids)
            }
            None => json!([]),
        },
        "login.password" => applied["login"]["password"].clone(),
        "login.auto_generate_password" => applied["login"]["auto_generate_password"].clone(),
        "tags" => applied.get("tags").cloned().unwrap_or_else(|| json!({})),
        "containers" => applied.get("containers").cloned().unwrap_or_else(|| json!([])),
        other => applied[other].clone(),
    }
}

/// What the service reports of an attribute, as far as the manifest manages it.
pub(super) fn reported(name: &str, desired: &DesiredInstance, applied: &Value, live: &Attributes) -> Option<Value> {
    let value = match name {
        "instance_name" => json!(live.instance_name),
        "renew_flag" => json!(live.renew_flag),
        "bundle_id" => json!(live.bundle_id),
        "blueprint_id" => json!(live.blueprint_id),
        "login.key_ids" => json!(sorted(&live.key_ids)),
        // Any of those that the manifest allows is as wanted.
        "zones" if desired.spec.zones.contains(&live.zone) => json!(desired.spec.zones),
        "zones" => json!([live.zone]),
        "tags" => json!(managed_tags(desired, applied, live)),
        "power" => match live.state.as_str() {
            "STOPPED" => json!(Power::Stopped.as_str()),
            "RUNNING" => json!(Power::Running.as_str()),
            // On the way to something, or something in which neither can be asked for.
            _ => return None,
        },
        _ => return None,
    };
    Some(value)
}

/// Tags of others on our instances are theirs.
fn managed_tags<'a>(
    desired: &DesiredInstance,
    applied: &Value,
    live: &'a Attributes,
) -> BTreeMap<&'a String, &'a String> {
    let is_managed = |key: &str| {
        desired.spec.tags.contains_key(key) || (!key.starts_with(OWN_TAG_PREFIX) && applied["tags"].get(key).is_some())
    };
    live.tags.iter().filter(|(key, _)| is_managed(key)).collect()
}

fn sorted(ids: &[String]) -> Vec<&String> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids
}
