//! The planner: a list of steps over desired, prior and observed.

mod alter;
pub(super) mod attached;
mod found;
mod gone;
mod limited;
mod removal;
mod reported;
pub(in crate::plan) mod unconfirmed;
mod untracked;

use super::alongside::Alongside;
use super::batch::{Batch, batch, cut};
use super::change::{
    Action, After, Blocked, BlockedKind, Change, Evidence, OpenPurchase, Plan, Reason, UnsettledOrder, count,
};
use super::drift::{Drift, drift_at};
use super::preflight::Checks;
use super::relocate::{self, relocations};
use super::select::Selection;
use super::unreported::NotReported;
use crate::desired::{DesiredInstance, DesiredState};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::address::compact;
use crate::model::{Address, ClientToken, InstanceId, Life, ObservedInstance, Ownership, Predecessor};
use crate::observe::ownership::{self, Finding, Sought};
use crate::observe::state::{ById, ObservedState};
use crate::state::{OpenIntents, PriorState, RecordedInstance};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What planning reads.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub desired: &'a DesiredState,
    /// What the manifest has. The same, except where everything is to be destroyed: then nothing is wanted.
    pub manifest: &'a DesiredState,
    /// What was recorded.
    pub prior: &'a PriorState,
    /// What is under way.
    pub open: &'a OpenIntents,
    /// What the cloud says.
    pub observed: &'a ObservedState,
    /// What the run is limited to; everything if there is none.
    pub selection: Option<&'a Selection>,
}

/// What the user has agreed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// Instances that many readings at once miss are gone, and a machine that ran and reads as failed to launch is lost.
    pub confirm_gone: bool,
    /// Everything is to go: an empty manifest is meant.
    pub destroy: bool,
    /// What leaves is destroyed for good after its return.
    pub purge: bool,
    /// Recovered instances are confirmed to be this stack's.
    pub adopt: bool,
}

/// Instances that left the manifest and that a plan destroys. None of them where everything is to be destroyed by request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// How many.
    pub instances: usize,
    /// Of so many recorded ones.
    pub recorded: usize,
}

/// A plan and what is to be said about it.
#[must_use]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Errors and warnings with their place in the manifest. With an error the plan must not be applied.
    pub diagnostics: Diagnostics,
    /// What forbids to apply it (exit 7).
    pub blocked: Vec<Blocked>,
    /// Addresses found again without our tags: taking them over needs consent.
    pub adopted: Vec<Address>,
    /// The addresses that the plan is limited to; none if it is whole.
    pub selected: Option<BTreeSet<Address>>,
    /// What leaves because the manifest no longer has it.
    pub leaving: Leaving,
}

impl Planned {
    /// Errors and warnings of the plan and of its checks.
    pub fn everything_found(&self) -> Diagnostics {
        let mut all = self.diagnostics.clone();
        all.extend(self.plan.checks.violations.clone());
        all.extend(self.plan.checks.failures.clone());
        all
    }
}

/// Makes the plan.
pub fn plan(inputs: Inputs<'_>, options: Options) -> Planned {
    let mut diagnostics = Diagnostics::default();
    let moves = relocations(inputs.desired, inputs.prior, inputs.open, &mut diagnostics);
    if moves.is_empty() {
        return plan_from(inputs, options, diagnostics, &moves);
    }
    let mut prior = inputs.prior.clone();
    prior.relocate(&moves);
    plan_from(Inputs { prior: &prior, ..inputs }, options, diagnostics, &moves)
}

/// The plan, once everything stands at the address where the manifest has it.
fn plan_from(inputs: Inputs<'_>, options: Options, diagnostics: Diagnostics, moves: &[(Address, Address)]) -> Planned {
    let mut planner = Planner::new(inputs, options);
    planner.diagnostics = diagnostics;
    planner.keep_or_miss_what_is_desired();
    planner.ask_to_confirm_gone();
    planner.find_again();
    planner.miss_what_was_given_up();
    planner.leave_out();
    planner.offer_renewal();
    planner.buy_what_is_missing();
    planner.remove_what_is_not_desired();
    planner.return_what_is_left_over();
    planner.destroy_untracked();
    if !options.buy_anyway {
        planner.stop_before_buying_what_may_be_owned();
    }
    planner.tell_of_what_no_state_knows();
    attached::note_attached(&mut planner.changes, &inputs.observed.catalogue);
    relocate::propose(inputs.desired, inputs.prior, &planner.changes, &mut planner.diagnostics);
    relocate::mark(&mut planner.changes, moves);
    planner.finish()
}

