//! `moved`, `forget`, and what looks like a block whose name was changed. Pure.

use super::change::{Action, Change, Reason};
use crate::desired::{DesiredInstance, DesiredState};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{Address, Key};
use crate::state::{OpenIntents, PriorState};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What moves where before anything else is planned, as `PriorState::relocate` takes it. Addresses of purchases that are not
/// settled stay until they are.
pub fn relocations(
    desired: &DesiredState,
    prior: &PriorState,
    open: &OpenIntents,
    diagnostics: &mut Diagnostics,
) -> Vec<(Address, Address)> {
    if desired.moves.moved.is_empty() {
        return Vec::new();
    }
    let purchased = open.values().flat_map(|open| open.intent.members.iter().map(|member| &member.address));
    let ordered = open.orders.values().flat_map(|open| open.order.targets.iter().map(|target| &target.address));
    let under_way: BTreeSet<&Address> = purchased.chain(ordered).collect();
    let mut taken: BTreeMap<Address, Address> = BTreeMap::new();
    let mut list = Vec::new();
    // Instances first: what stood somewhere and is gone never stands in the way of one.
    let instances = prior.instances.keys().map(|address| (address, true));
    let gone = prior.predecessors.keys().filter(|address| !prior.instances.contains_key(*address));
    for (from, stands) in instances.chain(gone.map(|address| (address, false))) {
        let Some((to, span)) = desired.moves.target(from) else { continue };
        if under_way.contains(from) || under_way.contains(&to) {
            continue;
        }
        let in_the_way = match (prior.instances.contains_key(&to), taken.get(&to)) {
            (true, _) => Some(to.clone()),
            (false, Some(other)) => Some(other.clone()),
            (false, None) => None,
        };
        match in_the_way {
            None => {
                taken.insert(to.clone(), from.clone());
                list.push((from.clone(), to));
            }
            Some(other) if stands => diagnostics.push(
                Diagnostic::error(
                    "moved",
                    format!("`{from}` cannot move to `{to}`: the state has an instance there already"),
                )
                .at(span)
                .label(if other == to { "one for each".to_owned() } else { format!("`{other}` moves there too") })
                .help(format!("to keep both, take this entry out of `moved` and write `{from}` under `instances`"))
                .help(format!("to let one go without returning it, write it under `forget`: `forget: ['{from}']`")),
            ),
            Some(_) => {}
        }
    }
    list
}

/// Marks what moved in the changes of a plan.
pub(super) fn mark(changes: &mut [Change], list: &[(Address, Address)]) {
    let from: BTreeMap<&Address, &Address> = list.iter().map(|(from, to)| (to, from)).collect();
    for change in changes {
        let Some(from) = from.get(&change.address) else { continue };
        if change.instance_id.is_none() {
            continue;
        }
        change.moved_from = Some((*from).clone());
        if change.action == Action::NoOp {
            (change.action, change.reason) = (Action::Move, Reason::Moved((*from).clone()));
        }
    }
}

/// Says what was probably meant where something equal goes and comes. Buying it again would cost its price and its data.
pub(super) fn propose(desired: &DesiredState, prior: &PriorState, changes: &[Change], diagnostics: &mut Diagnostics) {
    // By what they are, then by block: what goes while its block stays can be another key of that block alone.
    let mut going: BTreeMap<String, Going<'_>> = BTreeMap::new();
    for change in changes {
        if change.action == Action::Isolate
            && change.reason == Reason::NotInManifest
            && let Some(recorded) = prior.instances.get(&change.address)
            && !recorded.spec.is_null()
        {
            let Address { block, key } = &change.address;
            let alike = going.entry(likeness(recorded.spec.to_value())).or_default();
            alike.by_block.entry(block).or_default().insert(key, &change.address);
            if !of_block(&desired.instances, block) {
                alike.gone.insert(block);
            }
        }
    }
    if going.is_empty() {
        return;
    }
    let mut pairs: BTreeMap<(&str, &str), Vec<(&Address, &Address)>> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.action == Action::Create && change.reason == Reason::New) {
        let to = &change.address;
        let Some(wanted) = desired.instances.get(to) else { continue };
        let Some(alike) = going.get_mut(&likeness(wanted.spec.to_json(""))) else { continue };
        let Some(from) = alike.take(to, !of_block(&prior.instances, &to.block)) else { continue };
        pairs.entry((&from.block, &to.block)).or_default().push((from, to));
    }
    for ((from, to), pairs) in pairs {
        let Some(wanted) = desired.instances.get(pairs[0].1) else { continue };
        diagnostics.push(renamed(from, to, &pairs, wanted, desired));
    }
}

