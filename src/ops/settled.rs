//! `--until-settled`: one pass after the other, under one lock and one consent, until nothing is left open.
//!
//! A pass settles, plans and carries out as an apply of its own does, so it keeps to the purchase protocol by itself; between
//! two there is only a pause. What the user agreed to is kept: a later pass does what is left of that and nothing else.

use super::apply::{ApplyExit, ApplyReport, Run, exit_of};
use super::error::OpsError;
use crate::apply::failure_policy::may_pass;
use crate::apply::machine::Account;
use crate::desired::DesiredState;
use crate::event::{Event, Item, ItemStatus};
use crate::model::time::show_duration;
use crate::model::{Address, InstanceId, SplitMix64};
use crate::observe::state::ObservedState;
use crate::plan::seal::SavedChange;
use crate::plan::{Action, Plan, Planned, Reason};
use crate::state::PriorState;
use futures_util::future::{Either, select};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Purchases at one address that may come to nothing in a run: launches that fail, tokens that name what is gone. Each costs
/// money or a refund; at twice as many somebody should have looked.
const IN_VAIN_MAX: u32 = 3;

/// Before the second pass. A purchase that is not listed yet is the usual reason to wait, so a short grace makes it shorter.
const PAUSE_FIRST: Duration = Duration::from_secs(5);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a run knows across its passes.
#[derive(Default)]
pub(super) struct Passes {
    /// How many were made before this one.
    pub(super) before: u32,
    /// What was agreed to; none while nobody was asked.
    pub(super) agreed: Option<Agreement>,
    /// What stood, before anything was done, where another instance was asked for (`--replace`).
    before_replacing: BTreeMap<Address, Option<InstanceId>>,
    /// What this run paid for.
    paid: BTreeSet<InstanceId>,
    /// Those of them that failed to launch.
    launch_failed: BTreeSet<InstanceId>,
    /// What the last machine of the present pass left.
    standing: Standing,
    /// How often a purchase came to nothing.
    in_vain: BTreeMap<Address, u32>,
    /// What earlier passes bought, and the request ids of those purchases.
    bought: BTreeMap<InstanceId, Option<String>>,
    /// Where an earlier pass sent a purchase and does not know the instance: the response was lost, or its instances were not
    /// listed in time. With the request id of the response.
    unassigned: BTreeMap<Address, Option<String>>,
}

/// What was agreed to: the changes, by address.
#[derive(Default)]
pub(super) struct Agreement(BTreeMap<Address, Vec<SavedChange>>);

/// Whether another pass makes sense after a machine has ended.
#[derive(Default)]
struct Standing {
    /// Something is open that a repetition may settle.
    waits: bool,
    /// Something failed that it would not.
    is_definite: bool,
    /// Purchases that brought nothing that stays.
    in_vain: BTreeSet<Address>,
}

impl Passes {
    /// Takes note of what stands where another instance is asked for.
    /// `interrupted` has the instances that an interrupted command was to replace: they count as those of this one.
    pub(super) fn note_what_is_replaced(
        &mut self,
        desired: &DesiredState,
        state: &PriorState,
        interrupted: &BTreeMap<Address, InstanceId>,
    ) {
        let asked = desired.instances.iter().filter(|(_, wanted)| wanted.replace_now);
        let there = |address: &Address| match interrupted.get(address) {
            Some(before) => Some(before.clone()),
            None => state.instances.get(address).map(|recorded| recorded.instance_id.clone()),
        };
        self.before_replacing = asked.map(|(address, _)| (address.clone(), there(address))).collect();
    }

    /// Whether another instance stands there by now, or none: then the wish is fulfilled, or what is left of it is a purchase.
    pub(super) fn has_replaced(&self, address: &Address, state: &PriorState) -> bool {
        let there = state.instances.get(address).map(|recorded| &recorded.instance_id);
        self.before_replacing.get(address).is_some_and(|before| before.as_ref() != there)
    }
}

impl Standing {
    fn of(account: &Account) -> Self {
        let mut standing = Self {
            waits: account.replan || !account.open.is_empty(),
            is_definite: account.stopped || account.fatal.is_some(),
            in_vain: BTreeSet::new(),
        };
        for item in &account.items {
            match item.status {
                ItemStatus::Pending | ItemStatus::Unknown => standing.waits = true,
                ItemStatus::Failed if account.passing.contains(&(item.address.clone(), item.instance_id.clone())) => {
                    standing.waits = true;
                    // Without an id nothing was bought.
                    if item.instance_id.is_some() {
                        standing.in_vain.insert(item.address.clone());
                    }
                }
                ItemStatus::NotStarted if account.replan => drop(standing.in_vain.insert(item.address.clone())),
                ItemStatus::Failed | ItemStatus::Unclear => standing.is_definite = true,
                _ => {}
            }
        }
        standing
    }
}

