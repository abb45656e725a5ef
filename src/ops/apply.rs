//! Applying: settle what is open, plan, ask, carry out, save. All of it under the exclusive lock.

use super::approved::Progress;
use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, bind_account, load_prior, observe, rewrite_journal, salt};
use super::outputs;
use super::plan::{emptied, planned_with_catalogue, selection};
use super::preflight::{Preflight, check, price_of_open};
use super::repeated::{note_replaced, replaced_by_interrupted};
use super::settled::Passes;
use crate::apply::machine::Account;
use crate::apply::{Driver, Job, Machine, Outcome, Setup, run};
use crate::cloud::CloudError;
use crate::desired::DesiredState;
use crate::diag::Diagnostics;
use crate::event::{Event, Item, ItemStatus};
use crate::model::{Address, InstanceId, Life};
use crate::observe::state::ObservedState;
use crate::plan::change::{ACCEPT_NO_REFUND, ACCEPT_UNKNOWN_PRICE, ADOPT, ALLOW_DATA_LOSS, Need, OpenPurchase};
use crate::plan::limits::{Before, Ceilings, forbids_to_settle, needs_the_whole};
use crate::plan::preflight::Checks;
use crate::plan::{self, Blocked, BlockedKind, Decision, Options, Plan, Planned, Selection};
use crate::state::lock::Mode;
use crate::state::{AppliedSpec, OpenIntents, PriorState, StateError};
use futures_util::future::{Either, select};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

/// Plans made and carried out in one apply. A second is needed where a token turns out to name what is gone, or a batch
/// brought fewer than asked; more would mean that the service answers the same way for ever.
/// What an instance takes in a state, at most, as a rule.
const BYTES_OF_INSTANCE: u64 = 4096;

const ROUNDS_MAX: usize = 4;

/// How to apply.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApplyOptions {
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// Instances that are missing all at once are gone, and a machine that reads as failed to launch is lost.
    pub confirm_gone: bool,
    /// Take over what carries no tags of ours without a question.
    pub adopt: bool,
    /// Nobody is asked.
    pub assume_yes: bool,
    /// Everything is to go.
    pub destroy: bool,
    /// What leaves is destroyed for good after its return.
    pub purge: bool,
    /// Disks may be wiped and instances with their data may go.
    pub allow_data_loss: bool,
    /// What the service does not take back is given up all the same.
    pub accept_no_refund: bool,
    /// Whether prices that are not known may be paid without asking anybody.
    pub accept_unknown_price: bool,
    /// Prices, quotas and stock are asked before anything is bought.
    pub preflight: bool,
    /// The limits of the command line.
    pub ceilings: Ceilings,
    /// Apply again and again until nothing is left open, and begin nothing more after this time.
    pub until_settled: Option<Duration>,
}

/// What consent is needed for.
pub enum Question<'a> {
    /// To settle purchases of an earlier run, which may complete them.
    Settle(&'a [OpenPurchase]),
    /// To carry a plan out.
    Apply(&'a Planned),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Go on.
    Given,
    /// Change nothing.
    Declined,
}

/// How an apply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyExit {
    /// Everything is as the manifest wants it.
    Done,
    /// Something happened or may have happened, and not everything; all of it is recorded.
    Partial,
    /// Nothing happened.
    Failed,
    /// Unclear what is already owned; nothing was bought.
    Unclear,
    /// A signal ended it.
    Interrupted(String),
}

/// What applying brought.
pub struct ApplyReport {
    /// What became of everything.
    pub items: Vec<Item>,
    /// How it ended.
    pub exit: ApplyExit,
    /// The state as it is now.
    pub state: PriorState,
    /// Purchases that are still open.
    pub open: usize,
    /// Why the state could not be saved. The journal, as far as it reaches, still has everything.
    pub save_error: Option<StateError>,
    /// What ended the run although it had begun: it could not, or may not, go on.
    pub stop: Option<OpsError>,
    /// Whether an earlier run had done all of this command before.
    pub is_repetition: bool,
    /// Whether the same command goes on with what is not done, and nobody has to decide or mend anything first.
    pub can_repeat: bool,
}

impl ApplyReport {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.exit == ApplyExit::Done && self.open == 0 && self.save_error.is_none() && self.stop.is_none()
    }
}

