//! Prior state: the file with its journal folded in; and what the cloud says.

use super::context::Context;
use super::error::OpsError;
use super::identity::{check_allowed, identity};
use crate::cloud::endpoint::is_same_service;
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::DesiredState;
use crate::event::Event;
use crate::model::digest::sha256_hex;
use crate::model::{InstanceId, Life, Lineage};
use crate::observe::refresh;
use crate::observe::state::ObservedState;
use crate::plan::{Blocked, BlockedKind};
use crate::state::fold::OpenIntents;
use crate::state::store::{check_binding, check_journal};
use crate::state::{Binding, Journal, PriorState, Record, RecordedInstance, StateError, Store, fold, journal};
use futures_util::future::try_join;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
        // The account is known by now; a journal without records has no header yet.
        self.journal.begin_with(journal::header_of(&self.state));
        Ok(())
    }
}

/// What passwords are fingerprinted with in a state.
pub(super) fn salt(state: &PriorState) -> String {
    sha256_hex(format!("lhprov fingerprint salt {}", state.lineage).as_bytes())[..16].to_owned()
}

/// Lets the journal hold only what is open, on the serial of the state.
pub(super) fn rewrite_journal(state: &PriorState, open: &OpenIntents, journal: &mut Journal) -> Result<(), StateError> {
    let header = journal::header_of(state);
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
    read_prior(&context.store, &Origin::of(context, desired), &context.lineage)
}

/// Reads them beside the run: those of a large fleet take a while, in which the cloud can be asked.
pub(super) async fn load_beside(context: &Context, desired: &DesiredState) -> Result<Prior, OpsError> {
    let read = Arc::new(Mutex::new(None));
    let (result, store) = (Arc::clone(&read), context.store.clone());
    let (origin, lineage) = (Origin::of(context, desired), context.lineage.clone());
    let work = move || {
        let prior = read_prior(&store, &origin, &lineage);
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(prior);
    };
    (context.beside)(Box::new(work)).await;
    let read = read.lock().unwrap_or_else(PoisonError::into_inner).take();
    // None if it panicked: so it does again here, where the run ends with its account.
    read.unwrap_or_else(|| load_prior(context, desired))
}

fn read_prior(store: &Store, origin: &Origin, new_lineage: &Lineage) -> Result<Prior, OpsError> {
    let recorded = store.load()?;
    let (mut journal, records) = Journal::open(store)?;
    let header = match records.first() {
        Some(Record::Header(header)) => Some(header.clone()),
        _ => None,
    };
    let state = bound_prior(store, origin, recorded, header.as_ref())?;
    // A first apply that did not come to its end: its journal has the lineage.
    let mut state = state.unwrap_or_else(|| {
        let lineage = header.as_ref().map_or_else(|| new_lineage.clone(), |header| header.lineage.clone());
        let account = header.and_then(|header| header.account);
        PriorState::new(lineage, Binding { account, ..origin.asked.clone() })
    });
    let journal_has_records = records.len() > 1;
    let journal_is_stale = matches!(records.first(), Some(Record::Header(header)) if header.serial < state.serial);
    let open =
        fold(&mut state, records).map_err(|problem| StateError::Journal { path: store.journal_path(), problem })?;
    journal.begin_with(journal::header_of(&state));
    Ok(Prior { state, open, journal, journal_has_records, journal_is_stale })
}

/// What a state and a journal have to belong to, and what chose the endpoint.
pub(super) struct Origin {
    asked: Binding,
    endpoint_origin: &'static str,
}

impl Origin {
    pub(super) fn of(context: &Context, desired: &DesiredState) -> Self {
        Self { asked: context.binding(desired, None), endpoint_origin: context.endpoint_origin }
    }

    /// What is compared with something recorded: another documented endpoint of the same service is no difference.
    fn compared_with(&self, endpoint: Option<&str>) -> Binding {
        let same = endpoint.filter(|recorded| is_same_service(recorded, &self.asked.endpoint, &self.asked.region));
        Binding { endpoint: same.unwrap_or(&self.asked.endpoint).to_owned(), ..self.asked.clone() }
    }