impl Agreement {
    pub(super) fn extend(&mut self, plan: &Plan) {
        for change in plan.changes.iter().filter(|change| change.action != Action::NoOp) {
            self.0.entry(change.address.clone()).or_default().push(SavedChange::of(change));
        }
    }

    /// Whether a plan works on no other addresses.
    pub(super) fn has_all_addresses_of(&self, plan: &Plan) -> bool {
        let mut changes = plan.changes.iter().filter(|change| change.action != Action::NoOp);
        changes.all(|change| self.0.contains_key(&change.address))
    }

    /// What a plan wants beyond what was agreed to, in words. What is done is done: nothing is bought for it again.
    pub(super) fn beyond(&self, plan: &Plan, adopted: &[Address], done: &BTreeSet<&Address>) -> Vec<String> {
        let changes = plan.changes.iter().filter(|change| match self.0.get(&change.address) {
            Some(_)
                if done.contains(&change.address) && (change.action.costs_money() || change.action.loses_data()) =>
            {
                true
            }
            Some(agreed) => {
                let now = SavedChange::of(change);
                !agreed.iter().any(|approved| now.completes(approved))
            }
            None => !matches!(change.action, Action::NoOp | Action::Forget | Action::Move),
        });
        let mut beyond: Vec<String> = changes
            .map(|change| format!("{}: {} ({})", change.address, change.action.as_str(), change.reason))
            .collect();
        let strangers = adopted.iter().filter(|address| {
            let agreed = self.0.get(*address);
            !agreed.is_some_and(|agreed| agreed.iter().any(|change| change.action() == Some(Action::Import)))
        });
        beyond.extend(strangers.map(|address| format!("{address}: import (found by name alone)")));
        beyond
    }
}

