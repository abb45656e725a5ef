//! Carrying out a saved plan: what it was bound to is compared, then what it would do with what is to be done now.

use super::apply::{ApplyExit, ApplyOptions, ApplyReport, Consent, Question, apply_under_lock};
use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, compare_with_recorded, load_prior};
use crate::desired::DesiredState;
use crate::event::Event;
use crate::model::Address;
use crate::model::digest::sha256_hex;
use crate::model::money::PriceTolerance;
use crate::plan::Planned;
use crate::plan::seal::{Actions, Bound, BoundState, Difference, Moved, Seal};
use crate::state::{Begun, PriorState, StateError, Store};
use std::io::ErrorKind;
use std::path::Path;

/// A plan that was approved by being saved.
pub struct Approved<'a> {
    /// Its seal.
    pub seal: &'a Seal,
    /// Its checksum.
    pub checksum: &'a str,
    /// The inputs of this run, but for account and state.
    pub bound: Bound,
    /// Whether inputs may have moved as long as the actions are the same.
    pub if_equivalent: bool,
    /// By how much prices may have risen.
    pub price_tolerance: PriceTolerance,
}

/// Why a saved plan is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Inputs moved.
    Inputs(Vec<Moved>),
    /// It would be carried out for another fleet, account or cloud than it was made for.
    Elsewhere(Vec<Moved>),
    /// What is to be done now is something else.
    Actions(Vec<Difference>),
}

/// A saved plan in the middle of its apply.
pub(super) struct Progress<'a> {
    approved: &'a Approved<'a>,
    state: BoundState,
    /// Whether an earlier run carried out a part of it, and nothing else changed the state since.
    goes_on: bool,
    /// Whether an earlier run carried out all of it, and the state is as that run left it.
    is_done: bool,
}

/// Applies a saved plan under the exclusive lock.
///
/// # Errors
/// As `apply`; and when the plan is stale.
pub async fn apply_saved(
    context: &Context,
    desired: &DesiredState,
    options: ApplyOptions,
    approved: &Approved<'_>,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<ApplyReport, OpsError> {
    let _lock = context.lock_for_saved_plan().await?;
    let progress = Progress::begin(context, approved).await?;
    if progress.is_done {
        let Prior { state, open, .. } = load_prior(context, desired)?;
        let text = "this saved plan is already applied, and the state is as it left it.".to_owned();
        context.events.emit(Event::Note { text });
        return Ok(ApplyReport {
            items: Vec::new(),
            exit: ApplyExit::Done,
            state,
            open: open.len(),
            save_error: None,
            stop: None,
            can_repeat: false,
            is_repetition: true,
        });
    }
    let report = apply_under_lock(context, desired, options, Some(&progress), consent).await?;
    if report.is_done() {
        // Without this mark the same command goes on with the plan and finds nothing left to do.
        let _nothing_is_lost = progress.note_done(&context.store);
    }
    Ok(report)
}

impl<'a> Progress<'a> {
    /// Compares what the plan is bound to.
    async fn begin(context: &Context, approved: &'a Approved<'a>) -> Result<Self, OpsError> {
        let state = bound_state(&context.store)?;
        let begun = context.store.begun().filter(|begun| begun.plan == approved.checksum);
        // A journal is the work of a later run that did not come to its end.
        let is_done = begun.as_ref().is_some_and(|begun| begun.done.is_some() && begun.done == state.hash)
            && state.journal.is_none();
        let goes_on = begun.is_some_and(|begun| {
            begun.done.is_none()
                && (begun.lineage.is_none() || begun.lineage == state.lineage)
                && begun.serial <= state.serial
        });
        let account = account_of(context).await;
        let recorded = approved.seal.bound.account.as_deref();
        let account = match compare_with_recorded(context, "the saved plan", recorded, account.as_deref()) {
            Some(blocked) => return Err(OpsError::Blocked(vec![blocked])),
            None => account.ok(),
        };
        let now = Bound { account, state: state.clone(), ..approved.bound.clone() };
        let moved = approved.seal.bound.moved(&now, goes_on);
        if moved.iter().any(|moved| moved.is_identity) {
            return Err(OpsError::Stale(Stale::Elsewhere(moved)));
        }
        if !moved.is_empty() && !approved.if_equivalent && !is_done {
            return Err(OpsError::Stale(Stale::Inputs(moved)));
        }
        Ok(Self { approved, state, goes_on, is_done })
    }

    /// Compares what is to be done with what was approved. A later round of a run, as a later run, does what is left of it.
    pub(super) fn admit(&self, planned: &Planned, is_first: bool) -> Result<(), OpsError> {
        let (saved, fresh) = (&self.approved.seal.actions, Actions::of(&planned.plan));
        let differences = match is_first && !self.goes_on {
            true => saved.differences(&fresh, self.approved.price_tolerance),
            false => saved.beyond(&fresh, self.approved.price_tolerance),
        };
        if differences.is_empty() { Ok(()) } else { Err(OpsError::Stale(Stale::Actions(differences))) }
    }

    /// Whether an earlier run of this plan has seen to the replacement at an address: another instance stands there, or none.
    pub(super) fn has_replaced(&self, address: &Address, state: &PriorState) -> bool {
        let saved = self.approved.seal.actions.changes.iter().find(|change| change.address == *address);
        let there = state.instances.get(address).map(|recorded| &recorded.instance_id);
        self.goes_on && saved.is_some_and(|saved| saved.instance_id.as_ref() != there)
    }

    /// The first change is about to be made: from now on what happens to the state is this plan's doing.
    pub(super) fn note_begun(&self, store: &Store) -> Result<(), OpsError> {
        if self.goes_on {
            return Ok(());
        }
        let BoundState { lineage, serial, .. } = self.state.clone();
        Ok(store.begin(&Begun { plan: self.approved.checksum.to_owned(), lineage, serial, done: None })?)
    }

    /// All of it is done. A plan that changed nothing on disk still fits the state as it is, and needs no mark.
    fn note_done(&self, store: &Store) -> Result<(), StateError> {
        let BoundState { lineage, serial, hash, .. } = bound_state(store)?;
        if hash.is_none() || (hash == self.state.hash && !self.goes_on && store.begun().is_none()) {
            return Ok(());
        }
        store.begin(&Begun { plan: self.approved.checksum.to_owned(), lineage, serial, done: hash })
    }
}

/// The state as a plan is bound to it.
pub(super) fn bound_state(store: &Store) -> Result<BoundState, StateError> {
    let read = |path: &Path| match store.disk().read(path) {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io { operation: "read", path: path.to_owned(), source }),
    };
    let state = store.load()?;
    let hash = |bytes: Option<Vec<u8>>| bytes.map(|bytes| sha256_hex(&bytes));
    Ok(BoundState {
        serial: state.as_ref().map_or(0, |state| state.serial),
        lineage: state.map(|state| state.lineage),
        hash: hash(read(store.path())?),
        journal: hash(read(&store.journal_path())?),
    })
}
