//! The state made again: from ownership tags, or from names where there are none.
//!
//! What the state records and the cloud still has stays as it is recorded. What is found beside it is put where its tags (or
//! its name) say; where they leave a choice, nothing is chosen, and both sides are named.

use super::context::Context;
use super::error::OpsError;
use super::load::{Origin, account_of, bind_account, bound_prior, rewrite_journal, salt};
use super::taken::record;
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId, Life, ObservedInstance, Ownership, Predecessor};
use crate::observe::refresh;
use crate::plan::placement::{by_names, by_tags};
use crate::state::codec::DecodeError;
use crate::state::lock::Mode;
use crate::state::{AppliedSpec, Journal, PriorState, Record, RecordedInstance, StateError, fold};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Debug, Default)]
pub struct RebuildReport {
    /// What stood in the state already.
    pub known: usize,
    /// What stands there anew.
    pub found: Vec<(Address, InstanceId)>,
    /// Addresses that the manifest does not have: protected until it has them, or until the user confirms them.
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
            Some(wanted) => RecordedInstance { unconfirmed: true, ..record(wanted, live, predecessor, &salt) },
            None => RecordedInstance {
                instance_id: live.id.clone(),
                predecessor: Predecessor::None,
                seen: true,
                protect: true,
                unconfirmed: true,
                spec: AppliedSpec::unknown(),
                replacing: false,
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
    let (journal, records) = Journal::open(store)?;
    let header = match records.first() {
        Some(Record::Header(header)) => Some(header.clone()),
        _ => None,
    };
    let recorded = match store.load() {
        Err(StateError::Damaged { source: DecodeError::Damaged { .. }, .. }) => None,
        other => other?,
    };
    let state = bound_prior(store, &Origin::of(context, desired), recorded, header.as_ref())?;
    let mut state = state.unwrap_or_else(|| {
        let lineage = header.as_ref().map_or_else(|| context.lineage.clone(), |header| header.lineage.clone());
        let account = header.as_ref().and_then(|header| header.account.clone());
        let serial = header.map_or(0, |header| header.serial);
        PriorState { serial, ..PriorState::new(lineage, context.binding(desired, account)) }
    });
    let open =
        fold(&mut state, records).map_err(|problem| StateError::Journal { path: store.journal_path(), problem })?;
    Ok((state, open, journal))
}
