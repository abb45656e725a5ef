//! The state made again: from ownership tags, or from names where there are none.
//!
//! What the state records and the cloud still has stays as it is recorded. What is found beside it is put where its tags (or
//! its name) say; where they leave a choice, nothing is chosen, and both sides are named.

use super::context::Context;
use super::error::OpsError;
use super::load::{account_of, bind_account, rewrite_journal, salt};
use super::taken::record;
use crate::cloud::types::TAG_BATCH;
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId, Key, Life, ObservedInstance, Ownership, Predecessor};
use crate::observe::ownership::{match_members, members_in};
use crate::observe::refresh;
use crate::state::codec::DecodeError;
use crate::state::lock::Mode;
use crate::state::store::check_binding;
use crate::state::{AppliedSpec, Journal, PriorState, Record, RecordedInstance, StateError, fold};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Debug, Default)]
pub struct RebuildReport {
    /// What stood in the state already.
    pub known: usize,
    /// What stands there anew.
    pub found: Vec<(Address, InstanceId)>,
    /// Addresses that the manifest does not have: the next apply returns them.
    pub unwanted: BTreeSet<Address>,
    /// What is the stack's own and could not be given an address, and why.
    pub unclear: Vec<(InstanceId, String, String)>,
    /// Addresses that stay without an instance although the manifest wants one.
    pub missing: BTreeSet<Address>,
}

/// Makes the state again under the exclusive lock. What was there stays beside it as the backup.
///
/// # Errors
/// When the state belongs to something else, or lock, journal, cloud or disk refuse.
pub async fn rebuild(context: &Context, desired: &DesiredState) -> Result<RebuildReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let (mut state, open, mut journal) = what_is_left(context, desired)?;
    let (account, owned) = futures_util::future::join(
        account_of(context),
        refresh::owned(context.read.as_ref(), &desired.stack, desired.ownership),
    )
    .await;
    bind_account(context, desired, &mut state, account)?;
    let owned = owned?;
    let mut report = RebuildReport { known: state.instances.len(), ..RebuildReport::default() };
    let answered = open.values().filter_map(|open| open.answer.as_ref()).flat_map(|answer| answer.ids.iter());
    let claimed: BTreeSet<&InstanceId> = state
        .instances
        .values()
        .map(|recorded| &recorded.instance_id)
        .chain(state.deposed.iter().map(|deposed| &deposed.instance_id))
        .chain(answered)
        .collect();
    let under_way: BTreeSet<&Address> =
        open.values().flat_map(|open| open.intent.members.iter().map(|member| &member.address)).collect();
    let free: Vec<&ObservedInstance> = owned
        .values()
        .filter(|live| !claimed.contains(&live.id))
        .filter(|live| matches!(live.attributes.life(), Life::Running | Life::Other | Life::Pending))
        .collect();
    let is_free = |address: &Address| !state.instances.contains_key(address) && !under_way.contains(address);
    let placed = match desired.ownership {
        Ownership::Tags => by_tags(desired, &free, &is_free),
        Ownership::Name => by_names(desired, &free, &is_free),
    };
    let mut records: BTreeMap<Address, RecordedInstance> = BTreeMap::new();
    let salt = salt(&state);
    for (address, live) in &placed.found {
        let predecessor = state.predecessor(address);
        let recorded = match desired.instances.get(address) {
            Some(wanted) => record(wanted, live, predecessor, &salt),
            None => RecordedInstance {
                instance_id: live.id.clone(),
                predecessor: Predecessor::None,
                seen: true,
                protect: false,
                spec: AppliedSpec::unknown(),
                attributes: live.attributes.clone(),
            },
        };
        report.found.push((address.clone(), live.id.clone()));
        records.insert(address.clone(), recorded);
    }
    report.unclear = placed
        .unclear
        .iter()
        .map(|(live, why)| (live.id.clone(), live.attributes.instance_name.clone(), why.clone()))
        .collect();
    for (address, recorded) in records {
        state.predecessors.remove(&address);
        state.instances.insert(address, recorded);
    }
    report.unwanted = report
        .found
        .iter()
        .map(|(address, _)| address)
        .filter(|a| !desired.instances.contains_key(*a))
        .cloned()
        .collect();
    report.missing =
        desired.instances.keys().filter(|address| !state.instances.contains_key(*address)).cloned().collect();
    context.store.save(&mut state)?;
    rewrite_journal(&state, &open, &mut journal)?;
    Ok(report)
}

/// What disk still has: the state unless it is lost or damaged, and what the journal has open.
fn what_is_left(
    context: &Context,
    desired: &DesiredState,
) -> Result<(PriorState, crate::state::OpenIntents, Journal), OpsError> {
    let store = &context.store;
    let binding = context.binding(desired, None);
    let (journal, records) = Journal::open(store)?;
    let header = match records.first() {
        Some(Record::Header(header)) => Some(header.clone()),
        _ => None,
    };
    let recorded = match store.load() {
        Err(StateError::Damaged { source: DecodeError::Damaged { .. }, .. }) => None,
        other => other?,
    };
    let mut state = match recorded {
        Some(state) => {
            check_binding(store.path(), &state.binding, &binding)?;
            state
        }
        None => {
            let lineage = header.as_ref().map_or_else(|| context.lineage.clone(), |header| header.lineage.clone());
            PriorState { serial: header.map_or(0, |header| header.serial), ..PriorState::new(lineage, binding) }
        }
    };
    let open =
        fold(&mut state, records).map_err(|problem| StateError::Journal { path: store.journal_path(), problem })?;
    Ok((state, open, journal))
}

/// Who stands where.
#[derive(Default)]
struct Placed<'a> {
    found: BTreeMap<Address, &'a ObservedInstance>,
    unclear: Vec<(&'a ObservedInstance, String)>,
}

/// By the members that the tags name. Tags that name fewer come first: they were written later, for a part of what an older
/// one names.
fn by_tags<'a>(
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

fn by_names<'a>(
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

/// The addresses that a tag names; one that has no room for them names its purchase, which an unchanged manifest has too.
fn members_of(desired: &DesiredState, tag: &str) -> Option<Vec<Address>> {
    if tag.contains(' ') {
        return members_in(tag);
    }
    crate::plan::batch::cut(desired).into_iter().find_map(|members| {
        let all: Vec<(&Address, &Predecessor)> =
            members.iter().map(|address| (*address, Predecessor::NOTHING)).collect();
        let batch = crate::plan::batch::batch(desired, &all)?;
        (batch.token.short() == tag).then(|| members.into_iter().cloned().collect())
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