/// What an observed or recorded instance is to us.
enum Standing<'a> {
    Live(&'a ObservedInstance),
    NotYetListed,
    NeverListed,
    Unasked,
    Gone,
}

struct Planner<'a> {
    inputs: Inputs<'a>,
    options: Options,
    /// Addresses of purchases that are not settled: nothing is decided for them here.
    under_way: BTreeSet<&'a Address>,
    /// Ids that are somebody's: recorded, deposed, predecessors, in answers.
    claimed: HashSet<&'a str>,
    /// What the cloud has, by id.
    live: ById<'a>,
    /// What a look found to be the stack's and was nobody's when the plan began.
    found: Vec<&'a ObservedInstance>,
    missing: BTreeMap<&'a Address, Missing>,
    /// Where an instance stands that was never listed and, by consent, is taken for gone.
    given_up: Vec<&'a Address>,
    /// What the run leaves out and what has no running instance.
    left_out: BTreeSet<&'a Address>,
    /// Addresses whose instance gets a successor before it goes.
    replaced: BTreeMap<&'a Address, Change>,
    batches: Vec<Batch>,
    changes: Vec<Change>,
    drift: Vec<Drift>,
    unreported: NotReported,
    diagnostics: Diagnostics,
    blocked: Vec<Blocked>,
    adopted: Vec<Address>,
    /// How many instances the manifest no longer has and the plan destroys.
    leaving: usize,
    /// Instances for which the plan stops.
    unclear: BTreeSet<InstanceId>,
    /// Unconfirmed instances, recorded or recovered by this plan.
    unconfirmed: BTreeMap<InstanceId, Evidence>,
}

struct Missing {
    predecessor: Predecessor,
    reason: Reason,
}

impl<'a> Planner<'a> {
    fn new(inputs: Inputs<'a>, options: Options) -> Self {
        let prior = inputs.prior;
        let recorded = prior.instances.values().map(|recorded| recorded.instance_id.as_str());
        let deposed = prior.deposed.iter().map(|deposed| deposed.instance_id.as_str());
        let before = prior.predecessors.values().map(Predecessor::as_str);
        let answered = inputs.open.values().filter_map(|open| open.answer.as_ref());
        let answered = answered.flat_map(|answer| answer.ids.iter().map(InstanceId::as_str));
        let purchased = inputs.open.values().flat_map(|open| open.intent.members.iter().map(|member| &member.address));
        let ordered =
            inputs.open.orders.values().flat_map(|open| open.order.targets.iter().map(|target| &target.address));
        let claimed: HashSet<&str> = recorded.chain(deposed).chain(before).chain(answered).collect();
        let live = inputs.observed.by_id();
        let owned = inputs.observed.owned.iter().map(InstanceId::as_str);
        let found = owned.filter(|id| !claimed.contains(id)).filter_map(|id| live.get(id).copied()).collect();
        Self {
            inputs,
            options,
            under_way: purchased.chain(ordered).collect(),
            claimed,
            live,
            found,
            missing: BTreeMap::new(),
            given_up: Vec::new(),
            left_out: BTreeSet::new(),
            replaced: BTreeMap::new(),
            batches: Vec::new(),
            changes: Vec::with_capacity(inputs.desired.instances.len()),
            drift: Vec::new(),
            unreported: NotReported::default(),
            diagnostics: Diagnostics::default(),
            blocked: Vec::new(),
            adopted: Vec::new(),
            leaving: 0,
            unclear: BTreeSet::new(),
            unconfirmed: unconfirmed::recorded(inputs),
        }
    }