/// Applies under the exclusive lock.
///
/// # Errors
/// When state, lock, cloud, manifest or consent forbid to begin. What fails later is in the report: from the first change
/// on every path to the end gives account.
pub async fn apply(
    context: &Context,
    desired: &DesiredState,
    options: ApplyOptions,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<ApplyReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    apply_under_lock(context, desired, options, None, consent).await
}

/// `apply` for whoever holds the lock.
pub(super) async fn apply_under_lock(
    context: &Context,
    desired: &DesiredState,
    options: ApplyOptions,
    saved: Option<&Progress<'_>>,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<ApplyReport, OpsError> {
    let selection = match context.select.is_everything() {
        true => None,
        false => selection(context, desired, &load_prior(context, desired)?, options.destroy)?,
    };
    let manifest = desired;
    let emptied = options.destroy.then(|| emptied(desired));
    let desired = emptied.as_ref().unwrap_or(desired);
    let mut run = Run {
        context,
        desired,
        manifest,
        options,
        consent,
        saved,
        selection,
        items: BTreeMap::new(),
        unsettled: Vec::new(),
        left: None,
        before: Before::default(),
        passes: Passes::default(),
        hindrance: Hindrance::default(),
    };
    let mut report = run.go().await?;
    if let Err(error) = run.end_replacements(&report) {
        report.save_error.get_or_insert(error);
    }
    Ok(report)
}

pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) desired: &'a DesiredState,
    /// What the manifest has, also where everything is to be destroyed.
    pub(super) manifest: &'a DesiredState,
    pub(super) options: ApplyOptions,
    pub(super) consent: &'a (dyn Fn(Question<'_>) -> Consent + Sync),
    /// The saved plan that is carried out, where it is one.
    pub(super) saved: Option<&'a Progress<'a>>,
    /// Worked out once: an address that has gone since is still meant.
    pub(super) selection: Option<Selection>,
    pub(super) items: BTreeMap<(Address, Option<InstanceId>), Item>,
    /// What settling did not bring to its end, and the plan after it therefore takes up. Told only if that is not reached.
    pub(super) unsettled: Vec<Item>,
    /// What the last machine left: the state, and how many purchases are open. None while nothing was begun.
    pub(super) left: Option<(PriorState, usize)>,
    /// What the plans of this run brought about so far.
    pub(super) before: Before,
    /// What is known from earlier passes, and what was agreed to.
    pub(super) passes: Passes,
    /// What keeps the same command from going on.
    pub(super) hindrance: Hindrance,
}

/// What keeps the same command from going on with what a run left.
#[derive(Default)]
pub(super) struct Hindrance {
    /// Failures that a later run may not meet.
    passing: BTreeSet<(Address, Option<InstanceId>)>,
    /// Credentials, a clock, the disk or a defect ended the run.
    is_for_all: bool,
}

impl Hindrance {
    fn note(&mut self, outcome: &Outcome, save_error: Option<&StateError>) {
        let account = &outcome.account;
        self.passing.extend(account.passing.iter().cloned());
        self.is_for_all |= account.fatal.is_some() || account.defect.is_some() || save_error.is_some();
        self.is_for_all |= account.stopped && outcome.signal.is_none();
    }

    /// Whether nothing of these items waits for a decision or an edit.
    pub(super) fn admits_repeating(&self, items: &[Item]) -> bool {
        let may_pass = |item: &Item| match item.status {
            ItemStatus::Failed => self.passing.contains(&(item.address.clone(), item.instance_id.clone())),
            ItemStatus::Unclear => false,
            _ => true,
        };
        !self.is_for_all && items.iter().all(may_pass)
    }
}