impl Run<'_> {
    /// Applies: once, or until nothing is left open.
    pub(super) async fn go(&mut self) -> Result<ApplyReport, OpsError> {
        let Some(limit) = self.options.until_settled else {
            return match self.settle_and_carry_out().await {
                Ok(report) => Ok(report),
                Err(stop) => self.report_after(stop),
            };
        };
        let (clock, events) = (&self.context.clock, &self.context.events);
        let until = clock.now().plus(limit);
        let mut jitter = SplitMix64::new(self.context.seed.rotate_left(17));
        loop {
            self.passes.standing = Standing::default();
            let result = self.settle_and_carry_out().await;
            if !self.goes_on(&result) {
                return self.end(result);
            }
            let pause = self.pause(&mut jitter);
            if clock.now().plus(pause) > until {
                let text = format!("not settled within {}.", show_duration(limit));
                events.emit(Event::Note { text });
                return self.end(result);
            }
            let what = self.put_by(result);
            events.emit(Event::Note { text: format!("{what}; going on in {}.", show_duration(pause)) });
            self.passes.before += 1;
            if let Either::Left((signal, _)) = select((self.context.signals)(), clock.sleep(pause)).await {
                events.emit(Event::Interrupted { signal: signal.clone() });
                return self.interrupted(signal);
            }
        }
    }

    /// Purchases of a plan that would take the place of what this run paid for already, in words. Nobody has agreed to pay twice
    /// for an address. A failed launch is the exception where the run goes on until it is settled: it never ran, and the
    /// service takes it back.
    pub(super) fn paid_twice(&self, plan: &Plan) -> Vec<String> {
        let is_paid = |id: &str| {
            let id = InstanceId(id.to_owned());
            let is_launch = self.passes.launch_failed.contains(&id);
            self.passes.paid.contains(&id) && !(is_launch && self.options.until_settled.is_some())
        };
        let changes = plan.changes.iter().filter(|change| match (&change.action, &change.reason) {
            (Action::Create, Reason::LaunchFailed(id)) => self.options.until_settled.is_none() && is_paid(id.as_str()),
            (Action::Create, Reason::Gone(id)) => is_paid(id.as_str()),
            (Action::Create, Reason::Removed(id)) => is_paid(id),
            _ => false,
        });
        changes.map(|change| format!("{}: create ({}), which this run bought", change.address, change.reason)).collect()
    }

    /// Where earlier passes brought about what was wanted.
    pub(super) fn done_before(&self) -> BTreeSet<&Address> {
        let stays = self.items.values().filter(|item| item.status.is_done() && !item.status.is_departure());
        stays.map(|item| &item.address).collect()
    }

    /// What was open and is found as it should be needs no work any more, and is told all the same.
    pub(super) fn note_what_came_by_itself(&mut self, planned: &Planned, observed: &ObservedState) {
        if self.options.until_settled.is_none() {
            return;
        }
        let as_wanted: BTreeSet<&InstanceId> = planned
            .plan
            .changes
            .iter()
            .filter(|change| change.action == Action::NoOp)
            .filter_map(|change| change.instance_id.as_ref())
            .collect();
        let is_settled = |item: &Item| item.instance_id.as_ref().is_some_and(|id| as_wanted.contains(id));
        let (settled, open): (Vec<Item>, Vec<Item>) =
            std::mem::take(&mut self.unsettled).into_iter().partition(is_settled);
        self.unsettled = open;
        for item in settled {
            let live = item.instance_id.as_ref().and_then(|id| observed.instances.get(id));
            let public_addresses = live.map(|live| live.attributes.public_addresses.clone()).unwrap_or_default();
            let agreed = self.passes.agreed.as_ref().and_then(|agreed| agreed.0.get(&item.address));
            let was_altered =
                agreed.is_some_and(|agreed| agreed.iter().filter_map(SavedChange::action).any(Action::is_alteration));
            let status = if was_altered && !item.created { ItemStatus::Updated } else { ItemStatus::Running };
            let item = Item { status, public_addresses, detail: None, ..item };
            self.context.events.emit(Event::Item(item.clone()));
            self.items.insert((item.address.clone(), item.instance_id.clone()), item);
        }
    }

    /// Takes note of how a machine ended.
    pub(super) fn note_standing(&mut self, account: &Account) {
        for item in &account.items {
            let Some(id) = &item.instance_id else { continue };
            if item.created {
                self.passes.paid.insert(id.clone());
            }
            let key = (item.address.clone(), Some(id.clone()));
            if item.status == ItemStatus::Failed && account.passing.contains(&key) {
                self.passes.launch_failed.insert(id.clone());
            }
        }
        self.passes.standing = Standing::of(account);
    }

    fn goes_on(&mut self, result: &Result<ApplyReport, OpsError>) -> bool {
        let report = match result {
            // Before anything was begun, an error is the end: nothing is open because of this run.
            Err(OpsError::Cloud(error)) => return self.left.is_some() && may_pass(error.class),
            Err(_) => return false,
            Ok(report) => report,
        };
        let Standing { waits, is_definite, in_vain } = std::mem::take(&mut self.passes.standing);
        for address in in_vain {
            *self.passes.in_vain.entry(address).or_default() += 1;
        }
        let too_often = self.passes.in_vain.values().any(|times| *times >= IN_VAIN_MAX);
        let can = matches!(report.exit, ApplyExit::Partial | ApplyExit::Failed) && report.save_error.is_none();
        can && waits && !is_definite && !too_often
    }

    fn pause(&self, jitter: &mut SplitMix64) -> Duration {
        let first = PAUSE_FIRST.min(self.desired.visibility_grace / 4).max(Duration::from_millis(100));
        let full = first.saturating_mul(1 << self.passes.before.min(10)).min(PAUSE_MAX);
        full.mul_f64(0.5 + 0.5 * jitter.next_unit())
    }

    /// Keeps the account of a pass for the end of the run; what is open, in words.
    fn put_by(&mut self, result: Result<ApplyReport, OpsError>) -> String {
        let (items, why) = match result {
            Ok(report) => {
                self.left = Some((report.state, report.open));
                (report.items, None)
            }
            Err(stop) => (std::mem::take(&mut self.items).into_values().collect(), Some(stop.to_string())),
        };
        let items = self.with_origins(items);
        for item in &items {
            match (&item.instance_id, item.status) {
                (Some(id), _) if item.created => drop(self.passes.bought.insert(id.clone(), item.request_id.clone())),
                (None, status) if status == ItemStatus::Unknown || (status == ItemStatus::Pending && item.created) => {
                    self.passes.unassigned.insert(item.address.clone(), item.request_id.clone());
                }
                _ => {}
            }
        }
        let (done, open): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.status.is_done());
        if why.is_none() {
            self.unsettled.clear();
        }
        self.unsettled.extend(open);
        self.items = done.into_iter().map(|item| ((item.address.clone(), item.instance_id.clone()), item)).collect();
        why.unwrap_or_else(|| in_words(&self.unsettled))
    }

    /// Says of each instance that an earlier pass bought that this run did.
    fn with_origins(&self, mut items: Vec<Item>) -> Vec<Item> {
        let Passes { bought, unassigned, .. } = &self.passes;
        for item in &mut items {
            let Some(id) = &item.instance_id else { continue };
            if let Some(request_id) = bought.get(id) {
                item.created = true;
                item.request_id = item.request_id.take().or_else(|| request_id.clone());
            } else if let Some(request_id) = unassigned.get(&item.address).filter(|_| !item.status.is_departure()) {
                item.created = true;
                item.request_id = item.request_id.take().or_else(|| request_id.clone());
            }
        }
        items
    }

    /// The account of all passes.
    fn end(&mut self, result: Result<ApplyReport, OpsError>) -> Result<ApplyReport, OpsError> {
        let mut report = match result {
            Ok(report) => report,
            Err(stop) => self.report_after(stop)?,
        };
        let mut untold = self.untold(&report.items);
        if report.exit == ApplyExit::Done {
            // What was still leaving has left, since nothing is to be done.
            let recorded: BTreeSet<&InstanceId> =
                report.state.instances.values().map(|recorded| &recorded.instance_id).collect();
            untold.retain_mut(|item| {
                item.status = ItemStatus::Isolated;
                item.detail = None;
                item.instance_id.as_ref().is_some_and(|id| !recorded.contains(id))
            });
            report.items.extend(untold);
        } else {
            report.items.extend(untold);
            if matches!(report.exit, ApplyExit::Failed | ApplyExit::Unclear) {
                report.exit = exit_of(&report.items, report.open > 0);
            }
        }
        report.items = self.with_origins(std::mem::take(&mut report.items));
        report.can_repeat = self.hindrance.admits_repeating(&report.items);
        for item in report.items.iter_mut().filter(|item| item.created && item.status == ItemStatus::Updated) {
            // Bought by an earlier pass and named by a later one: that is one thing, a new instance that runs.
            item.status = ItemStatus::Running;
            let recorded = report.state.instances.get(&item.address);
            if let Some(recorded) = recorded.filter(|recorded| Some(&recorded.instance_id) == item.instance_id.as_ref())
            {
                item.public_addresses.clone_from(&recorded.attributes.public_addresses);
            }
        }
        Ok(report)
    }

    /// A signal came between two passes. Everything is saved.
    fn interrupted(&mut self, signal: String) -> Result<ApplyReport, OpsError> {
        let report = self.report_after(OpsError::Declined)?;
        let items = self.with_origins(report.items);
        Ok(ApplyReport { items, exit: ApplyExit::Interrupted(signal), stop: None, ..report })
    }
}

