//! Blocks for instances that are there: which belong together, and what they are called. Pure.

use crate::manifest::edit::{NewBlock, Yaml};
use crate::model::tag;
use crate::model::{Address, Attributes, InstanceId, ObservedInstance, RenewFlag};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of a block.
const NAME_MAX: usize = 60;

/// Room for what makes a name unique.
const SUFFIX_ROOM: usize = 6;

/// Most tags that a manifest may name for an instance beside our own.
const TAGS_MAX: usize = tag::AT_CREATION_MAX - 2;

/// A manifest can declare no tags that only the service or lhprov can set.
fn may_be_declared(key: &str, value: &str) -> bool {
    !key.starts_with(tag::OWN_PREFIX) && tag::check_key(key).is_ok() && tag::check_value(value).is_ok()
}

/// A block and the instances that it stands for.
#[derive(Debug)]
pub(super) struct Planned {
    /// The text.
    pub block: NewBlock,
    /// Who is who.
    pub members: Vec<(Address, InstanceId)>,
}

/// What instances of one block share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Common<'a> {
    bundle_id: &'a str,
    blueprint_id: &'a str,
    renew_flag: &'a str,
    zone: &'a str,
    is_stopped: bool,
    key_ids: BTreeSet<&'a str>,
    tags: BTreeMap<&'a str, &'a str>,
}

impl<'a> Common<'a> {
    pub(super) fn of(live: &'a Attributes) -> Self {
        let tags = live.tags.iter().filter(|(key, value)| may_be_declared(key, value));
        Self {
            bundle_id: &live.bundle_id,
            blueprint_id: &live.blueprint_id,
            renew_flag: &live.renew_flag,
            zone: &live.zone,
            is_stopped: live.is_stopped(),
            key_ids: live.key_ids.iter().map(String::as_str).collect(),
            tags: tags.map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        }
    }

    /// The keys of a block. The period is what is bought next time: a month.
    pub(super) fn keys(&self) -> Vec<(&'static str, Yaml)> {
        let text = |text: &str| Yaml::Text(text.to_owned());
        let mut charge = vec![("period".to_owned(), Yaml::Number(1))];
        if RenewFlag::ALL.iter().any(|(known, _)| *known == self.renew_flag) {
            charge.push(("renew_flag".to_owned(), text(self.renew_flag)));
        }
        let mut keys = vec![
            ("bundle_id", text(self.bundle_id)),
            ("blueprint_id", text(self.blueprint_id)),
            ("charge", Yaml::Map(charge)),
        ];
        if !self.zone.is_empty() {
            keys.push(("zones", Yaml::List(vec![self.zone.to_owned()])));
        }
        if !self.tags.is_empty() && self.tags.len() <= TAGS_MAX {
            let tags = self.tags.iter().map(|(key, value)| ((*key).to_owned(), text(value)));
            keys.push(("tags", Yaml::Map(tags.collect())));
        }
        if !self.key_ids.is_empty() {
            let ids = self.key_ids.iter().map(|id| (*id).to_owned()).collect();
            keys.push(("login", Yaml::Map(vec![("key_ids".to_owned(), Yaml::List(ids))])));
        }
        if self.is_stopped {
            keys.push(("power", text("stopped")));
        }
        keys
    }
}

