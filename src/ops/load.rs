//! Prior state: the file with its journal folded in; and what the cloud says.

use super::context::Context;
use super::error::OpsError;
use super::identity::{check_allowed, identity};
use crate::cloud::CloudError;
use crate::desired::DesiredState;
use crate::model::digest::sha256_hex;
use crate::model::{InstanceId, Lineage};
use crate::observe::refresh;
use crate::observe::state::ObservedState;
use crate::state::fold::OpenIntents;
use crate::state::store::check_binding;
use crate::state::{Binding, Journal, PriorState, Record, StateError, Store, fold, journal};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What disk says.
pub struct Prior {
    /// The state, journal folded in.
    pub state: PriorState,
    /// Purchases that are not settled.
    pub open: OpenIntents,
    /// The journal, ready to go on.
    pub journal: Journal,
    /// Whether the journal holds anything beyond its header.
    pub journal_has_records: bool,
    /// Whether the journal builds on an older serial: it is folded already, and must not be continued as it is.
    pub journal_is_stale: bool,
}

impl Prior {
    /// Makes a journal that a save left behind build on the present state, before anything is added to it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew_journal(&mut self) -> Result<(), OpsError> {
        if std::mem::take(&mut self.journal_is_stale) {
            rewrite_journal(&self.state, &self.open, &mut self.journal)?;
        }
        Ok(())
    }
}

/// What passwords are fingerprinted with in a state.
pub(super) fn salt(state: &PriorState) -> String {
    sha256_hex(format!("lhprov fingerprint salt {}", state.lineage).as_bytes())[..16].to_owned()
}

/// Lets the journal hold only what is open, on the serial of the state.
pub(super) fn rewrite_journal(state: &PriorState, open: &OpenIntents, journal: &mut Journal) -> Result<(), StateError> {
    let header = journal::header(&state.lineage, state.serial, state.binding.stack.as_str());
    if open.is_empty() {
        journal.rewrite(&[])?;
        journal.begin_with(header);
        return Ok(());
    }
    let mut records = vec![header];
    records.extend(open.records());
    journal.rewrite(&records)
}

/// Reads state and journal. Writes nothing.
///
/// # Errors
/// When either cannot be read, is damaged, or belongs to something else.
pub fn load_prior(context: &Context, desired: &DesiredState) -> Result<Prior, OpsError> {
    read_prior(&context.store, context.binding(desired, None), &context.lineage)
}

/// Reads them beside the run: those of a large fleet take a while, in which the cloud can be asked.
pub(super) async fn load_beside(context: &Context, desired: &DesiredState) -> Result<Prior, OpsError> {
    let read = Arc::new(Mutex::new(None));
    let (result, store) = (Arc::clone(&read), context.store.clone());
    let (binding, lineage) = (context.binding(desired, None), context.lineage.clone());
    let work = move || {
        let prior = read_prior(&store, binding, &lineage);
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(prior);
    };
    (context.beside)(Box::new(work)).await;
    let read = read.lock().unwrap_or_else(PoisonError::into_inner).take();
    // None if it panicked: so it does again here, where the run ends with its account.
    read.unwrap_or_else(|| load_prior(context, desired))
}

fn read_prior(store: &Store, binding: Binding, new_lineage: &Lineage) -> Result<Prior, OpsError> {
    let recorded = store.load()?;
    let (mut journal, records) = Journal::open(store)?;
    let mut state = match recorded {
        Some(state) => {
            check_binding(store.path(), &state.binding, &binding)?;
            state
        }
        None => {
            // A first apply that did not come to its end: its journal has the lineage.
            let lineage = match records.first() {
                Some(Record::Header(header)) => header.lineage.clone(),
                _ => new_lineage.clone(),
            };
            PriorState::new(lineage, binding)
        }
    };
    let journal_has_records = records.len() > 1;
    let journal_is_stale = matches!(records.first(), Some(Record::Header(header)) if header.serial < state.serial);
    let open =
        fold(&mut state, records).map_err(|problem| StateError::Journal { path: store.journal_path(), problem })?;
    journal.begin_with(journal::header(&state.lineage, state.serial, state.binding.stack.as_str()));
    Ok(Prior { state, open, journal, journal_has_records, journal_is_stale })
}

/// Asks the cloud for all that the stack may own, and by id for what is recorded and not in that list. The whole list is
/// read although nothing may be missing: what was bought twice is in it, and in no state.
pub(super) async fn observe(
    context: &Context,
    desired: &DesiredState,
    prior: &Prior,
) -> Result<ObservedState, OpsError> {
    let listed = list_owned(context, desired).await?;
    ask_for_the_rest(context, listed, prior).await
}

/// All that the stack may own.
pub(super) async fn list_owned(context: &Context, desired: &DesiredState) -> Result<ObservedState, CloudError> {
    let at = context.clock.now();
    let instances = refresh::owned(context.read.as_ref(), &desired.stack, desired.ownership).await?;
    let owned = instances.keys().cloned().collect();
    Ok(ObservedState { at, instances, owned, asked: true, ..ObservedState::default() })
}

/// And what is recorded and not in that list.
pub(super) async fn ask_for_the_rest(
    context: &Context,
    mut observed: ObservedState,
    prior: &Prior,
) -> Result<ObservedState, OpsError> {
    let state = &prior.state;
    let recorded = state.instances.values().map(|recorded| &recorded.instance_id);
    let deposed = state.deposed.iter().map(|deposed| &deposed.instance_id);
    let unlisted: BTreeSet<&InstanceId> =
        recorded.chain(deposed).filter(|id| !observed.instances.contains_key(*id)).collect();
    let unlisted: Vec<InstanceId> = unlisted.into_iter().cloned().collect();
    observed.instances.extend(refresh::by_ids(context.read.as_ref(), &unlisted).await?);
    Ok(observed)
}

/// Whose credentials these are, as far as the service says.
pub(super) async fn account_of(context: &Context) -> Result<String, CloudError> {
    identity(context.read.as_ref()).await.map(|identity| identity.account)
}

/// Binds a state to the account, or refuses it: against another, and where the manifest does not allow it.
pub(super) fn bind_account(
    context: &Context,
    desired: &DesiredState,
    state: &mut PriorState,
    account: Result<String, CloudError>,
) -> Result<(), OpsError> {
    check_allowed(desired, account.as_deref())?;
    let account = account.ok();
    let asked = crate::state::Binding { account: account.clone(), ..state.binding.clone() };
    check_binding(context.store.path(), &state.binding, &asked)?;
    if state.binding.account.is_none() {
        state.binding.account = account;
    }
    Ok(())
}