/// `2 still pending, 1 unknown`
fn in_words(items: &[Item]) -> String {
    let mut counts: BTreeMap<ItemStatus, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item.status).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(status, number)| format!("{number} {}", status.as_str())).collect();
    if words.is_empty() { "not settled yet".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Replace;
    use crate::plan::{AttributeDiff, Change};

    #[test]
    fn the_rest_of_what_was_agreed_to_is_told_from_more() {
        let (create, replace) = (Action::Create, Action::Replace(Replace::CreateFirst));
        let deposed = Reason::Deposed("LAUNCH_FAILED".into());
        let change = |action: Action, reason: Reason| {
            let diff =
                AttributeDiff { kind: crate::plan::attribute::Kind::BundleId, before: "a".into(), after: "b".into() };
            let diffs = if action.is_alteration() { vec![diff] } else { Vec::new() };
            let instance_id = (action != create).then(|| InstanceId::from("lhins-1"));
            Change { instance_id, diffs, ..Change::new(&Address::single("web"), action, reason) }
        };
        for (agreed, action, reason, is_rest) in [
            (create, Action::Resume, Reason::StillPending, true),
            (create, Action::Import, Reason::FoundAgain("lhins-1".into()), true),
            (create, Action::Create, Reason::LaunchFailed("lhins-1".into()), true),
            (create, Action::Isolate, deposed.clone(), true),
            (create, Action::Isolate, Reason::NotInManifest, false),
            (create, Action::Purge, deposed, false),
            (create, replace, Reason::Forced, false),
            (create, Action::Reinstall, Reason::Differs, false),
            (create, Action::Upgrade, Reason::Differs, false),
            (create, Action::Stop, Reason::Differs, true),
            (Action::Resume, Action::Create, Reason::LaunchFailed("lhins-1".into()), false),
            (Action::Resume, Action::Stop, Reason::Differs, false),
            (Action::Resume, Action::Update, Reason::Differs, false),
            (Action::Update, Action::Create, Reason::Gone("lhins-1".into()), false),
            (replace, Action::Create, Reason::Removed("lhins-1".into()), true),
            (replace, Action::Isolate, Reason::NotInManifest, true),
            (Action::Upgrade, Action::Upgrade, Reason::Differs, true),
        ] {
            let mut agreement = Agreement::default();
            agreement.extend(&Plan { changes: vec![change(agreed, Reason::New)], ..Plan::default() });
            let plan = Plan { changes: vec![change(action, reason.clone())], ..Plan::default() };
            let told = agreement.beyond(&plan, &[], &BTreeSet::new()).is_empty();
            assert_eq!(told, is_rest, "{agreed:?}, then {action:?}: {reason}");
        }
    }
}
