//! Whose is it? Recognising the instances of a purchase among those that the stack may own, and telling who is who.
//!
//! Pure. Two writers that see the same instances decide alike, and renaming an instance to its member's name never
//! changes the decision: names that members and instances share decide first, the rest goes in sorted order.

use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::model::attributes::Field;
use crate::model::{
    Address, ClientToken, InstanceId, Life, ObservedInstance, Ownership, StackName, Timestamp, batch_tag,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far our clock and the service's may be apart before a signature is refused anyway (the "Common Params" pages of the API).
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// A purchase whose instances are looked for.
#[derive(Clone, Debug)]
pub struct Sought<'a> {
    /// The fleet.
    pub stack: &'a StackName,
    /// How its instances are recognised.
    pub ownership: Ownership,
    /// The purchase's token.
    pub token: &'a ClientToken,
    /// Its members and the names they are to have.
    pub members: Vec<(&'a Address, &'a str)>,
    /// Name in the request.
    pub purchase_name: &'a str,
    /// Package in the request.
    pub bundle_id: &'a str,
    /// Image in the request.
    pub blueprint_id: &'a str,
    /// Zones in the request; empty for any.
    pub zones: Vec<&'a str>,
    /// What was created before is not its own, where that is known. Used without tags only.
    pub since: Option<Timestamp>,
}

/// What a look says of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Not one of its instances is listed.
    Nothing,
    /// All of them are.
    Complete(Vec<(Address, InstanceId)>),
    /// Some of them are.
    Incomplete(Vec<InstanceId>),
    /// More candidates than members.
    TooMany(Vec<InstanceId>),
}

impl Finding {
    /// Who stands where, if all are listed.
    pub fn complete(self) -> Option<Vec<(Address, InstanceId)>> {
        match self {
            Finding::Complete(matches) => Some(matches),
            Finding::Nothing | Finding::Incomplete(_) | Finding::TooMany(_) => None,
        }
    }
}

/// Looks for a purchase among instances that nobody has claimed.
pub fn find<'a>(sought: &Sought<'_>, unclaimed: impl IntoIterator<Item = &'a ObservedInstance>) -> Finding {
    let found: Vec<&ObservedInstance> = unclaimed.into_iter().filter(|instance| sought.may_be(instance)).collect();
    let ids = || found.iter().map(|instance| instance.id.clone()).collect();
    match found.len().cmp(&sought.members.len()) {
        _ if found.is_empty() => Finding::Nothing,
        std::cmp::Ordering::Less => Finding::Incomplete(ids()),
        std::cmp::Ordering::Greater => Finding::TooMany(ids()),
        std::cmp::Ordering::Equal => {
            let named: Vec<_> = found.iter().map(|i| (&i.id, i.attributes.instance_name.as_str())).collect();
            Finding::Complete(match_members(&sought.members, &named))
        }
    }
}

/// Looks for several purchases that nobody can tell apart: without tags, of equal shape and with one name for all members.
/// As many candidates as members of all of them together are no ambiguity, since it does not matter who is who.
pub fn find_alike<'a>(alike: &[Sought<'_>], unclaimed: impl IntoIterator<Item = &'a ObservedInstance>) -> Vec<Finding> {
    let [first, rest @ ..] = alike else { return Vec::new() };
    if rest.is_empty() {
        return vec![find(first, unclaimed)];
    }
    let may_be = |instance: &&ObservedInstance| alike.iter().any(|sought| sought.may_be(instance));
    let found: BTreeSet<InstanceId> =
        unclaimed.into_iter().filter(may_be).map(|instance| instance.id.clone()).collect();
    let members: usize = alike.iter().map(|sought| sought.members.len()).sum();
    let ids = || found.iter().cloned().collect();
    match found.len().cmp(&members) {
        _ if found.is_empty() => alike.iter().map(|_| Finding::Nothing).collect(),
        std::cmp::Ordering::Less => alike.iter().map(|_| Finding::Incomplete(ids())).collect(),
        std::cmp::Ordering::Greater => alike.iter().map(|_| Finding::TooMany(ids())).collect(),
        std::cmp::Ordering::Equal => {
            let mut ids = found.iter().cloned();
            let mut share = |sought: &Sought<'_>| {
                let addresses: BTreeSet<&Address> = sought.members.iter().map(|(address, _)| *address).collect();
                Finding::Complete(addresses.into_iter().cloned().zip(ids.by_ref()).collect())
            };
            alike.iter().map(&mut share).collect()
        }
    }
}

