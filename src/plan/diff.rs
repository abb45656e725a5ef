//! Three-way comparison of one instance: what is wanted, what was last applied, what is live.
//!
//! What the API reports is compared with the live value; what it cannot report (password, containers, template, init
//! command, domain) or does not report now with what was last applied. The period is a purchase amount, not a setting.

use super::attribute::{Attribute, Kind, TABLE};
use super::change::AttributeDiff;
use super::same;
use crate::desired::DesiredInstance;
use crate::model::{Attributes, Login, Power};
use crate::state::AppliedSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What differs, in the order of the attribute table, without what the manifest says to ignore. `live` is absent where the
/// cloud was not asked or has not listed the instance yet; `applied` is null where nothing is known.
pub fn differences(desired: &DesiredInstance, applied: &AppliedSpec, live: Option<&Attributes>) -> Vec<AttributeDiff> {
    let mut diffs = Vec::new();
    for row in TABLE.iter().filter(|row| !row.is_ignored(&desired.ignore_changes)) {
        let plainly_same = match live.filter(|live| row.is_reported_by(live)) {
            Some(live) => same::as_wanted(row.kind, desired, applied, live),
            None => same::applied_as_wanted(row.kind, desired, applied),
        };
        if plainly_same {
            continue;
        }
        let Some((before, after)) = compared(row, desired, applied, live) else { continue };
        if before != after {
            diffs.push(AttributeDiff { kind: row.kind, before, after });
        }
    }
    diffs
}

/// What one attribute is and what it is to be. `None` where it is not managed, or nothing tells what it is.
fn compared(
    row: &Attribute,
    desired: &DesiredInstance,
    applied: &AppliedSpec,
    live: Option<&Attributes>,
) -> Option<(Value, Value)> {
    let after = wanted(row.kind, desired)?;
    match live {
        Some(live) if row.is_reported_by(live) => Some((reported(row.kind, desired, applied, live)?, after)),
        _ if applied.is_null() => None,
        // Power is not a thing that was applied once: without a look at it nothing is known.
        _ if row.kind == Kind::Power => None,
        _ => {
            let before = recorded(row, applied);
            match (row.kind, &desired.spec.login) {
                (Kind::Password, Some(Login::Password(secret))) => {
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
pub(super) fn wanted(kind: Kind, desired: &DesiredInstance) -> Option<Value> {
    let spec = &desired.spec;
    let value = match (kind, &spec.login) {
        (Kind::InstanceName, _) => json!(spec.instance_name),
        (Kind::RenewFlag, _) => json!(spec.charge.renew_flag.as_str()),
        (Kind::Tags, _) => json!(spec.tags),
        (Kind::BundleId, _) => json!(spec.bundle_id),
        (Kind::BlueprintId, _) => json!(spec.blueprint_id),
        // Without a wish any login is fine.
        (Kind::KeyIds, Some(Login::KeyIds(ids))) => json!(sorted(ids)),
        (Kind::Password, Some(Login::Password(_))) => json!("(sensitive)"),
        (Kind::AutoGeneratePassword, Some(Login::AutoGeneratePassword)) => json!(true),
        (Kind::Power, _) => json!(desired.power?.as_str()),
        (Kind::Zones, _) => (!spec.zones.is_empty()).then(|| json!(spec.zones))?,
        (Kind::Containers, _) => spec.containers.iter().map(crate::model::Container::to_json).collect(),
        (Kind::InitCommand, _) => spec.init_command.as_ref().map_or(Value::Null, crate::model::InitCommand::to_json),
        // Without a template the rules are not managed: no action takes a template away again.
        (Kind::FirewallTemplateId, _) => json!(spec.firewall_template_id.as_ref()?),
        (Kind::DomainName, _) => json!(spec.domain_name),
        (Kind::Subdomain, _) => json!(spec.subdomain),
        _ => return None,
    };
    Some(value)
}

/// What was last applied of an attribute.
pub(super) fn recorded(row: &Attribute, applied: &AppliedSpec) -> Value {
    match row.kind {
        Kind::RenewFlag => applied["charge"]["renew_flag"].clone(),
        Kind::KeyIds => match applied["login"]["key_ids"].as_array() {
            Some(ids) => {
                let mut ids = ids.clone();
                ids.sort_by_key(ToString::to_string);
                Value::Array(ids)
            }
            None => json!([]),
        },
        Kind::Password => applied["login"]["password"].clone(),
        Kind::AutoGeneratePassword => applied["login"]["auto_generate_password"].clone(),
        Kind::Tags => or_empty(&applied["tags"], json!({})),
        Kind::Containers => or_empty(&applied["containers"], json!([])),
        _ => applied[row.name].clone(),
    }
}

/// What the service reports of an attribute, as far as the manifest manages it.
pub(super) fn reported(
    kind: Kind,
    desired: &DesiredInstance,
    applied: &AppliedSpec,
    live: &Attributes,
) -> Option<Value> {
    let value = match kind {
        Kind::InstanceName => json!(live.instance_name),
        Kind::RenewFlag => json!(live.renew_flag),
        Kind::BundleId => json!(live.bundle_id),
        Kind::BlueprintId => json!(live.blueprint_id),
        Kind::KeyIds => json!(sorted(&live.key_ids)),
        // Any of those that the manifest allows is as wanted.
        Kind::Zones if desired.spec.zones.contains(&live.zone) => json!(desired.spec.zones),
        Kind::Zones => json!([live.zone]),
        Kind::Tags => json!(managed_tags(desired, applied, live)),
        Kind::Power => match live.state.as_str() {
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
    applied: &AppliedSpec,
    live: &'a Attributes,
) -> BTreeMap<&'a String, &'a String> {
    live.tags.iter().filter(|(key, _)| same::is_managed(key, desired, applied)).collect()
}

/// What is not there is empty.
fn or_empty(value: &Value, empty: Value) -> Value {
    if value.is_null() { empty } else { value.clone() }
}

fn sorted(ids: &[String]) -> Vec<&String> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids
}