    fn standing(&self, recorded: &RecordedInstance) -> Standing<'a> {
        let observed = self.inputs.observed;
        if !observed.asked {
            return Standing::Unasked;
        }
        if let Some(instance) = self.live.get(recorded.instance_id.as_str()) {
            return Standing::Live(instance);
        }
        // Gone is only what was once seen. What never was may not be listed yet, and after the grace nobody can tell:
        // an answer named it, so it was bought, and buying another would be a guess with money.
        if !recorded.seen {
            let waited = recorded.attributes.created_time.map(|bought| observed.at.since(bought));
            let in_grace = waited.is_some_and(|waited| waited < self.inputs.desired.visibility_grace);
            return match in_grace {
                true => Standing::NotYetListed,
                false if self.options.buy_anyway => Standing::Gone,
                false => Standing::NeverListed,
            };
        }
        Standing::Gone
    }

    fn keep_or_miss_what_is_desired(&mut self) {
        let Inputs { desired, prior, observed, .. } = self.inputs;
        let mut records = Alongside::new(&prior.instances);
        for (address, instance) in &desired.instances {
            let recorded = records.get(address);
            if let Some(recorded) = recorded.filter(|_| observed.asked && self.is_selected(address)) {
                // Here and not in a walk of its own: what is compared now is at hand.
                let live = self.live.get(recorded.instance_id.as_str()).copied();
                drift_at(desired, (address, instance, recorded), (live, observed.at), &mut self.drift);
            }
            if self.under_way.contains(address) {
                continue;
            }
            if !self.is_selected(address) {
                self.miss_what_is_left_out(address);
                continue;
            }
            let Some(recorded) = recorded else {
                self.missing.insert(address, self.never_recorded(address));
                continue;
            };
            let id = &recorded.instance_id;
            let again = |reason| Missing { predecessor: Predecessor::Instance(id.clone()), reason };
            match self.standing(recorded) {
                Standing::Gone if !recorded.seen => self.given_up.push(address),
                Standing::Gone => drop(self.missing.insert(address, again(Reason::Gone(id.clone())))),
                Standing::NotYetListed => {
                    self.change(address, Action::Resume, Reason::NotYetListed, Some(id), instance);
                }
                Standing::NeverListed => {
                    self.change(address, Action::Resume, Reason::NotYetListed, Some(id), instance);
                    self.block_never_listed(address, recorded);
                }
                Standing::Unasked => self.compare(address, instance, recorded, None),
                Standing::Live(live) => match live.attributes.life() {
                    Life::Failed => drop(self.missing.insert(address, again(Reason::LaunchFailed(id.clone())))),
                    Life::Pending => self.change(address, Action::Resume, Reason::StillPending, Some(id), instance),
                    Life::Isolated | Life::Ending => self.plan_isolated(address, instance, recorded, live),
                    Life::Running | Life::Other => {
                        self.compare(address, instance, recorded, Some(live));
                    }
                },
            }
        }
    }

    /// What is missing at an address that has no record.
    fn never_recorded(&self, address: &Address) -> Missing {
        let prior = self.inputs.prior;
        let predecessor = prior.predecessor(address).clone();
        let reason = match &predecessor {
            Predecessor::Instance(id) => Reason::Removed(id.to_string()),
            Predecessor::Purchase(_) => Reason::Short,
            Predecessor::None => Reason::New,
        };
        Missing { predecessor, reason }
    }

    fn block_never_listed(&mut self, address: &Address, recorded: &RecordedInstance) {
        let since = recorded.attributes.created_time.map(|time| format!(" at {time}")).unwrap_or_default();
        self.blocked.push(Blocked {
            kind: BlockedKind::NeverListed(recorded.instance_id.clone()),
            what: format!(
                "{} was bought for `{address}`{since} and has never been listed, longer than the visibility grace",
                recorded.instance_id
            ),
            help: vec![
                "look for it in the console; if it is only slow to appear, run again later or raise `visibility_grace`"
                    .into(),
                "if it is gone, buy another with --buy-anyway".into(),
            ],
        });
    }

    fn change(
        &mut self,
        address: &Address,
        action: Action,
        reason: Reason,
        id: Option<&InstanceId>,
        desired: &DesiredInstance,
    ) {
        self.changes.push(Change {
            instance_id: id.cloned(),
            source: Some(desired.span),
            ..Change::new(address, action, reason)
        });
    }

    fn batch_of(&self, members: &[&Address]) -> Option<Batch> {
        let missing: Vec<(&Address, &Predecessor)> = members
            .iter()
            .filter_map(|address| self.missing.get(address).map(|missing| (*address, &missing.predecessor)))
            .collect();
        #[cfg(test)]
        let missing: Vec<(&Address, &Predecessor)> =
            match crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::NoPredecessor) {
                true => missing.into_iter().map(|(address, _)| (address, Predecessor::NOTHING)).collect(),
                false => missing,
            };
        batch(self.inputs.desired, &missing)
    }

    fn buy_what_is_missing(&mut self) {
        let desired = self.inputs.desired;
        if self.missing.is_empty() {
            return;
        }
        for members in cut(desired) {
            let Some(batch) = self.batch_of(&members) else { continue };
            self.refuse_without_what_is_left_out(&batch);
            let index = self.batches.len();
            for member in &batch.members {
                let instance = &desired.instances[&member.address];
                let reason = self.missing[&member.address].reason.clone();
                let change = match self.replaced.remove(&member.address) {
                    Some(replacement) => replacement,
                    None => Change {
                        source: Some(instance.span),
                        after: Some(After::of(instance)),
                        ..Change::new(&member.address, Action::Create, reason)
                    },
                };
                self.changes.push(Change { batch: Some(index), ..change });
            }
            self.batches.push(batch);
        }
    }

    /// Rule 7 of the purchase protocol, as far as one look can tell. An instance of the stack that nobody claimed, and
    /// whose tag names an address that is to be bought (or names none), may be that address's own.
    fn stop_before_buying_what_may_be_owned(&mut self) {
        let desired = self.inputs.desired;
        if self.batches.is_empty() {
            return;
        }
        let wanted: BTreeSet<&str> = self.batches.iter().map(|batch| batch.token.short()).collect();
        let arriving = self.arriving();
        let sought: Vec<Sought<'_>> = self.batches.iter().map(|batch| sought(desired, batch)).collect();
        let (mut unclear, mut on_their_way) = (Vec::new(), Vec::new());
        for instance in self.unclaimed() {
            if matches!(instance.attributes.life(), Life::Isolated | Life::Ending) {
                continue;
            }
            // A batch that is being bought right now, by another writer or seen in part: apply waits and looks again.
            let (may_be_ours, is_arriving) = match desired.ownership {
                Ownership::Tags => (
                    self.tag_names_what_is_missing(instance),
                    ownership::batch_of(instance).is_some_and(|batch| wanted.contains(batch)),
                ),
                // More candidates than members, or fewer; or one that was bought with another package or image.
                Ownership::Name => {
                    (sought.iter().any(|sought| sought.bears_its_name(instance)), arriving.contains(&instance.id))
                }
            };
            match (may_be_ours, is_arriving) {
                (true, false) => unclear.push(instance),
                (_, true) => on_their_way.push(instance),
                (false, false) => {}
            }
        }
        if unclear.is_empty() {
            return;
        }
        // Nobody looks again where it stops, so these are unclear like the others.
        unclear.append(&mut on_their_way);
        unclear.sort_by(|a, b| a.id.cmp(&b.id));
        self.unclear.extend(unclear.iter().map(|instance| instance.id.clone()));
        let list: Vec<String> = unclear
            .iter()
            .map(|i| format!("{} (`{}`, {})", i.id, i.attributes.instance_name, i.attributes.state))
            .collect();
        let what = format!(
            "the cloud has {} of stack `{}` that the state does not know, and {} to be bought: {}",
            count(unclear.len(), "instance"),
            desired.stack,
            compact(self.missing.keys().copied()),
            list.join(", ")
        );
        self.blocked.push(Blocked { kind: BlockedKind::Untracked, what,
            help: vec![
                "if the state was lost, restore it from version control or from its .backup, or make it again: `lhprov state rebuild`".into(),
                "take one over by hand with `lhprov import ADDRESS ID`".into(),
                "or, if these were bought by an earlier version of this manifest, apply that version once without a state: \
                 unchanged, it finds its own instances again"
                    .into(),
                "or, if they are not of this stack's addresses, buy all the same with --buy-anyway".into(),
            ],
        });
    }

    /// What the stack owns and no state knows, though nothing is to be bought for it: bought twice, on a service that forgets
    /// its tokens and lists late; or left behind when a state was lost. It costs money, so it is said in every plan.
    fn tell_of_what_no_state_knows(&mut self) {
        let desired = self.inputs.desired;
        let open = self.inputs.open.keys().chain(self.batches.iter().map(|batch| &batch.token));
        let arriving: BTreeSet<&str> = open.map(ClientToken::short).collect();
        let (names, expected) = match desired.ownership {
            Ownership::Tags => (BTreeSet::new(), BTreeSet::new()),
            Ownership::Name => (
                desired.instances.values().map(|wanted| wanted.spec.instance_name.as_str()).collect(),
                self.names_on_their_way(),
            ),
        };
        let is_ours = |instance: &ObservedInstance| match desired.ownership {
            Ownership::Tags => !ownership::batch_of(instance).is_some_and(|batch| arriving.contains(batch)),
            Ownership::Name => {
                let name = &instance.attributes.instance_name;
                bears_one_of(&names, name) && !bears_one_of(&expected, name)
            }
        };
        let strangers: Vec<String> = self
            .unclaimed()
            .filter(|instance| !matches!(instance.attributes.life(), Life::Isolated | Life::Ending))
            .filter(|instance| is_ours(instance) && !self.unclear.contains(&instance.id))
            .map(|i| format!("{} (`{}`, {})", i.id, i.attributes.instance_name, i.attributes.state))
            .collect();
        if strangers.is_empty() {
            return;
        }
        let whose = match desired.ownership {
            Ownership::Tags => format!("carries the tags of stack `{}`", desired.stack),
            Ownership::Name => format!("bears a name of stack `{}`", desired.stack),
        };
        let what = match strangers.as_slice() {
            [one] => format!("{one} {whose}, and the state does not know it"),
            many => format!(
                "each of {} instances {whose}, and the state does not know them: {}",
                many.len(),
                many.join(", ")
            ),
        };
        self.diagnostics.push(
            Diagnostic::warning("not-in-state", what)
                .detail("It costs money: it was bought twice, or is left from a state that was lost.")
                .help("if the state was lost: `lhprov state rebuild` records it, or restore the state")
                .help("if the manifest was lost as well: `lhprov import --all` writes its block")
                .help("if it was bought twice and nobody needs it, return it in the console"),
        );
    }

    /// Names under which instances are bought, by this plan or by a purchase that is not settled.
    fn names_on_their_way(&self) -> BTreeSet<&str> {
        let planned = self.batches.iter().flat_map(|batch| {
            let members = batch.members.iter().map(|member| member.name.as_str());
            members.chain([batch.spec.instance_name.as_str()])
        });
        let asked_for = self.inputs.open.values().flat_map(|open| {
            let members = open.intent.members.iter().map(|member| member.name.as_str());
            members.chain(open.intent.body.get("InstanceName").and_then(|name| name.as_str()))
        });
        planned.chain(asked_for).collect()
    }

    /// Without tags: instances of batches that are being listed right now, bought by another writer a moment ago and seen in
    /// part. Apply looks again, and waits for the rest.
    fn arriving(&self) -> BTreeSet<InstanceId> {
        let Inputs { desired, observed, .. } = self.inputs;
        if desired.ownership == Ownership::Tags {
            return BTreeSet::new();
        }
        let since = observed.at.minus(desired.visibility_grace);
        let is_recent = |instance: &ObservedInstance| instance.attributes.created_time.is_some_and(|at| at >= since);
        let recent: Vec<&ObservedInstance> = self.unclaimed().filter(|instance| is_recent(instance)).collect();
        let alike = alike(desired, &self.batches);
        let found = alike.iter().flat_map(|alike| ownership::find_alike(alike, recent.iter().copied()));
        found
            .filter_map(|finding| if let Finding::Incomplete(ids) = finding { Some(ids) } else { None })
            .flatten()
            .collect()
    }

    fn tag_names_what_is_missing(&self, instance: &ObservedInstance) -> bool {
        let Some(named) = ownership::members_of(instance) else { return true };
        let Inputs { desired, prior, .. } = self.inputs;
        named.iter().any(|address| match desired.moves.target(address) {
            _ if self.missing.contains_key(address) => true,
            Some((moved, _)) => self.missing.contains_key(&moved),
            // Of an address that neither manifest nor state has ever heard of, it may be what was moved and then lost with
            // the state: the tag still says where it was bought.
            None => {
                !desired.instances.contains_key(address)
                    && !prior.knows(address)
                    && desired.moves.forgets(address).is_none()
            }
        })
    }

    fn finish(mut self) -> Planned {
        let desired = self.inputs.desired;
        let open: Vec<OpenPurchase> = self.inputs.open.values().map(OpenPurchase::of).collect();
        if !self.options.destroy
            && desired.instances.is_empty()
            && self.changes.iter().any(|change| change.action.is_removal())
        {
            self.blocked.push(Blocked {
                kind: BlockedKind::EmptyManifest,
                what: format!(
                    "the manifest wants no instance at all, and stack `{}` has {}",
                    desired.stack,
                    count(self.inputs.prior.instances.len(), "instance")
                ),
                help: vec!["if all of them are to go, say so with `lhprov destroy`".into()],
            });
        }
        if let Some(note) = self.unreported.sentence() {
            let detail = "What is not reported is taken as it was recorded, and is no difference.";
            self.diagnostics.push(Diagnostic::warning("not-reported", note).detail(detail));
        }
        self.mark_unconfirmed();
        self.changes
            .sort_by(|a, b| (&a.address, a.action, &a.instance_id).cmp(&(&b.address, b.action, &b.instance_id)));
        let needs = self.consents();
        let destroy = self.options.destroy.then(|| self.destroy_scope());
        let selected = self.say_what_is_selected();
        Planned {
            plan: Plan {
                changes: self.changes,
                batches: self.batches,
                open,
                orders: unsettled(self.inputs.open),
                drift: self.drift,
                needs,
                checks: Checks::default(),
                destroy,
            },
            diagnostics: self.diagnostics,
            blocked: self.blocked,
            adopted: self.adopted,
            selected,
            leaving: Leaving { instances: self.leaving, recorded: self.inputs.prior.instances.len() },
        }
    }
}

