//! Instances that belong to this stack already, by its state or by their tags: their blocks are written back under the
//! addresses that they have there. Pure.

use super::naming::{Common, Planned, blocks as plan_blocks, single};
use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::desired::DesiredState;
use crate::manifest::edit::{NewBlock, Yaml};
use crate::model::{Address, InstanceId, Key, Life, ObservedInstance};
use crate::observe::ownership::members_in;
use crate::plan::placement::by_tags;
use crate::state::PriorState;
use std::collections::{BTreeMap, BTreeSet};

/// What belongs to the stack.
#[derive(Default)]
pub(super) struct Owned<'a> {
    /// Every instance that was looked at here.
    pub seen: BTreeSet<InstanceId>,
    /// The manifest has lost their block.
    pub lost: Vec<(Address, &'a ObservedInstance)>,
    /// Their tags name no address, or leave a choice among addresses that the manifest does not have.
    pub without_address: Vec<&'a ObservedInstance>,
    /// Left alone: id, name, and why.
    pub left: Vec<(InstanceId, String, String)>,
}

/// Finds them.
pub(super) fn find<'a>(
    desired: &DesiredState,
    prior: &PriorState,
    found: &'a BTreeMap<InstanceId, ObservedInstance>,
) -> Owned<'a> {
    let mut owned = Owned::default();
    let of_manifest: BTreeSet<&str> = desired.instances.keys().map(|address| address.block.as_str()).collect();
    let mut untracked = Vec::new();
    let mut claimed: Vec<(Address, &'a ObservedInstance)> = Vec::new();
    for live in found.values() {
        if !matches!(live.attributes.life(), Life::Running | Life::Other) {
            continue;
        }
        if let Some(address) = prior.holder(&live.id) {
            owned.seen.insert(live.id.clone());
            if !desired.instances.contains_key(address) {
                claimed.push((address.clone(), live));
            }
        } else if live.attributes.tags.get(TAG_STACK).is_some_and(|stack| stack == desired.stack.as_str()) {
            owned.seen.insert(live.id.clone());
            untracked.push(live);
        }
    }
    let placed = by_tags(desired, &untracked, &|address| !prior.instances.contains_key(address));
    for (address, live) in placed.found {
        if desired.instances.contains_key(&address) {
            let why = "is this stack's own by its tags: `lhprov state rebuild` puts it back".to_owned();
            owned.left.push((live.id.clone(), live.attributes.instance_name.clone(), why));
        } else {
            claimed.push((address, live));
        }
    }
    for (live, why) in placed.unclear {
        let tag = live.attributes.tags.get(TAG_BATCH);
        let members = tag.and_then(|tag| members_in(tag)).unwrap_or_default();
        if !members.iter().any(|address| desired.instances.contains_key(address)) {
            // The manifest has none of its addresses, so nothing is bought beside it.
            owned.without_address.push(live);
        } else {
            let way_out = format!("{why}; say where it belongs with `lhprov import ADDRESS {}`", live.id);
            owned.left.push((live.id.clone(), live.attributes.instance_name.clone(), way_out));
        }
    }
    for (address, live) in claimed {
        if of_manifest.contains(address.block.as_str()) {
            let why = format!(
                "belongs to `{address}`, and `{}` in the manifest does not have it: add it there (`count` or `for_each`), \
                 then run this again",
                address.block
            );
            owned.left.push((live.id.clone(), live.attributes.instance_name.clone(), why));
        } else {
            owned.lost.push((address, live));
        }
    }
    owned
}

/// Plans the blocks of instances whose manifest is lost. A block whose instances cannot be written as one `count` or
/// `for_each` becomes one block for each of them.
pub(super) fn blocks(lost: &[(Address, &ObservedInstance)], taken: &mut BTreeSet<String>) -> Vec<Planned> {
    let mut by_block: BTreeMap<&str, BTreeMap<&Key, &ObservedInstance>> = BTreeMap::new();
    for (address, live) in lost {
        by_block.entry(&address.block).or_default().insert(&address.key, live);
    }
    taken.extend(by_block.keys().map(|block| (*block).to_owned()));
    let mut planned = Vec::new();
    for (block, members) in by_block {
        match one_block(block, &members) {
            Some(one) => planned.push(one),
            None => {
                let instances: Vec<&ObservedInstance> = members.into_values().collect();
                let apart = plan_blocks(&instances, taken);
                for one in &apart {
                    taken.insert(one.block.name.clone());
                }
                planned.extend(apart);
            }
        }
    }
    planned
}

/// One block of all members under the addresses that they have, where they can be written so.
fn one_block(block: &str, members: &BTreeMap<&Key, &ObservedInstance>) -> Option<Planned> {
    let (first, live) = members.first_key_value()?;
    if **first == Key::Single {
        return (members.len() == 1).then(|| single(block.to_owned(), live));
    }
    let shared = match first {
        Key::Index(_) => {
            let count = u32::try_from(members.len()).ok()?;
            let is_row = members.keys().copied().cloned().eq((0..count).map(Key::Index));
            is_row.then_some(("count", Yaml::Number(count)))?
        }
        _ => {
            let names: Option<Vec<String>> = members.keys().map(|key| name_of(key)).collect();
            let names = names?.into_iter().map(|name| (name, Yaml::Map(Vec::new())));
            ("for_each", Yaml::Map(names.collect()))
        }
    };
    let mut keys = Common::of(&live.attributes).keys();
    let zones: BTreeSet<&str> = members.values().map(|live| live.attributes.zone.as_str()).collect();
    for (_, value) in keys.iter_mut().filter(|(key, _)| *key == "zones") {
        *value = Yaml::List(zones.iter().map(|zone| (*zone).to_owned()).collect());
    }
    keys.insert(0, shared);
    if let Some(name) = shared_name(block, members) {
        keys.insert(4, ("instance_name", name));
    }
    let members =
        members.iter().map(|(key, live)| (Address { block: block.to_owned(), key: (*key).clone() }, live.id.clone()));
    Some(Planned { members: members.collect(), block: NewBlock { name: block.to_owned(), keys } })
}

fn name_of(key: &Key) -> Option<String> {
    match key {
        Key::Name(name) => Some(name.clone()),
        Key::Single | Key::Index(_) => None,
    }
}

/// The `instance_name` that gives every member its name; none if the default does, or if nothing gives it to all.
fn shared_name(block: &str, members: &BTreeMap<&Key, &ObservedInstance>) -> Option<Yaml> {
    let suffix = |key: &Key| match key {
        Key::Index(index) => index.to_string(),
        Key::Name(name) => name.clone(),
        Key::Single => String::new(),
    };
    let name = |live: &ObservedInstance| live.attributes.instance_name.clone();
    if members.iter().all(|(key, live)| name(live) == format!("{block}-{}", suffix(key))) {
        return None;
    }
    let (key, live) = members.first_key_value()?;
    let shown = name(live);
    if members.values().all(|live| name(live) == shown) {
        return Some(Yaml::Text(shown));
    }
    let prefix = shown.strip_suffix(&suffix(key))?;
    let variable = if matches!(key, Key::Index(_)) { "${count.index}" } else { "${each.key}" };
    let is_pattern = members.iter().all(|(key, live)| name(live) == format!("{prefix}{}", suffix(key)));
    is_pattern.then(|| Yaml::Template(format!("{}{variable}", prefix.replace("${", "$${"))))
}
