//! Three-way comparison of one instance: what is wanted, what was last applied, what is live.
//!
//! What the API reports is compared with the live value; what it cannot report (password, containers, template, init
//! command, domain) with what was last applied, never with the cloud. The period is a purchase amount, not a setting.

use super::change::AttributeDiff;
use crate::model::{Attributes, InstanceSpec, Login};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tags that are ours to write and nobody's to declare.
const OWN_TAG_PREFIX: &str = "lhprov-";

/// What differs. `live` is absent where the cloud was not asked or has not listed the instance yet.
pub fn differences(desired: &InstanceSpec, applied: &Value, live: Option<&Attributes>) -> Vec<AttributeDiff> {
    let mut diffs = Vec::new();
    let mut push = |name, before: Value, after: Value| {
        if before != after {
            diffs.push(AttributeDiff { name, before, after });
        }
    };
    match live {
        Some(live) => {
            push("instance_name", json!(live.instance_name), json!(desired.instance_name));
            push("bundle_id", json!(live.bundle_id), json!(desired.bundle_id));
            push("blueprint_id", json!(live.blueprint_id), json!(desired.blueprint_id));
            push("renew_flag", json!(live.renew_flag), json!(desired.charge.renew_flag.as_str()));
            if !desired.zones.is_empty() && !desired.zones.contains(&live.zone) {
                push("zones", json!([live.zone]), json!(desired.zones));
            }
            if let Some(Login::KeyIds(ids)) = &desired.login {
                push("login", json!({"key_ids": sorted(&live.key_ids)}), json!({"key_ids": sorted(ids)}));
            }
            // Tags of others on our instances are theirs.
            let managed: BTreeMap<_, _> = live
                .tags
                .iter()
                .filter(|(key, _)| {
                    desired.tags.contains_key(*key)
                        || (!key.starts_with(OWN_TAG_PREFIX) && applied["tags"].get(key.as_str()).is_some())
                })
                .collect();
            push("tags", json!(managed), json!(desired.tags));
        }
        None => {
            let wanted = desired.to_json("");
            for name in ["instance_name", "bundle_id", "blueprint_id", "zones", "tags"] {
                if !applied.is_null() {
                    push(name, applied[name].clone(), wanted[name].clone());
                }
            }
            if !applied.is_null() {
                push("renew_flag", applied["charge"]["renew_flag"].clone(), wanted["charge"]["renew_flag"].clone());
            }
        }
    }
    if !applied.is_null() {
        let wanted = desired.to_json("");
        for name in ["containers", "init_command", "firewall_template_id", "domain_name", "subdomain"] {
            push(name, applied[name].clone(), wanted[name].clone());
        }
        push_login(&mut push, desired, applied, live.is_none());
    }
    diffs
}

fn push_login(
    push: &mut impl FnMut(&'static str, Value, Value),
    desired: &InstanceSpec,
    applied: &Value,
    keys_too: bool,
) {
    let recorded = &applied["login"];
    match &desired.login {
        Some(Login::Password(secret)) => {
            let same = recorded["password"]["fingerprint"].as_str().is_some_and(|print| secret.matches(print));
            if !same {
                push("login", json!("(earlier)"), json!({"password": "(sensitive)"}));
            }
        }
        Some(Login::AutoGeneratePassword) => {
            push("login", recorded.clone(), json!({"auto_generate_password": true}));
        }
        Some(Login::KeyIds(ids)) if keys_too => push("login", recorded.clone(), json!({"key_ids": ids})),
        // Without a wish any login is fine; key ids are compared live.
        Some(Login::KeyIds(_)) | None => {}
    }
}

fn sorted(ids: &[String]) -> Vec<&String> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids
}
