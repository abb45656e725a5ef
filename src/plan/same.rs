//! What is plainly the same, told without writing either value down. Most of a large fleet is as it should be, and this is all that
//! is spent on it: where the answer is no, `diff` and `drift` compare in full.

use super::attribute::Kind;
use crate::desired::DesiredInstance;
use crate::model::tag::OWN_PREFIX;
use crate::model::{Attributes, Login};
use crate::state::AppliedSpec;

/// Whether an attribute is plainly reported as it is wanted.
pub fn as_wanted(kind: Kind, desired: &DesiredInstance, applied: &AppliedSpec, live: &Attributes) -> bool {
    match kind {
        Kind::Tags => {
            let has = |key: &str, value: &str| live.tags.get(key).is_some_and(|live| live == value);
            let is_extra = |key: &str| is_managed(key, desired, applied) && !desired.spec.tags.contains_key(key);
            desired.spec.tags.iter().all(|(key, value)| has(key, value)) && !live.tags.keys().any(|key| is_extra(key))
        }
        Kind::Zones => desired.spec.zones.contains(&live.zone),
        Kind::KeyIds => keys_wanted(desired).is_some_and(|keys| keys == live.key_ids),
        _ => same(text_wanted(kind, desired), text_reported(kind, live)),
    }
}

/// Whether an attribute is plainly reported as it was last applied.
pub fn as_applied(kind: Kind, desired: &DesiredInstance, applied: &AppliedSpec, live: &Attributes) -> bool {
    match kind {
        Kind::Tags => {
            let Some(before) = applied["tags"].as_object() else { return false };
            let mut managed = live.tags.iter().filter(|(key, _)| is_managed(key, desired, applied));
            managed.clone().count() == before.len()
                && managed.all(|(key, value)| before.get(key).is_some_and(|before| before == value.as_str()))
        }
        // The service chose it among those that were allowed.
        Kind::Zones => {
            applied["zones"].as_array().is_some_and(|zones| zones.iter().any(|zone| zone == live.zone.as_str()))
        }
        Kind::KeyIds => applied["login"]["key_ids"].as_array().is_some_and(|keys| keys.iter().eq(live.key_ids.iter())),
        _ => same(text_applied(kind, applied), text_reported(kind, live)),
    }
}

/// Whether an attribute was plainly applied last as it is wanted.
pub fn applied_as_wanted(kind: Kind, desired: &DesiredInstance, applied: &AppliedSpec) -> bool {
    match kind {
        Kind::Tags => {
            let Some(before) = applied["tags"].as_object() else { return false };
            let is_there = |key: &str, value: &str| before.get(key).is_some_and(|before| before == value);
            before.len() == desired.spec.tags.len() && desired.spec.tags.iter().all(|(key, value)| is_there(key, value))
        }
        Kind::Zones => applied["zones"].as_array().is_some_and(|zones| zones.iter().eq(desired.spec.zones.iter())),
        Kind::KeyIds => keys_wanted(desired).is_some_and(|keys| {
            applied["login"]["key_ids"].as_array().is_some_and(|before| before.iter().eq(keys.iter()))
        }),
        _ => same(text_wanted(kind, desired), text_applied(kind, applied)),
    }
}

/// Whether a tag is the manifest's: it has it, or had it when it was last applied.
pub(super) fn is_managed(key: &str, desired: &DesiredInstance, applied: &AppliedSpec) -> bool {
    desired.spec.tags.contains_key(key) || (!key.starts_with(OWN_PREFIX) && applied["tags"].get(key).is_some())
}

fn same(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_some() && one == other
}

fn keys_wanted(desired: &DesiredInstance) -> Option<&[String]> {
    match &desired.spec.login {
        Some(Login::KeyIds(keys)) => Some(keys),
        _ => None,
    }
}