/// Plans blocks, in the order of their names. Instances that are equal but for the number at the end of their name, counted
/// from 0 without a gap, become one block with `count`; every other becomes a block of its own.
pub(super) fn blocks(instances: &[&ObservedInstance], taken: &BTreeSet<String>) -> Vec<Planned> {
    let mut taken = taken.clone();
    let mut rows: BTreeMap<(&str, Common<'_>), BTreeMap<u32, &ObservedInstance>> = BTreeMap::new();
    let mut alone: Vec<&ObservedInstance> = Vec::new();
    for instance in instances {
        let numbered = numbered(&instance.attributes.instance_name);
        let other = numbered.and_then(|(prefix, number)| {
            rows.entry((prefix, Common::of(&instance.attributes))).or_default().insert(number, instance)
        });
        // Two of one name: the second stands alone, as does what has no number.
        alone.extend(if numbered.is_none() { Some(*instance) } else { other });
    }
    let mut planned = Vec::new();
    for ((prefix, common), members) in rows {
        let is_row =
            members.len() > 1 && members.keys().copied().eq(0..u32::try_from(members.len()).unwrap_or(u32::MAX));
        match is_row {
            true => planned.push(row(prefix, &common, &members, &mut taken)),
            false => alone.extend(members.into_values()),
        }
    }
    alone.sort_by_key(|instance| (&instance.attributes.instance_name, &instance.id));
    for instance in alone {
        planned.push(single(unique(&instance.attributes.instance_name, &mut taken), instance));
    }
    planned.sort_by(|a, b| a.block.name.cmp(&b.block.name));
    planned
}

/// A block of one instance under a given name.
pub(super) fn single(name: String, instance: &ObservedInstance) -> Planned {
    let shown = &instance.attributes.instance_name;
    let mut keys = Common::of(&instance.attributes).keys();
    if *shown != name && !shown.is_empty() {
        keys.insert(3, ("instance_name", Yaml::Text(shown.clone())));
    }
    let members = vec![(Address::single(name.clone()), instance.id.clone())];
    Planned { block: NewBlock { name, keys }, members }
}

fn row(
    prefix: &str,
    common: &Common<'_>,
    members: &BTreeMap<u32, &ObservedInstance>,
    taken: &mut BTreeSet<String>,
) -> Planned {
    let name = unique(prefix, taken);
    let mut keys = common.keys();
    keys.insert(0, ("count", Yaml::Number(u32::try_from(members.len()).unwrap_or(u32::MAX))));
    if prefix != format!("{name}-") {
        keys.insert(4, ("instance_name", Yaml::Template(format!("{}${{count.index}}", prefix.replace("${", "$${")))));
    }
    let members = members
        .iter()
        .map(|(number, instance)| (Address::indexed(name.clone(), *number), instance.id.clone()))
        .collect();
    Planned { block: NewBlock { name, keys }, members }
}

/// A name and the number at its end, if it has one that counting would give.
fn numbered(name: &str) -> Option<(&str, u32)> {
    let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[prefix.len()..];
    let number: u32 = digits.parse().ok()?;
    (!prefix.is_empty() && number.to_string() == digits).then_some((prefix, number))
}

/// A valid name for a block that no other has, as near to the instance's as can be.
pub(super) fn unique(shown: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = String::new();
    for c in shown.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c),
            '_' => name.push('_'),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_start_matches(['-', '_']).trim_end_matches(['-', '_']);
    let name = match name {
        "" => "instance",
        name => name[..name.len().min(NAME_MAX - SUFFIX_ROOM)].trim_end_matches(['-', '_']),
    };
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}-{number}");
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, name: &str, bundle: &str) -> ObservedInstance {
        ObservedInstance {
            id: InstanceId(id.to_owned()),
            attributes: Attributes {
                instance_name: name.to_owned(),
                bundle_id: bundle.to_owned(),
                blueprint_id: "lhbp-1".to_owned(),
                zone: "ap-guangzhou-3".to_owned(),
                renew_flag: "NOTIFY_AND_AUTO_RENEW".to_owned(),
                state: "RUNNING".to_owned(),
                ..Attributes::default()
            },
            operation_request_id: String::new(),
            operation_state: String::new(),
            platform: String::new(),
        }
    }

    #[test]
    fn rows_become_one_block_and_names_stay_apart() {
        let all = [
            instance("i0", "web-0", "b"),
            instance("i1", "web-1", "b"),
            instance("i2", "web-2", "b"),
            instance("i3", "LH1", "b"),
            instance("i4", "LH2", "b"),
            instance("i5", "n0", "b"),
            instance("i6", "n1", "b"),
            instance("i7", "app-0", "b"),
            instance("i8", "app-1", "other"),
            instance("i9", "db", "b"),
            instance("j0", "db", "b"),
            instance("j1", "网站", "b"),
            instance("j2", "taken", "b"),
            instance("j3", "--My shop (old)!", "b"),
        ];
        let all: Vec<&ObservedInstance> = all.iter().collect();
        let planned = blocks(&all, &BTreeSet::from(["taken".to_owned(), "web-9".to_owned()]));
        let shown: Vec<String> = planned
            .iter()
            .map(|one| {
                let members: Vec<String> = one.members.iter().map(|(address, id)| format!("{address}={id}")).collect();
                let name = one.block.keys.iter().find(|(key, _)| *key == "instance_name");
                let name = name.map(|(_, value)| format!(" called {}", value.to_text())).unwrap_or_default();
                format!("{}{name}", members.join(" "))
            })
            .collect();
        insta::assert_snapshot!("named", shown.join("\n"));
    }
}