/// Puts purchases that nobody can tell apart together; each group has their places in `sought`.
pub fn alike(sought: &[Sought<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut by_shape: BTreeMap<Shape<'_>, usize> = BTreeMap::new();
    for (number, one) in sought.iter().enumerate() {
        let known = one.shape().map(|shape| *by_shape.entry(shape).or_insert(groups.len()));
        match known.and_then(|known| groups.get_mut(known)) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
    }
    groups
}

/// What purchases have in common that nobody can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape<'a>(&'a str, &'a str, &'a str, &'a [&'a str]);

impl Sought<'_> {
    /// Its shape, if other purchases may be like it.
    pub fn shape(&self) -> Option<Shape<'_>> {
        let one_name = self.members.iter().all(|(_, name)| *name == self.purchase_name);
        (self.ownership == Ownership::Name && one_name).then_some(Shape(
            self.purchase_name,
            self.bundle_id,
            self.blueprint_id,
            &self.zones,
        ))
    }

    /// Whether an instance is taken for this purchase's.
    pub fn may_be(&self, instance: &ObservedInstance) -> bool {
        match self.ownership {
            Ownership::Tags => {
                instance.attributes.tags.get(TAG_STACK).is_some_and(|stack| stack == self.stack.as_str())
                    && batch_of(instance) == Some(self.token.short())
            }
            Ownership::Name => {
                let attributes = &instance.attributes;
                self.bears_its_name(instance)
                    && self.may_be_named(&attributes.instance_name)
                    && attributes.bundle_id == self.bundle_id
                    && attributes.blueprint_id == self.blueprint_id
                    && (self.zones.is_empty() || self.zones.contains(&attributes.zone.as_str()))
            }
        }
    }

    /// Whether an instance could be this purchase's by its name and time alone. Without tags that is what stops a purchase:
    /// the manifest's package or image may have changed since, and what is taken must agree in them as well.
    /// It may also have been bought when batches were cut otherwise, and then bear any member's name with a number behind it;
    /// `web-1` with a 2 behind it may be another's `web-12`, so that is reason to stop and none to take.
    pub fn bears_its_name(&self, instance: &ObservedInstance) -> bool {
        let attributes = &instance.attributes;
        let name = attributes.instance_name.as_str();
        // A name that is not reported may be any.
        let unnamed = attributes.unreported.has(Field::InstanceName);
        !matches!(attributes.life(), Life::Isolated | Life::Ending)
            && (unnamed
                || is_numbered(self.purchase_name, name)
                || self.members.iter().any(|(_, wanted)| is_numbered(wanted, name)))
            && self
                .since
                .is_none_or(|since| attributes.created_time.is_none_or(|created| created.plus(CLOCK_SKEW) >= since))
    }

    /// The purchase's name, that name with a number behind it (what the console does with a batch; what the API does is
    /// undocumented; one that is bought alone has none), or a name that a member is to have.
    fn may_be_named(&self, name: &str) -> bool {
        name == self.purchase_name
            || self.members.iter().any(|(_, wanted)| *wanted == name)
            || self.members.len() > 1 && is_numbered(self.purchase_name, name)
    }
}