/// What the manifest wants of an attribute that is a text.
fn text_wanted(kind: Kind, desired: &DesiredInstance) -> Option<&str> {
    let spec = &desired.spec;
    match kind {
        Kind::InstanceName => Some(&spec.instance_name),
        Kind::RenewFlag => Some(spec.charge.renew_flag.as_str()),
        Kind::BundleId => Some(&spec.bundle_id),
        Kind::BlueprintId => Some(&spec.blueprint_id),
        _ => None,
    }
}

/// What the service reports of it.
fn text_reported(kind: Kind, live: &Attributes) -> Option<&str> {
    match kind {
        Kind::InstanceName => Some(&live.instance_name),
        Kind::RenewFlag => Some(&live.renew_flag),
        Kind::BundleId => Some(&live.bundle_id),
        Kind::BlueprintId => Some(&live.blueprint_id),
        _ => None,
    }
}

/// What was last applied of it.
fn text_applied(kind: Kind, applied: &AppliedSpec) -> Option<&str> {
    match kind {
        Kind::RenewFlag => applied["charge"]["renew_flag"].as_str(),
        Kind::InstanceName => applied["instance_name"].as_str(),
        Kind::BundleId => applied["bundle_id"].as_str(),
        Kind::BlueprintId => applied["blueprint_id"].as_str(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceSpec, RenewFlag, Secret};
    use crate::plan::attribute::TABLE;
    use crate::plan::diff::{recorded, reported, wanted};
    use crate::sim::fleet;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::collections::BTreeMap;

    fn word() -> impl Strategy<Value = String> {
        select(vec!["a", "b"]).prop_map(str::to_owned)
    }

    fn renew_flag() -> impl Strategy<Value = RenewFlag> {
        select(vec![RenewFlag::NotifyAndAutoRenew, RenewFlag::NotifyAndManualRenew])
    }

    fn tags() -> impl Strategy<Value = BTreeMap<String, String>> {
        btree_map(select(vec!["k", "l", "lhprov-stack"]).prop_map(str::to_owned), word(), 0..3)
    }

    prop_compose! {
        fn spec()(
            name in word(), bundle_id in word(), renew_flag in renew_flag(), tags in tags(),
            zones in vec(word(), 0..3), keys in vec(word(), 0..3), login in 0..3,
        ) -> InstanceSpec {
            let mut spec = fleet::spec(&bundle_id, "", name);
            spec.charge.renew_flag = renew_flag;
            spec.login = match login {
                0 => None,
                1 => Some(Login::Password(Secret::new("Pass-word-1"))),
                _ => Some(Login::KeyIds(keys)),
            };
            InstanceSpec { zones, tags, ..spec }
        }
    }

    prop_compose! {
        fn live()(
            instance_name in word(), bundle_id in word(), renew_flag in renew_flag(), tags in tags(), zone in word(),
            key_ids in vec(word(), 0..3),
        ) -> Attributes {
            let (blueprint_id, renew_flag) = ("lhbp-f1lkcd41".to_owned(), renew_flag.as_str().to_owned());
            Attributes { instance_name, bundle_id, blueprint_id, renew_flag, tags, zone, key_ids, ..Attributes::default() }
        }
    }

    proptest! {
        #[test]
        fn what_is_plainly_the_same_is_the_same(spec in spec(), applied in spec(), live in live()) {
            let (desired, applied) = (fleet::instance(spec), AppliedSpec::from(applied.to_json("salt")));
            for row in TABLE.iter() {
                let Some(after) = wanted(row.kind, &desired) else { continue };
                let before = recorded(row, &applied);
                if applied_as_wanted(row.kind, &desired, &applied) {
                    prop_assert_eq!(&before, &after, "{}", row.name);
                }
                let Some(now) = reported(row.kind, &desired, &applied, &live).filter(|_| row.reported) else { continue };
                if as_wanted(row.kind, &desired, &applied, &live) {
                    prop_assert_eq!(&now, &after, "{}", row.name);
                }
                // Of a zone nothing more was applied than among which to choose.
                if row.kind != Kind::Zones && as_applied(row.kind, &desired, &applied, &live) {
                    prop_assert_eq!(&now, &before, "{}", row.name);
                }
            }
        }
    }
}
