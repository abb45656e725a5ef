//! Work on the state alone: another address for an instance, or none. Under the exclusive lock, with a backup.

use super::context::Context;
use super::error::OpsError;
use super::import::refuse_open;
use super::load::{account_of, load_prior};
use super::tagging::{self, Tagged};
use super::together::write;
use crate::cloud::types::TAG_BATCH;
use crate::desired::DesiredState;
use crate::diag::did_you_mean;
use crate::model::{Address, InstanceId, ObservedInstance, Ownership, Predecessor};
use crate::observe::refresh;
use crate::plan::Blocked;
use crate::plan::batch::batch;
use crate::plan::change::BlockedKind;
use crate::plan::request::batch_tag;
use crate::state::PriorState;
use crate::state::lock::Mode;
use std::collections::{BTreeMap, BTreeSet};

/// What a move brought.
#[derive(Debug)]
pub struct Moved {
    /// What moved.
    pub instance_id: InstanceId,
    /// Whether the manifest still has the old address: something will be bought for it.
    pub is_wanted_still: bool,
    /// Whether the manifest has the new one: if not, the next apply returns the instance.
    pub is_wanted_there: bool,
    /// What became of the ownership tags.
    pub tagged: Tagged,
}

/// Gives an instance another address. What stood at the old address before is remembered, so that what is bought for it next
/// is a purchase of its own; and the instance's tags name the new one.
///
/// # Errors
/// When there is nothing at `from`, something at `to`, or the state cannot be written.
pub async fn move_address(
    context: &Context,
    desired: &DesiredState,
    from: &Address,
    to: &Address,
) -> Result<Moved, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let prior = load_prior(context, desired)?;
    refuse_open(&prior)?;
    let mut state = prior.state.clone();
    if from == to {
        return Err(OpsError::mistake(format!("`{from}` is both addresses"), ["name two that differ"]));
    }
    if let Some(other) = state.instances.get(to) {
        let what = format!("`{to}` has {} already", other.instance_id);
        let help = format!("move that one away first, or forget it with `lhprov state rm {}`", to.quoted());
        return Err(OpsError::mistake(what, [help.as_str()]));
    }
    let Some(recorded) = state.instances.remove(from) else { return Err(nothing_at(context, &state, from)) };
    let instance_id = recorded.instance_id.clone();
    // A move writes its tags.
    if recorded.unconfirmed && desired.ownership == Ownership::Tags {
        let what =
            format!("{instance_id} at `{from}` is unconfirmed: another repository with this stack name may own it");
        let help = format!("if this stack owns it, confirm that first: `lhprov apply --adopt --only '{from}'`");
        return Err(OpsError::Blocked(vec![Blocked {
            kind: BlockedKind::AdoptionNotConfirmed,
            what,
            help: vec![help],
        }]));
    }
    // The token that bought this instance is that of the old address: with it the service would name this instance again.
    state.predecessors.insert(from.clone(), Predecessor::Instance(instance_id.clone()));
    state.predecessors.remove(to);
    state.instances.insert(to.clone(), recorded);
    let tags = moved_tag(desired, &state, to);
    let account = state.binding.account.clone();
    write(context, prior, state, None, &BTreeSet::new())?;
    let tagged = retag(context, desired, account, to, &instance_id, &tags).await;
    Ok(Moved {
        instance_id,
        is_wanted_still: desired.instances.contains_key(from),
        is_wanted_there: desired.instances.contains_key(to),
        tagged,
    })
}

/// The tag that names the new address alone. Where the manifest does not have it, there is no purchase to name.
fn moved_tag(desired: &DesiredState, state: &PriorState, to: &Address) -> BTreeMap<Address, String> {
    let predecessor = state.instances.get(to).map_or(Predecessor::NOTHING, |recorded| &recorded.predecessor);
    let batch = desired.instances.contains_key(to).then(|| batch(desired, &[(to, predecessor)])).flatten();
    batch.map(|batch| (to.clone(), batch_tag(&batch.token, [to]))).into_iter().collect()
}

async fn retag(
    context: &Context,
    desired: &DesiredState,
    account: Option<String>,
    to: &Address,
    id: &InstanceId,
    tags: &BTreeMap<Address, String>,
) -> Tagged {
    if desired.ownership != Ownership::Tags {
        return Tagged::default();
    }
    let refused = |why: String| Tagged { set: 0, refused: vec![(to.clone(), id.clone(), why)] };
    let live: ObservedInstance = match refresh::by_ids(context.read.as_ref(), std::slice::from_ref(id)).await {
        Ok(mut found) => match found.remove(id) {
            Some(live) => live,
            // Gone: nothing bears a tag any more.
            None => return Tagged::default(),
        },
        Err(error) => return refused(error.to_string()),
    };
    let mut tags = tags.clone();
    if tags.is_empty() {
        // The batch stays that of its purchase; the member is the one it is now.
        let batch = live.attributes.tags.get(TAG_BATCH).map(|value| crate::model::batch_tag::token_prefix(value));
        let Some(batch) = batch else { return Tagged::default() };
        tags.insert(to.clone(), format!("{batch} {to}"));
    }
    let account = match account {
        Some(account) => Some(account),
        None => account_of(context).await.ok(),
    };
    tagging::set(context, desired, account.as_deref(), &[(to, &live)], &tags).await
}

/// What was forgotten.
#[derive(Debug)]
pub struct Forgotten {
    /// Which instances: what stood at the address, or what was left over from it.
    pub instance_ids: Vec<InstanceId>,
    /// Whether the manifest still has the address: the next plan finds the instance there again.
    pub is_wanted_still: bool,
}

/// Forgets what is recorded at an address. The cloud is not touched.
///
/// # Errors
/// When there is nothing, or the state cannot be written.
pub async fn forget(context: &Context, desired: &DesiredState, address: &Address) -> Result<Forgotten, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let prior = load_prior(context, desired)?;
    refuse_open(&prior)?;
    let mut state = prior.state.clone();
    let instance_ids = match state.instances.remove(address) {
        Some(recorded) => {
            // As it was before that instance came: its own token finds it again, should the manifest still want it.
            if !recorded.predecessor.is_none() {
                state.predecessors.insert(address.clone(), recorded.predecessor);
            }
            vec![recorded.instance_id]
        }
        None => {
            let (left, kept) = state.deposed.into_iter().partition(|deposed| deposed.address == *address);
            state.deposed = kept;
            let left: Vec<crate::state::Deposed> = left;
            left.into_iter().map(|deposed| deposed.instance_id).collect()
        }
    };
    if instance_ids.is_empty() {
        return Err(nothing_at(context, &state, address));
    }
    write(context, prior, state, None, &BTreeSet::new())?;
    Ok(Forgotten { instance_ids, is_wanted_still: desired.instances.contains_key(address) })
}

fn nothing_at(context: &Context, state: &PriorState, address: &Address) -> OpsError {
    let left_over = state.deposed.iter().map(|deposed| deposed.address.to_string());
    let known: Vec<String> = state.instances.keys().map(ToString::to_string).chain(left_over).collect();
    let what = format!("{} has no `{address}`", context.store.path().display());
    let help = match did_you_mean(&address.to_string(), known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`lhprov state list` prints every address".to_owned(),
    };
    OpsError::mistake(what, [help.as_str()])
}