/// Whether `name` is `wanted`, or that with nothing but a number behind it.
fn is_numbered(wanted: &str, name: &str) -> bool {
    let number = name.strip_prefix(wanted).map(|rest| rest.trim_start_matches(['-', '_']));
    number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// The batch that an instance's tag names: the first 16 characters of its token.
pub fn batch_of(instance: &ObservedInstance) -> Option<&str> {
    instance.attributes.tags.get(TAG_BATCH).map(|value| batch_tag::token_prefix(value))
}

/// The members that an instance's tag names, where it had room for them.
pub fn members_of(instance: &ObservedInstance) -> Option<Vec<Address>> {
    instance.attributes.tags.get(TAG_BATCH).and_then(|value| members_in(value))
}

/// The members that the value of a batch tag names.
pub fn members_in(tag: &str) -> Option<Vec<Address>> {
    batch_tag::members(tag)
}

/// Tells who is who. Fewer instances than members leaves the last members without one.
pub fn match_members(members: &[(&Address, &str)], instances: &[(&InstanceId, &str)]) -> Vec<(Address, InstanceId)> {
    let mut borne: BTreeMap<&str, BTreeSet<&InstanceId>> = BTreeMap::new();
    for (id, name) in instances {
        borne.entry(name).or_default().insert(id);
    }
    let mut sorted: Vec<&(&Address, &str)> = members.iter().collect();
    // By name first: members of one name are interchangeable, and taking one of them and one of their instances away leaves
    // the others paired as they were.
    sorted.sort_by_key(|(address, name)| (*name, *address));
    let mut matches = Vec::new();
    let mut left = Vec::new();
    for (address, name) in sorted {
        match borne.get_mut(name).and_then(BTreeSet::pop_first) {
            Some(id) => matches.push(((*address).clone(), id.clone())),
            None => left.push(*address),
        }
    }
    let rest: BTreeSet<&InstanceId> = borne.into_values().flatten().collect();
    matches.extend(left.into_iter().zip(rest).map(|(address, id)| (address.clone(), id.clone())));
    matches.sort();
    matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(n: u32) -> Vec<Address> {
        (0..n).map(|i| Address::indexed("web", i)).collect()
    }

    #[test]
    fn names_decide_before_order() {
        let addresses = addresses(3);
        let members: Vec<_> = addresses.iter().zip(["a", "b", "c"]).collect();
        let ids: Vec<InstanceId> = ["i1", "i2", "i3"].map(InstanceId::from).to_vec();
        let named: Vec<_> = ids.iter().zip(["c", "x", "y"]).collect();
        let matched = match_members(&members, &named);
        let shown: Vec<String> = matched.iter().map(|(a, i)| format!("{a}={i}")).collect();
        assert_eq!(shown, ["web[0]=i2", "web[1]=i3", "web[2]=i1"]);
    }

    proptest! {
        /// Renaming any instance to the name of the member it was matched to leaves the match as it is.
        #[test]
        fn renaming_never_changes_the_match(
            names in proptest::collection::vec(0usize..6, 5),
            wanted in proptest::collection::vec(0usize..6, 5),
            renamed in proptest::collection::vec(any::<bool>(), 5),
        ) {
            let pool = ["a", "b", "c", "d", "e", "f"];
            let addresses = addresses(5);
            let members: Vec<_> = addresses.iter().zip(wanted.iter().map(|n| pool[*n])).collect();
            let ids: Vec<InstanceId> = (0..5).map(|i| InstanceId(format!("i{i}"))).collect();
            let before: Vec<_> = ids.iter().zip(names.iter().map(|n| pool[*n])).collect();
            let first = match_members(&members, &before);
            let after: Vec<_> = before.iter().enumerate().map(|(n, (id, name))| {
                let address = &first.iter().find(|(_, matched)| matched == *id).unwrap().0;
                let own = members.iter().find(|(a, _)| *a == address).unwrap().1;
                (*id, if renamed[n] { own } else { *name })
            }).collect();
            let second = match_members(&members, &after);
            // Members that share a name are interchangeable.
            let show = |m: &[(Address, InstanceId)]| {
                let mut v: Vec<_> = m.iter().map(|(a, i)| {
                    (members.iter().find(|(b, _)| *b == a).unwrap().1, i.clone())
                }).collect();
                v.sort();
                v
            };
            prop_assert_eq!(show(&first), show(&second));
        }
    }
}