impl Run<'_> {
    fn plan_options(&self) -> Options {
        let ApplyOptions { buy_anyway, confirm_gone, destroy, purge, adopt, .. } = self.options;
        Options { buy_anyway, confirm_gone, destroy, purge, adopt }
    }

    pub(super) async fn settle_and_carry_out(&mut self) -> Result<ApplyReport, OpsError> {
        match self.settle().await? {
            Some(report) => Ok(report),
            None => self.carry_out().await,
        }
    }

    /// Settles what an earlier run left open. A report if that is where this run ends.
    pub(super) async fn settle(&mut self) -> Result<Option<ApplyReport>, OpsError> {
        let mut prior = load_prior(self.context, self.desired)?;
        if prior.open.is_empty() {
            return Ok(None);
        }
        bind_account(self.context, self.desired, &mut prior.state, account_of(self.context).await)?;
        let open: Vec<OpenPurchase> = prior.open.values().map(OpenPurchase::of).collect();
        // An order of an earlier run is only looked for: that needs no consent.
        // What an earlier pass of this run left open was agreed to, and is counted.
        let is_first = self.passes.before == 0;
        if is_first && !open.is_empty() && (self.consent)(Question::Settle(&open)) == Consent::Declined {
            return Err(OpsError::Declined);
        }
        if let (false, Some(refused)) = (open.is_empty(), forbids_to_settle(self.desired, self.context.clock.now())) {
            return Err(OpsError::Refused(refused));
        }
        if let (Some(most), true) = (self.options.ceilings.max_spend, is_first) {
            let price = price_of_open(self.context, self.desired, &prior).await;
            self.before.settle(price, most).map_err(OpsError::Refused)?;
        }
        self.context.store.prove_replaceable(BYTES_OF_INSTANCE)?;
        prior.renew_journal()?;
        let job = Job::Settle { desired: self.desired };
        let (outcome, save_error) = self.work(prior, job).await;
        // A settled purchase is planned on as any other; only what stays open, or an end of the run, is told here.
        let stuck = !outcome.account.open.is_empty() || outcome.account.stopped || save_error.is_some();
        if stuck {
            return Ok(Some(self.report(outcome, save_error)));
        }
        self.keep(outcome);
        let (settled, unsettled) =
            std::mem::take(&mut self.items).into_iter().partition(|(_, item)| item.status.is_done());
        self.items = settled;
        let unsettled: Vec<Item> = BTreeMap::into_values(unsettled).collect();
        self.unsettled.retain(|item| unsettled.iter().all(|other| other.address != item.address));
        self.unsettled.extend(unsettled);
        Ok(None)
    }

    async fn carry_out(&mut self) -> Result<ApplyReport, OpsError> {
        for round in 1.. {
            let is_first = round == 1 && self.passes.agreed.is_none();
            let mut prior = load_prior(self.context, self.desired)?;
            let (account, observed) = match self.ask_the_cloud(&prior).await {
                Ok(answers) => answers,
                Err(signal) => {
                    let account = Account::of_nothing(prior.state, prior.open);
                    return Ok(self.report(Outcome { account, signal: Some(signal) }, None));
                }
            };
            bind_account(self.context, self.desired, &mut prior.state, account)?;
            let mut observed = observed?;
            let options = self.plan_options();
            let limits = (options, self.selection.as_ref());
            if is_first {
                let interrupted = replaced_by_interrupted(self.context, self.desired, &prior.state)?;
                self.passes.note_what_is_replaced(self.desired, &prior.state, &interrupted);
                for (address, before) in interrupted.iter().filter(|(at, _)| self.passes.has_replaced(at, &prior.state))
                {
                    note_replaced(self.context, address, before, &prior.state);
                }
            }
            let calmed = self.without_what_is_replaced(round > 1, &prior.state);
            let desired = calmed.as_ref().unwrap_or(self.desired);
            let both = (desired, self.manifest);
            let mut planned = planned_with_catalogue(self.context, both, &prior, &mut observed, limits).await?;
            if let Err(signal) = self.check(&observed, &mut planned, is_first).await {
                let account = Account::of_nothing(prior.state, prior.open);
                return Ok(self.report(Outcome { account, signal: Some(signal) }, None));
            }
            if let Some(saved) = self.saved {
                saved.admit(&planned, is_first)?;
            }
            if let Some(stop) = self.obstacle(&planned) {
                return Err(stop);
            }
            self.note_what_came_by_itself(&planned, &observed);
            let adopted = follow_what_is_adopted(&mut prior.state, &planned.plan);
            if planned.plan.is_empty() {
                // Nobody is asked, so nobody has seen what is to be said about this plan.
                for diagnostic in planned.diagnostics.clone().sorted() {
                    self.context.events.emit(Event::Note { text: format!("warning: {}.", diagnostic.summary) });
                }
                // Protection is no call to the cloud, so no change of the plan; it is recorded all the same.
                let changed = end_given_up_replacements(&mut prior.state, &observed)
                    | follow_protection(&mut prior.state, self.desired, self.selection.as_ref())
                    | (self.options.adopt && confirm_all(&mut prior.state, &planned.plan))
                    | self.tell(&mut prior.state)
                    | adopted;
                let mut account = Account::of_nothing(prior.state, prior.open);
                let mut journal = prior.journal;
                let saves = prior.journal_has_records || changed;
                if let (Some(saved), true) = (self.saved, saves && is_first) {
                    saved.note_begun(&self.context.store)?;
                }
                let save_error = match saves {
                    true => save(self.context, &mut account.state, &account.open, &mut journal).err(),
                    false => None,
                };
                return Ok(self.report(Outcome { account, signal: None }, save_error));
            }
            self.agree(&planned)?;
            self.context.store.prove_replaceable(BYTES_OF_INSTANCE * planned.plan.changes.len() as u64)?;
            if let (Some(saved), true) = (self.saved, is_first) {
                saved.note_begun(&self.context.store)?;
            }
            self.note_replacements(&planned.plan, &prior.state)?;
            self.relocate(&mut prior)?;
            prior.renew_journal()?;
            let job = Job::Apply { plan: &planned.plan, desired, observed: &observed };
            self.before.count(&planned.plan);
            let (outcome, save_error) = self.work(prior, job).await;
            let again = outcome.account.replan && !outcome.account.stopped && save_error.is_none();
            if !again || round == ROUNDS_MAX {
                return Ok(self.report(outcome, save_error));
            }
            self.keep(outcome);
        }
        unreachable!("the loop ends by returning")
    }

    /// Asks whether to carry a plan out, unless it is what is left of one that was agreed to.
    fn agree(&mut self, planned: &Planned) -> Result<(), OpsError> {
        let twice = self.paid_twice(&planned.plan);
        if !twice.is_empty() {
            return Err(OpsError::Beyond(twice));
        }
        if let Some(agreed) = &self.passes.agreed {
            let is_later = self.passes.before > 0;
            let beyond =
                if is_later { agreed.beyond(&planned.plan, &planned.adopted, &self.done_before()) } else { Vec::new() };
            if !beyond.is_empty() {
                return Err(OpsError::Beyond(beyond));
            }
            if is_later || agreed.has_all_addresses_of(&planned.plan) {
                return Ok(());
            }
        }
        if (self.consent)(Question::Apply(planned)) == Consent::Declined {
            return Err(OpsError::Declined);
        }
        self.passes.agreed.get_or_insert_default().extend(&planned.plan);
        Ok(())
    }

    /// The manifest without the wish for replacements (`--replace`) that this run, or what it goes on with, has seen to: each is
    /// another purchase. None if there are none.
    fn without_what_is_replaced(&self, is_later_round: bool, state: &PriorState) -> Option<DesiredState> {
        let settled: BTreeSet<&Address> = self.items.keys().map(|(address, _)| address).collect();
        let is_over = |address: &Address| {
            is_later_round
                || settled.contains(address)
                || self.passes.has_replaced(address, state)
                || self.saved.is_some_and(|saved| saved.has_replaced(address, state))
        };
        let asked = self.desired.instances.iter().filter(|(_, wanted)| wanted.replace_now);
        let over: Vec<&Address> = asked.map(|(address, _)| address).filter(|address| is_over(address)).collect();
        if over.is_empty() {
            return None;
        }
        let mut desired = self.desired.clone();
        for address in over {
            if let Some(wanted) = desired.instances.get_mut(address) {
                wanted.replace_now = false;
            }
        }
        Some(desired)
    }

    /// Works the outputs out. Returns whether they differ from before.
    fn tell(&self, state: &mut PriorState) -> bool {
        let outputs = match self.options.destroy {
            true => BTreeMap::new(),
            false => outputs::evaluate(self.desired, state),
        };
        let changed = state.outputs != outputs;
        state.outputs = outputs;
        changed
    }

    /// Moves in the state what the manifest moves, all of it in one write: after a crash it either moved or did not. What the
    /// run does to it is recorded at its new address from then on.
    fn relocate(&self, prior: &mut Prior) -> Result<(), OpsError> {
        let moves = plan::relocations(self.desired, &prior.state, &prior.open, &mut Diagnostics::default());
        if moves.is_empty() {
            return Ok(());
        }
        prior.state.relocate(&moves);
        self.context.store.save(&mut prior.state)?;
        rewrite_journal(&prior.state, &prior.open, &mut prior.journal)?;
        prior.journal_is_stale = false;
        Ok(())
    }

    /// Whose credentials these are, and what is there. Once a machine has run, the signals are ours, and one that comes
    /// while the cloud takes its time ends the run here.
    async fn ask_the_cloud(
        &self,
        prior: &Prior,
    ) -> Result<(Result<String, CloudError>, Result<ObservedState, OpsError>), String> {
        let context = self.context;
        let answers = futures_util::future::join(account_of(context), observe(context, self.desired, prior));
        if self.left.is_none() {
            return Ok(answers.await);
        }
        match select((context.signals)(), pin!(answers)).await {
            Either::Left((signal, _)) => {
                context.events.emit(Event::Interrupted { signal: signal.clone() });
                Err(signal)
            }
            Either::Right((answers, _)) => Ok(answers),
        }
    }

    /// Preflight of the first plan, limits of every one. A later plan only takes up what an earlier one left; it is priced
    /// again where a limit needs that.
    async fn check(&self, observed: &ObservedState, planned: &mut Planned, is_first: bool) -> Result<(), String> {
        let has_limit = self.options.ceilings.max_spend.is_some() || needs_the_whole(&planned.plan, self.desired);
        let wish = match self.options.preflight {
            true if is_first || has_limit => Preflight::Asked,
            true => Preflight::Skipped("a plan before it in this run was"),
            false => Preflight::Skipped("--no-preflight"),
        };
        let mut before = self.before.clone();
        before.forget_what_brought_nothing(&planned.plan);
        let what = (wish, self.options.ceilings, &before);
        let checking = check(self.context, self.desired, observed, planned, what);
        if self.left.is_none() {
            checking.await;
            return Ok(());
        }
        match select((self.context.signals)(), pin!(checking)).await {
            Either::Left((signal, _)) => {
                self.context.events.emit(Event::Interrupted { signal: signal.clone() });
                Err(signal)
            }
            Either::Right(((), _)) => Ok(()),
        }
    }

    /// What forbids to carry a plan out.
    pub(super) fn obstacle(&self, planned: &Planned) -> Option<OpsError> {
        if planned.diagnostics.has_errors() {
            return Some(OpsError::Diagnostics(planned.diagnostics.clone()));
        }
        if !planned.blocked.is_empty() {
            return Some(OpsError::Blocked(planned.blocked.clone()));
        }
        let Checks { failures, violations, .. } = &planned.plan.checks;
        if !violations.is_empty() {
            let mut all = violations.clone();
            all.extend(failures.clone());
            return Some(OpsError::Refused(all));
        }
        if !failures.is_empty() {
            return Some(OpsError::Preflight(failures.clone()));
        }
        let missing: Vec<Blocked> =
            planned.plan.needs.iter().filter(|need| !self.has_consented(need.flag)).map(refused_without).collect();
        if !missing.is_empty() {
            return Some(OpsError::Blocked(missing));
        }
        if !planned.adopted.is_empty() && self.options.assume_yes && !self.options.adopt {
            let what = format!(
                "{} found in the cloud would be taken over by name, for {}",
                crate::plan::change::count(planned.adopted.len(), "instance"),
                crate::model::address::compact(&planned.adopted)
            );
            let help = vec!["if they are this stack's own, say so with --adopt".to_owned()];
            return Some(OpsError::Blocked(vec![Blocked { kind: BlockedKind::AdoptionNotConfirmed, what, help }]));
        }
        None
    }

    fn has_consented(&self, flag: &str) -> bool {
        match flag {
            ALLOW_DATA_LOSS => self.options.allow_data_loss,
            ACCEPT_NO_REFUND => self.options.accept_no_refund,
            // The prompt names them; without a prompt the flags have to.
            ACCEPT_UNKNOWN_PRICE => self.options.accept_unknown_price || !self.options.assume_yes,
            ADOPT => self.options.adopt || !self.options.assume_yes || is_broken_to_confirm(),
            _ => false,
        }
    }

    /// Runs a machine and saves what it leaves.
    pub(super) async fn work(&mut self, prior: Prior, job: Job<'_>) -> (Outcome, Option<StateError>) {
        let context = self.context;
        let salt = salt(&prior.state);
        let mut setup = Setup::new(self.desired, salt, context.seed);
        setup.buy_anyway = self.options.buy_anyway;
        setup.purge = self.options.purge;
        setup.accept_no_refund = self.options.accept_no_refund;
        setup.adopt = self.options.adopt;
        setup.account = prior.state.binding.account.clone();
        let Prior { state, open, mut journal, .. } = prior;
        let machine = Machine::new(setup, state, open, job);
        let driver = Driver {
            read: context.read.as_ref(),
            write: context.write.as_ref(),
            clock: context.clock.as_ref(),
            events: context.events.as_ref(),
            journal: &mut journal,
            durable: BTreeSet::new(),
            stack: self.desired.stack.clone(),
            ownership: self.desired.ownership,
            signals: std::sync::Arc::clone(&context.signals),
        };
        let mut outcome = run(machine, driver).await;
        let account = &mut outcome.account;
        self.tell(&mut account.state);
        let save_error = save(context, &mut account.state, &account.open, &mut journal).err();
        self.note_standing(&outcome.account);
        self.hindrance.note(&outcome, save_error.as_ref());
        for item in std::mem::take(&mut outcome.account.items) {
            // An earlier round's word on an address is overtaken by a later one's.
            if !item.status.is_departure() {
                self.items.remove(&(item.address.clone(), None));
            }
            self.items.insert((item.address.clone(), item.instance_id.clone()), item);
        }
        (outcome, save_error)
    }

    /// What a machine left, should the run not come to an end of its own after it.
    fn keep(&mut self, outcome: Outcome) {
        self.left = Some((outcome.account.state, outcome.account.open.len()));
    }

    pub(super) fn report(&mut self, outcome: Outcome, save_error: Option<StateError>) -> ApplyReport {
        let items: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        let account = outcome.account;
        let exit = match &outcome.signal {
            Some(signal) => ApplyExit::Interrupted(signal.clone()),
            None => match exit_of(&items, !account.open.is_empty()) {
                ApplyExit::Done if save_error.is_some() || account.fatal.is_some() => ApplyExit::Partial,
                exit => exit,
            },
        };
        let exit = match exit {
            ApplyExit::Done if account.defect.is_some() => ApplyExit::Partial,
            exit => exit,
        };
        let stop = account.defect.map(OpsError::Defect);
        let can_repeat = self.hindrance.admits_repeating(&items);
        ApplyReport {
            items,
            exit,
            open: account.open.len(),
            state: account.state,
            save_error,
            stop,
            can_repeat,
            is_repetition: false,
        }
    }

    /// What is not settled and of which these items do not tell.
    pub(super) fn untold(&mut self, items: &[Item]) -> Vec<Item> {
        let told: BTreeSet<&Address> =
            items.iter().filter(|item| !item.status.is_departure()).map(|item| &item.address).collect();
        let ids: BTreeSet<&InstanceId> = items.iter().filter_map(|item| item.instance_id.as_ref()).collect();
        let is_told =
            |item: &Item| told.contains(&item.address) || item.instance_id.as_ref().is_some_and(|id| ids.contains(id));
        std::mem::take(&mut self.unsettled).into_iter().filter(|item| !is_told(item)).collect()
    }

    /// The run cannot go on. Whatever was done until then, the account of it must not be lost.
    pub(super) fn report_after(&mut self, stop: OpsError) -> Result<ApplyReport, OpsError> {
        let mut items: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        let untold = self.untold(&items);
        items.extend(untold);
        match self.left.take() {
            Some((state, open)) if !items.is_empty() => {
                let exit = match exit_of(&items, open > 0) {
                    ApplyExit::Done => ApplyExit::Partial,
                    exit => exit,
                };
                let can_repeat = self.hindrance.admits_repeating(&items);
                Ok(ApplyReport {
                    items,
                    exit,
                    state,
                    open,
                    save_error: None,
                    stop: Some(stop),
                    can_repeat,
                    is_repetition: false,
                })
            }
            _ => Err(stop),
        }
    }
}

