//! Which address an instance belongs to that no state records: by its ownership tags, or by its name where there are none. Pure.

use super::batch::{batch, cut};
use crate::cloud::types::TAG_BATCH;
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId, Key, ObservedInstance, Predecessor};
use crate::observe::ownership::{match_members, members_in};
use std::collections::BTreeMap;

/// Addresses found for instances.
#[derive(Default)]
pub struct Placed<'a> {
    /// Instances by the address that is theirs.
    pub found: BTreeMap<Address, &'a ObservedInstance>,
    /// Instances whose address cannot be determined, and why.
    pub unclear: Vec<(&'a ObservedInstance, String)>,
}

/// By the members that the tags name. Tags that name fewer come first: they were written later, for a part of what an older
/// one names.
pub fn by_tags<'a>(
    desired: &DesiredState,
    free: &[&'a ObservedInstance],
    is_free: &dyn Fn(&Address) -> bool,
) -> Placed<'a> {
    let mut groups: BTreeMap<&str, Vec<&'a ObservedInstance>> = BTreeMap::new();
    let mut placed = Placed::default();
    for live in free {
        let tag = live.attributes.tags.get(TAG_BATCH).map_or("", String::as_str);
        groups.entry(tag).or_default().push(live);
    }
    let mut named = Vec::new();
    for (tag, instances) in groups {
        match members_of(desired, tag) {
            Some(members) => named.push((members, instances)),
            None => {
                let why = "its tags name no address".to_owned();
                placed.unclear.extend(instances.into_iter().map(|live| (live, why.clone())));
            }
        }
    }
    named.sort_by_key(|(members, instances)| (members.len(), instances.iter().map(|live| live.id.clone()).min()));
    for (members, instances) in named {
        let open: Vec<&Address> =
            members.iter().filter(|address| is_free(address) && !placed.found.contains_key(*address)).collect();
        place(desired, &open, instances, &mut placed);
    }
    placed
}

/// Gives instances the addresses that are open to them, as a purchase's answer would be matched: by name, and where all of
/// them are there, the rest in order.
fn place<'a>(desired: &DesiredState, open: &[&Address], instances: Vec<&'a ObservedInstance>, placed: &mut Placed<'a>) {
    let names: Vec<String> = open.iter().map(|address| name_of(desired, address)).collect();
    let members: Vec<(&Address, &str)> = open.iter().copied().zip(names.iter().map(String::as_str)).collect();
    let by_id: BTreeMap<&InstanceId, &'a ObservedInstance> = instances.iter().map(|live| (&live.id, *live)).collect();
    if open.len() == instances.len() {
        let named: Vec<(&InstanceId, &str)> =
            instances.iter().map(|live| (&live.id, live.attributes.instance_name.as_str())).collect();
        for (address, id) in match_members(&members, &named) {
            placed.found.insert(address, by_id[&id]);
        }
        return;
    }
    for live in instances {
        let name = live.attributes.instance_name.as_str();
        let same = by_id.values().filter(|other| other.attributes.instance_name == name).count();
        let fitting: Vec<&Address> =
            members.iter().filter(|(_, wanted)| *wanted == name).map(|(address, _)| *address).collect();
        match fitting[..] {
            [address] if same == 1 => drop(placed.found.insert(address.clone(), live)),
            _ if open.is_empty() => {
                placed.unclear.push((live, "the addresses that its tags name have an instance".to_owned()));
            }
            _ => {
                let may_be: Vec<String> = open.iter().map(|address| format!("`{address}`")).collect();
                placed.unclear.push((live, format!("it may be {}", may_be.join(" or "))));
            }
        }
    }
}

/// By the names that the manifest gives to its instances, where bundle, image and zone agree as well.
pub fn by_names<'a>(
    desired: &DesiredState,
    free: &[&'a ObservedInstance],
    is_free: &dyn Fn(&Address) -> bool,
) -> Placed<'a> {
    let mut placed = Placed::default();
    let mut wanted: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for (address, instance) in desired.instances.iter().filter(|(address, _)| is_free(address)) {
        wanted.entry(&instance.spec.instance_name).or_default().push(address);
    }
    for (name, addresses) in wanted {
        let bearing: Vec<&'a ObservedInstance> =
            free.iter().copied().filter(|live| live.attributes.instance_name == name).collect();
        if bearing.is_empty() {
            continue;
        }
        let spec = &desired.instances[addresses[0]].spec;
        let fits = |live: &&ObservedInstance| {
            live.attributes.bundle_id == spec.bundle_id
                && live.attributes.blueprint_id == spec.blueprint_id
                && (spec.zones.is_empty() || spec.zones.contains(&live.attributes.zone))
        };
        let may_be: Vec<String> = addresses.iter().map(|address| format!("`{address}`")).collect();
        let may_be = may_be.join(" or ");
        if !bearing.iter().all(fits) {
            let why = format!("it bears the name of {may_be}, with another bundle, image or zone");
            placed.unclear.extend(bearing.into_iter().map(|live| (live, why.clone())));
        } else if bearing.len() == addresses.len() {
            let mut bearing = bearing;
            bearing.sort_by(|a, b| a.id.cmp(&b.id));
            placed.found.extend(addresses.into_iter().cloned().zip(bearing));
        } else {
            let why = format!("it may be {may_be}");
            placed.unclear.extend(bearing.into_iter().map(|live| (live, why.clone())));
        }
    }
    placed
}

/// The addresses that a batch tag names; one that has no room for them names its purchase, which an unchanged manifest has too.
pub fn members_of(desired: &DesiredState, tag: &str) -> Option<Vec<Address>> {
    if tag.contains(' ') {
        return members_in(tag);
    }
    cut(desired).into_iter().find_map(|members| {
        let all: Vec<(&Address, &Predecessor)> =
            members.iter().map(|address| (*address, Predecessor::NOTHING)).collect();
        let purchase = batch(desired, &all)?;
        (purchase.token.short() == tag).then(|| members.into_iter().cloned().collect())
    })
}

/// What the manifest calls an address, or would by default.
fn name_of(desired: &DesiredState, address: &Address) -> String {
    match (desired.instances.get(address), &address.key) {
        (Some(instance), _) => instance.spec.instance_name.clone(),
        (None, Key::Single) => address.block.clone(),
        (None, Key::Index(index)) => format!("{}-{index}", address.block),
        (None, Key::Name(name)) => format!("{}-{name}", address.block),
    }
}