/// Orders that an earlier run left open.
pub(super) fn unsettled(open: &OpenIntents) -> Vec<UnsettledOrder> {
    let one = |open: &crate::state::OpenOrder| UnsettledOrder {
        kind: open.order.kind,
        to: open.order.to.clone(),
        members: open.order.targets.iter().map(|target| target.address.clone()).collect(),
        accepted: open.accepted.is_some(),
    };
    open.orders.values().map(one).collect()
}

/// Batches in the words of the search for their instances, those together that nobody can tell apart.
fn alike<'a>(desired: &'a DesiredState, batches: &'a [Batch]) -> Vec<Vec<Sought<'a>>> {
    let sought: Vec<Sought<'a>> = batches.iter().map(|batch| sought(desired, batch)).collect();
    let groups = ownership::alike(&sought);
    groups.into_iter().map(|group| group.into_iter().map(|number| sought[number].clone()).collect()).collect()
}

/// Whether a name is one of these, or one with a number behind it, as a batch's instances may bear its first name.
pub(super) fn bears_one_of(names: &BTreeSet<&str>, name: &str) -> bool {
    let mut stem = name;
    loop {
        if names.contains(stem) || names.contains(stem.trim_end_matches(['-', '_'])) {
            return true;
        }
        match stem.strip_suffix(|c: char| c.is_ascii_digit()) {
            Some(shorter) => stem = shorter,
            None => return false,
        }
    }
}

/// A batch in the words of the search for its instances.
pub fn sought<'a>(desired: &'a DesiredState, batch: &'a Batch) -> Sought<'a> {
    Sought {
        stack: &desired.stack,
        ownership: desired.ownership,
        token: &batch.token,
        members: batch.members.iter().map(|member| (&member.address, member.name.as_str())).collect(),
        purchase_name: &batch.spec.instance_name,
        bundle_id: &batch.spec.bundle_id,
        blueprint_id: &batch.spec.blueprint_id,
        zones: batch.spec.zones.iter().map(String::as_str).collect(),
        since: None,
    }
}