/// Carries out a plan that was consented to, once.
pub(super) async fn apply_plan(
    run: &mut Run<'_>,
    mut prior: Prior,
    planned: &Planned,
    observed: &ObservedState,
) -> Result<ApplyReport, OpsError> {
    run.context.store.prove_replaceable(BYTES_OF_INSTANCE * planned.plan.changes.len() as u64)?;
    prior.renew_journal()?;
    let job = Job::Apply { plan: &planned.plan, desired: run.desired, observed };
    let (outcome, save_error) = run.work(prior, job).await;
    Ok(run.report(outcome, save_error))
}

/// Whether the simulation makes this engine treat unconfirmed instances as confirmed.
fn is_broken_to_confirm() -> bool {
    #[cfg(test)]
    return crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::UnconfirmedIsConfirmed);
    #[cfg(not(test))]
    false
}

/// Confirms the unconfirmed instances of a plan that changes nothing. Returns whether there are any.
fn confirm_all(state: &mut PriorState, plan: &Plan) -> bool {
    let mut changed = false;
    for change in plan.changes.iter().filter(|change| change.unconfirmed.is_some()) {
        if let Some(recorded) = state.instances.get_mut(&change.address) {
            changed |= std::mem::replace(&mut recorded.unconfirmed, false);
        }
    }
    changed
}