/// Blocks among which one with the same key is looked for; beyond it the first will do, since this is a proposal.
const BLOCKS_COMPARED_MAX: usize = 100;

/// Instances that go and are alike.
#[derive(Default)]
struct Going<'a> {
    by_block: BTreeMap<&'a str, BTreeMap<&'a Key, &'a Address>>,
    /// Blocks of which the manifest has nothing any more.
    gone: BTreeSet<&'a str>,
}

impl<'a> Going<'a> {
    /// Takes the instance that may have been renamed to `to`: one of a block that is gone where that of `to` is new, or one
    /// of its own block with another key. A block that is made smaller while another is made larger is no rename.
    fn take(&mut self, to: &Address, block_is_new: bool) -> Option<&'a Address> {
        let block = match self.by_block.get_key_value(to.block.as_str()) {
            Some((own, _)) => *own,
            None if block_is_new => {
                let has_key = |block: &&&str| self.by_block.get(**block).is_some_and(|keys| keys.contains_key(&to.key));
                self.gone.iter().take(BLOCKS_COMPARED_MAX).find(has_key).or_else(|| self.gone.first())?
            }
            None => return None,
        };
        let keys = self.by_block.get_mut(block)?;
        let key = match (keys.contains_key(&to.key), keys.first_key_value()) {
            (true, _) => &to.key,
            // Numbers of one block mean nothing by themselves.
            (false, Some((Key::Index(_), _))) if block == to.block && matches!(to.key, Key::Index(_)) => return None,
            (false, first) => *first?.0,
        };
        let from = keys.remove(key);
        if keys.is_empty() {
            self.by_block.remove(block);
            self.gone.remove(block);
        }
        from
    }
}

/// Whether a map has an instance of a block.
fn of_block<T>(instances: &BTreeMap<Address, T>, block: &str) -> bool {
    // A block's single address comes before all of its others.
    instances.range(Address::single(block)..).next().is_some_and(|(address, _)| address.block == block)
}

fn renamed(
    from: &str,
    to: &str,
    pairs: &[(&Address, &Address)],
    wanted: &DesiredInstance,
    desired: &DesiredState,
) -> Diagnostic {
    let whole = !of_block(&desired.instances, from) && pairs.iter().all(|(from, to)| from.key == to.key);
    let entries: Vec<String> = match whole {
        true => vec![format!("{{ from: {from}, to: {to} }}")],
        false => pairs.iter().map(|(from, to)| format!("{{ from: {}, to: {} }}", quoted(from), quoted(to))).collect(),
    };
    let (old, new) = match (whole, pairs) {
        (false, [(from, to)]) => (from.to_string(), to.to_string()),
        _ => (from.to_owned(), to.to_owned()),
    };
    Diagnostic::error("renamed", format!("`{old}` would be returned and an equal `{new}` bought"))
        .about(pairs.iter().map(|(_, to)| (*to).clone()))
        .at(wanted.span)
        .label(format!("was `{old}` renamed?"))
        .detail("A new name is no new instance: the one that is there can go on under it, with its data.")
        .help(format!("if so, add to the manifest: `moved: [{}]`", entries.join(", ")))
        .help(format!("if not, take `{new}` out, apply, and add it again: that returns the old one and buys a new one"))
}

/// An address as a value of YAML.
fn quoted(address: &Address) -> String {
    match address.key {
        Key::Single => address.to_string(),
        Key::Index(_) => format!("\"{address}\""),
        Key::Name(_) => format!("'{}'", address.to_string().replace('\'', "''")),
    }
}

/// A spec without its name, which follows the block's; a password is like any other.
fn likeness(mut spec: Value) -> String {
    if let Value::Object(map) = &mut spec {
        map.remove("instance_name");
        if map.get("login").is_some_and(|login| login.get("password").is_some()) {
            map.insert("login".into(), json!("password"));
        }
    }
    crate::model::digest::canonical(&spec)
}