    /// The help about an endpoint names what chose it, and what to pass instead.
    fn explain(&self, error: StateError) -> StateError {
        let StateError::Foreign { path, what: "endpoint", recorded, asked, .. } = error else { return error };
        let other = match recorded.as_str() {
            "sandbox" => "--sandbox".to_owned(),
            url => format!("--endpoint {url}"),
        };
        let help = format!(
            "the endpoint of this run comes from {}: pass {other} instead, or name a state file of its own for {asked} with \
             --state",
            self.endpoint_origin
        );
        StateError::Foreign { path, what: "endpoint", recorded, asked, help }
    }
}

/// Compares state and journal with the run, and with each other. A journal is compared also where no state file exists.
///
/// # Errors
/// Names the first difference.
pub(super) fn bound_prior(
    store: &Store,
    origin: &Origin,
    recorded: Option<PriorState>,
    header: Option<&journal::Header>,
) -> Result<Option<PriorState>, OpsError> {
    let mut state = recorded;
    if let Some(state) = &state {
        let asked = origin.compared_with(Some(&state.binding.endpoint));
        check_binding(store.path(), &state.binding, &asked).map_err(|error| origin.explain(error))?;
    }
    let Some(header) = header else { return Ok(state) };
    #[cfg(test)]
    if crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::ForeignJournal) {
        return Ok(state);
    }
    let account = state.as_ref().and_then(|state| state.binding.account.clone());
    let asked = Binding { account, ..origin.compared_with(header.endpoint.as_deref()) };
    check_journal(&store.journal_path(), header, &asked)?;
    if let Some(state) = &mut state {
        let account = &mut state.binding.account;
        *account = account.take().or_else(|| header.account.clone());
    }
    Ok(state)
}

/// Asks the cloud for all that the stack may own, and by id for what is recorded and not in that list. The whole list is
/// read although nothing may be missing: what was bought twice is in it, and in no state.
pub(super) async fn observe(
    context: &Context,
    desired: &DesiredState,
    prior: &Prior,
) -> Result<ObservedState, OpsError> {
    let listed = list_owned(context, desired).await?;
    ask_for_the_rest(context, desired, listed, prior).await
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
    desired: &DesiredState,
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
    confirm_absence(context, desired, &mut observed, state).await?;
    Ok(observed)
}

/// After how long a reading that misses a recorded instance is repeated. A lagging replica of the service catches up within
/// a second or two; a run in which something is really gone waits this much longer.
const CONFIRM_AFTER: Duration = Duration::from_secs(3);

/// Reads again what the first reading does not support: instances that the state has and that were listed before, now absent
/// or failed to launch. An instance is absent only if two readings, by id and by list, lack it. Costs nothing otherwise.
async fn confirm_absence(
    context: &Context,
    desired: &DesiredState,
    observed: &mut ObservedState,
    state: &PriorState,
) -> Result<(), CloudError> {
    #[cfg(test)]
    if crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::OneReading) {
        return Ok(());
    }
    let in_doubt = |recorded: &&RecordedInstance| match observed.instances.get(&recorded.instance_id) {
        None => recorded.seen,
        Some(live) => recorded.has_run() && live.attributes.life() == Life::Failed,
    };
    let recorded = state.instances.values().filter(in_doubt).map(|recorded| &recorded.instance_id);
    let deposed = state.deposed.iter().map(|deposed| &deposed.instance_id);
    let deposed = deposed.filter(|id| !observed.instances.contains_key(*id));
    let ids: Vec<InstanceId> = recorded.chain(deposed).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    context.clock.sleep(CONFIRM_AFTER).await;
    let (listed, found) = try_join(
        refresh::owned(context.read.as_ref(), &desired.stack, desired.ownership),
        refresh::by_ids(context.read.as_ref(), &ids),
    )
    .await?;
    for (id, instance) in listed {
        if !observed.owned.contains(&id) {
            observed.owned.push(id.clone());
        }
        observed.instances.entry(id).or_insert(instance);
    }
    observed.owned.sort();
    observed.instances.extend(found);
    Ok(())
}