/// What is refused without a flag.
fn refused_without(need: &Need) -> Blocked {
    if need.flag == ADOPT {
        let help = [
            "if this stack owns them, confirm that with --adopt",
            "if another repository owns them, give this stack another name: `stack` in the manifest",
        ];
        let help = help.map(str::to_owned).to_vec();
        return Blocked { kind: BlockedKind::AdoptionNotConfirmed, what: need.what.clone(), help };
    }
    let help = format!("look at the plan; if that is meant, say so with {}", need.flag);
    Blocked { kind: BlockedKind::ConsentMissing, what: need.what.clone(), help: vec![help] }
}

/// Where the manifest was written after what is live, that is what was applied from now on. Returns whether anything was.
fn follow_what_is_adopted(state: &mut PriorState, plan: &Plan) -> bool {
    let mut changed = false;
    for drift in plan.drift.iter().filter(|drift| drift.decision == Decision::Adopt) {
        let Some(recorded) = state.instances.get_mut(&drift.address) else { continue };
        let (Some(kind), mut spec) = (drift.attribute, recorded.spec.to_value()) else { continue };
        changed |= kind.set_applied(&mut spec, &drift.live);
        recorded.spec = AppliedSpec::from(spec);
    }
    changed
}

/// An instance that runs, and that the plan leaves as it is, is not in the middle of a replacement. Returns whether one was.
fn end_given_up_replacements(state: &mut PriorState, observed: &ObservedState) -> bool {
    let mut changed = false;
    for recorded in state.instances.values_mut().filter(|recorded| recorded.replacing) {
        let live = observed.instances.get(&recorded.instance_id);
        if live.is_some_and(|live| live.attributes.life() == Life::Running) {
            recorded.replacing = false;
            changed = true;
        }
    }
    changed
}

/// What the manifest protects now is protected from now on. Returns whether that differs from before.
fn follow_protection(state: &mut PriorState, desired: &DesiredState, selection: Option<&Selection>) -> bool {
    let mut changed = false;
    let is_selected = |address: &&Address| selection.is_none_or(|selection| selection.addresses.contains(*address));
    for (address, wanted) in desired.instances.iter().filter(|(address, _)| is_selected(address)) {
        if let Some(recorded) = state.instances.get_mut(address) {
            changed |= recorded.protect != wanted.protect;
            recorded.protect = wanted.protect;
        }
    }
    changed
}

/// Saves the state, then lets the journal hold only what is still open. In this order: a journal beside a newer state is
/// known to be folded already, a state beside a journal that is gone would have forgotten.
fn save(
    context: &Context,
    state: &mut PriorState,
    open: &OpenIntents,
    journal: &mut crate::state::Journal,
) -> Result<(), StateError> {
    context.store.save(state)?;
    rewrite_journal(state, open, journal)
}

pub(super) fn exit_of(items: &[Item], open: bool) -> ApplyExit {
    let any = |wanted: fn(ItemStatus) -> bool| items.iter().any(|item| wanted(item.status));
    if items.iter().all(|item| item.status.is_done()) && !open {
        ApplyExit::Done
    } else if open || any(|status| status.is_done() || matches!(status, ItemStatus::Pending | ItemStatus::Unknown)) {
        ApplyExit::Partial
    } else if items.iter().any(|item| item.status == ItemStatus::Failed && item.instance_id.is_some()) {
        // A launch that failed is an effect too.
        ApplyExit::Partial
    } else if any(|status| status == ItemStatus::Unclear) {
        ApplyExit::Unclear
    } else {
        ApplyExit::Failed
    }
}