/// Whose credentials these are, as far as the service says.
pub(super) async fn account_of(context: &Context) -> Result<String, CloudError> {
    identity(context.read.as_ref()).await.map(|identity| identity.account)
}

/// Binds a state to the account, or refuses it: against another, against one that cannot be learned, and where the manifest
/// does not allow it.
pub(super) fn bind_account(
    context: &Context,
    desired: &DesiredState,
    state: &mut PriorState,
    account: Result<String, CloudError>,
) -> Result<(), OpsError> {
    match compare_account(context, desired, state, account)? {
        None => Ok(()),
        Some(blocked) => Err(OpsError::Blocked(vec![blocked])),
    }
}

/// `bind_account` for a command that changes nothing: an account that cannot be learned is a warning.
pub(super) fn bind_account_to_read(
    context: &Context,
    desired: &DesiredState,
    state: &mut PriorState,
    account: Result<String, CloudError>,
) -> Result<(), OpsError> {
    if let Some(Blocked { what, .. }) = compare_account(context, desired, state, account)? {
        context.events.emit(Event::Note { text: format!("warning: {what}.") });
    }
    Ok(())
}

/// Binds a state to the account. Returns what is in the way where the recorded account cannot be compared.
///
/// # Errors
/// When the account is another one, or one that the manifest does not allow.
pub(super) fn compare_account(
    context: &Context,
    desired: &DesiredState,
    state: &mut PriorState,
    account: Result<String, CloudError>,
) -> Result<Option<Blocked>, OpsError> {
    check_allowed(desired, account.as_deref())?;
    let path = context.store.path();
    let recorded = state.binding.account.as_deref();
    let blocked = compare_with_recorded(context, &format!("{}", path.display()), recorded, account.as_deref());
    let Ok(account) = account else { return Ok(blocked) };
    let asked = Binding { account: Some(account), ..state.binding.clone() };
    check_binding(path, &state.binding, &asked)?;
    state.binding.account = asked.account;
    Ok(blocked)
}

/// What is in the way where `holder` (a state or a plan, for people) belongs to an account, and whose the credentials are is
/// not known; or where that is not what `--assume-account` says.
pub(super) fn compare_with_recorded(
    context: &Context,
    holder: &str,
    recorded: Option<&str>,
    account: Result<&str, &CloudError>,
) -> Option<Blocked> {
    let assumed = context.assumed_account.as_deref();
    let (kind, what, help) = match (recorded, account, assumed) {
        (_, Ok(account), Some(assumed)) if assumed != account => (
            BlockedKind::AccountMismatch,
            format!("these credentials belong to account {account}, and --assume-account says {assumed}"),
            vec!["leave --assume-account out: the account is known".to_owned()],
        ),
        (Some(recorded), Err(_), Some(assumed)) if assumed != recorded => (
            BlockedKind::AccountMismatch,
            format!("{holder} belongs to account {recorded}, and --assume-account says {assumed}"),
            vec![format!("use credentials of account {recorded}, or name another state with --state")],
        ),
        (Some(recorded), Err(error), None) if context.endpoint == "sandbox" => {
            let text =
                format!("warning: {holder} belongs to account {recorded}, and whose this is is not known ({error}).");
            context.events.emit(Event::Note { text });
            return None;
        }
        (Some(recorded), Err(error), None) => (
            BlockedKind::AccountUnknown,
            format!("{holder} belongs to account {recorded}, and whose credentials these are is not known ({error})"),
            vec![
                match error.class {
                    ErrorClass::Auth | ErrorClass::Refused => {
                        "give these credentials the permission sts:GetCallerIdentity".to_owned()
                    }
                    _ => "run again once sts:GetCallerIdentity answers; nothing was changed".to_owned(),
                },
                format!("if you are sure that they are of that account, add --assume-account {recorded}"),
            ],
        ),
        _ => return None,
    };
    Some(Blocked { kind, what, help })
}
