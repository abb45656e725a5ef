//! The apply engine: a state machine without I/O, clock or async.
//!
//! `purchase` has the purchase protocol, `wait` what happens between an id and a running instance, `alter` changes of what stays,
//! `write` names and returns, `purge` what is destroyed for good, `account` what became of everything. This file holds them together: dispatch, records, the end.

mod absence;
mod account;
mod alter;
mod origin;
mod progress;
mod purchase;
mod purge;
mod queues;
#[cfg(test)]
mod tests;
mod wait;
mod write;

use super::effect::{Effect, Input, PurchaseId, TimerId};
use super::failure_policy::History;
use super::graph::{ExecutionGraph, NodeId, NodeSpec};
use crate::cloud::CloudError;
use crate::desired::{DependencyRef, DesiredInstance, DesiredState, Moves};
use crate::event::{Event, Item, ItemStatus};
use crate::model::{
    Address, Attributes, InstanceId, Life, ObservedInstance, Ownership, Power, Predecessor, Replace, Secret, Site,
    SplitMix64, StackName, Timestamp,
};
use crate::observe::state::ObservedState;
use crate::plan::batch::still_wanted;
use crate::plan::{Action, Change, Plan, Reason};
use crate::state::{DepartureReason, Intent, OpenIntents, PriorState, Record, apply_record};
use absence::Absence;
use alter::Alteration;
use origin::Origins;
use progress::Groups;
use purchase::Purchase;
use queues::Holders;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use wait::Wait;
use write::{EarlyRename, Write};

pub use account::Account;

/// What holds for the whole run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The fleet.
    pub stack: StackName,
    /// How its instances are recognised.
    pub ownership: Ownership,
    /// How long after the first attempt a token is trusted to be remembered.
    pub token_ttl: Duration,
    /// After how long a purchase is certainly listed.
    pub visibility_grace: Duration,
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// What is returned is destroyed for good.
    pub purge: bool,
    /// What the service does not take back is given up all the same.
    pub accept_no_refund: bool,
    /// The user has confirmed recovered instances without a question (`--adopt`).
    pub adopt: bool,
    /// Which Tencent Cloud: some actions take less on one of them.
    pub site: Site,
    /// The stack's region, which the names of its resources have in them.
    pub region: String,
    /// The account's number, likewise.
    pub account: Option<String>,
    /// What stands at another address than the one it was bought for.
    pub moves: Moves,
    /// Salt of fingerprints in the state.
    pub salt: String,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Setup {
    /// From the manifest.
    pub fn new(desired: &DesiredState, salt: String, seed: u64) -> Self {
        Self {
            stack: desired.stack.clone(),
            ownership: desired.ownership,
            token_ttl: desired.token_ttl,
            visibility_grace: desired.visibility_grace,
            buy_anyway: false,
            purge: false,
            accept_no_refund: false,
            adopt: false,
            site: desired.site,
            region: desired.region.clone(),
            account: None,
            moves: desired.moves.clone(),
            salt,
            seed,
        }
    }
}

/// What is to be done: a plan, or the purchases that an earlier run left open.
pub enum Job<'a> {
    /// Carry out a plan.
    Apply {
        /// The plan.
        plan: &'a Plan,
        /// What it was made for.
        desired: &'a DesiredState,
        /// What its refresh saw.
        observed: &'a ObservedState,
    },
    /// Settle open purchases, before anything is planned.
    Settle {
        /// The present manifest: whether a purchase is still wanted, and its secret.
        desired: &'a DesiredState,
    },
}

/// The machine.
pub struct Machine {
    setup: Setup,
    state: PriorState,
    open: OpenIntents,
    purchases: Vec<Purchase>,
    waits: BTreeMap<InstanceId, Wait>,
    writes: Vec<Write>,
    alterations: Vec<Alteration>,
    /// Which listed instances readings miss.
    absence: Absence,
    /// Index of an instance's alteration.
    altering: BTreeMap<InstanceId, usize>,
    /// Passwords to be set, by their fingerprint.
    secrets: BTreeMap<String, Secret>,
    /// Addresses whose instance is returned before the next is bought.
    replaced_first: BTreeSet<Address>,
    /// What the plan returns: it is done here, or not at all.
    returned: BTreeSet<InstanceId>,
    /// New addresses that are to be turned off once they run.
    to_turn_off: BTreeSet<Address>,
    graph: ExecutionGraph,
    /// Graph node of an instance that is only waited for; purchases have their own index as node.
    resumed: BTreeMap<InstanceId, NodeId>,
    /// Changes that need no call, recorded at the start.
    at_start: Vec<Record>,
    observed_at_start: BTreeMap<InstanceId, Attributes>,
    groups: Groups,
    holders: Holders,
    queues: queues::Purchases,
    write_queues: queues::Writes,
    wait_queues: queues::Waits,
    alteration_queues: queues::Alterations,
    items: BTreeMap<(Address, Option<InstanceId>), Item>,
    /// Items whose failure a later run may not meet.
    passing: BTreeSet<(Address, Option<InstanceId>)>,
    origins: Origins,
    effects: Vec<Effect>,
    look_in_flight: bool,
    turns_wanted: BTreeSet<crate::cloud::port::WriteAction>,
    describes_in_flight: usize,
    /// When the next tick is.
    poll_at: Option<Timestamp>,
    /// No tick is sooner: polling is not all that the limit is for.
    poll_not_before: Timestamp,
    /// How long the fastest of what this run bought took to run.
    fastest_boot: Option<Duration>,
    early_rename: EarlyRename,
    /// Purchases whose instances all run.
    released: BTreeSet<PurchaseId>,
    stopping: bool,
    stopped_by: Option<String>,
    fatal: Option<String>,
    defect: Option<String>,
    /// Failed polls in a row.
    failed_polls: History,
    replan: bool,
    jitter: SplitMix64,
    started: bool,
}

impl Machine {
    /// Prepares a job. `state` and `open` are what disk says, journal folded in.
    pub fn new(setup: Setup, state: PriorState, open: OpenIntents, job: Job<'_>) -> Self {
        let jitter = SplitMix64::new(setup.seed);
        let holders = Holders::of(&state);
        let mut machine = Self {
            setup,
            state,
            origins: Origins::of_open(&open),
            open,
            purchases: Vec::new(),
            waits: BTreeMap::new(),
            writes: Vec::new(),
            alterations: Vec::new(),
            absence: Absence::default(),
            altering: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replaced_first: BTreeSet::new(),
            returned: BTreeSet::new(),
            to_turn_off: BTreeSet::new(),
            graph: ExecutionGraph::new(&[]),
            resumed: BTreeMap::new(),
            at_start: Vec::new(),
            observed_at_start: BTreeMap::new(),
            groups: Groups::default(),
            holders,
            queues: queues::Purchases::default(),
            write_queues: queues::Writes::default(),
            wait_queues: queues::Waits::default(),
            alteration_queues: queues::Alterations::default(),
            items: BTreeMap::new(),
            passing: BTreeSet::new(),
            effects: Vec::new(),
            look_in_flight: false,
            turns_wanted: BTreeSet::new(),
            describes_in_flight: 0,
            poll_at: None,
            poll_not_before: Timestamp::default(),
            fastest_boot: None,
            early_rename: EarlyRename::Unknown,
            released: BTreeSet::new(),
            stopping: false,
            stopped_by: None,
            fatal: None,
            defect: None,
            failed_polls: History::default(),
            replan: false,
            jitter,
            started: false,
        };
        match job {
            Job::Apply { plan, desired, observed } => machine.take_plan(plan, desired, observed),
            Job::Settle { desired } => machine.take_open(desired),
        }
        machine
    }

    fn take_plan(&mut self, plan: &Plan, desired: &DesiredState, observed: &ObservedState) {
        let since = (self.setup.ownership == Ownership::Name).then(|| match self.setup.buy_anyway {
            // What the plan saw is passed over by consent.
            true => observed.at,
            false => observed.at.minus(self.setup.visibility_grace),
        });
        for batch in &plan.batches {
            let first = &batch.members[0];
            let secret = batch.spec.password().cloned();
            let intent = Intent {
                token: batch.token.clone(),
                body: batch.body.clone(),
                members: batch.members.clone(),
                spec: batch.spec.to_json(&self.setup.salt),
                secret: secret.as_ref().map(|secret| secret.fingerprint(&self.setup.salt)),
                since,
            };
            debug_assert!(desired.instances.contains_key(&first.address));
            self.add_purchase(intent, secret, Arc::clone(&batch.depends_on), batch.create_timeout, true);
        }
        let (mut removals, mut terminations, mut altered) = (Vec::new(), Vec::new(), BTreeMap::new());
        for change in &plan.changes {
            let live = change.instance_id.as_ref().and_then(|id| observed.instances.get(id));
            if let (Some(id), Some(live)) = (&change.instance_id, live) {
                self.observed_at_start.insert(id.clone(), live.attributes.clone());
            }
            let wanted = desired.instances.get(&change.address);
            self.confirm(change);
            match (change.action, &change.instance_id) {
                (Action::Import, Some(id)) => {
                    let Some(wanted) = wanted else { continue };
                    if let Some(other) = self.state.instances.get(&change.address) {
                        // Its successor was bought and forgotten.
                        self.at_start.push(Record::Gone {
                            address: change.address.clone(),
                            instance_id: other.instance_id.clone(),
                            reason: DepartureReason::Displaced,
                            deposed: true,
                        });
                    }
                    self.at_start.push(Record::Adopted {
                        address: change.address.clone(),
                        instance_id: id.clone(),
                        predecessor: change.predecessor.clone().unwrap_or_default(),
                        spec: wanted.spec.to_json(&self.setup.salt),
                        protect: wanted.protect,
                        unconfirmed: self.stays_unconfirmed(change),
                    });
                    self.add_wait(id, change, wanted, live, ItemStatus::Imported);
                }
                (Action::Resume, Some(id)) => {
                    let Some(wanted) = wanted else { continue };
                    self.add_wait(id, change, wanted, live, ItemStatus::Running);
                }
                (action, Some(id)) if action.is_alteration() => {
                    self.bring_back(change, id, wanted);
                    self.add_alteration(change, id, wanted, live);
                    altered.entry(action.as_str()).or_insert_with(Vec::new).push(change.address.clone());
                }
                (Action::Purge, Some(id)) if change.reason == Reason::ReturnedAlready => {
                    self.part_from_isolated(&change.address, id);
                    terminations.push((change.address.clone(), id.clone()));
                }
                (Action::Replace(Replace::DestroyFirst), Some(id)) if live.is_some_and(is_isolated) => {
                    // The first half happened before; the purchase is planned once it is recorded.
                    self.part_from_isolated(&change.address, id);
                    if self.setup.purge {
                        terminations.push((change.address.clone(), id.clone()));
                    } else {
                        let detail = Some("was isolated already".to_owned());
                        self.set_item(&change.address, Some(id), ItemStatus::Isolated, detail, None);
                    }
                    self.replan = true;
                }
                (Action::Replace(Replace::DestroyFirst), Some(id)) => {
                    self.replaced_first.insert(change.address.clone());
                    removals.push((change.address.clone(), id.clone()));
                }
                (Action::Isolate | Action::Purge, Some(id)) => removals.push((change.address.clone(), id.clone())),
                (Action::Forget, Some(id)) => {
                    let known = self.state.instances.get(&change.address).is_some_and(|r| r.instance_id == *id);
                    self.at_start.push(match known {
                        true => Record::Gone {
                            address: change.address.clone(),
                            instance_id: id.clone(),
                            reason: DepartureReason::Forgotten,
                            deposed: false,
                        },
                        false => Record::Returned { instance_id: id.clone() },
                    });
                    self.set_item(
                        &change.address,
                        Some(id),
                        ItemStatus::Forgotten,
                        Some(change.reason.to_string()),
                        None,
                    );
                }
                // The state was moved before the run began.
                (Action::Move, Some(id)) => {
                    let from = Some(change.reason.to_string());
                    self.set_item(&change.address, Some(id), ItemStatus::Moved, from, None);
                }
                (Action::Create, _) => self.part_from_predecessor(change),
                _ => {}
            }
            let comes = matches!(
                change.action,
                Action::Create | Action::Import | Action::Resume | Action::Replace(Replace::CreateFirst)
            );
            if comes
                && !self.stays_unconfirmed(change)
                && wanted.is_some_and(|wanted| wanted.power == Some(Power::Stopped))
            {
                self.to_turn_off.insert(change.address.clone());
            }
            // What the manifest protects now is protected from now on.
            // A renewal does not show it, so it does not record it.
            let follows = change.action != Action::Renew;
            let recorded = self.state.instances.get_mut(&change.address).filter(|_| follows);
            if let (Some(wanted), Some(recorded)) = (wanted, recorded) {
                recorded.protect = wanted.protect;
            }
        }
        for addresses in altered.into_values() {
            self.add_group(addresses);
        }
        self.returned = removals.iter().map(|(_, id)| id.clone()).collect();
        self.add_isolations(removals);
        self.add_terminations(terminations);
        self.build_graph();
    }

    /// An instance that stood at an address and is isolated stands there again before its renewal: that is what is so if the
    /// renewal then fails.
    fn bring_back(&mut self, change: &Change, id: &InstanceId, wanted: Option<&DesiredInstance>) {
        let stands = self.state.instances.get(&change.address).is_some_and(|recorded| recorded.instance_id == *id);
        let Some(wanted) = wanted.filter(|_| change.action == Action::Renew && !stands) else { return };
        self.at_start.push(Record::Adopted {
            address: change.address.clone(),
            instance_id: id.clone(),
            predecessor: Predecessor::None,
            spec: wanted.spec.to_json(&self.setup.salt),
            protect: wanted.protect,
            unconfirmed: false,
        });
    }

    /// Records that the user has confirmed an instance: by the flag, or by consent to a plan that acts on it. An untracked
    /// instance is recorded with that, so that a crash on its way out does not lose it.
    fn confirm(&mut self, change: &Change) {
        let (Some(_), Some(id)) = (&change.unconfirmed, &change.instance_id) else { return };
        if !self.setup.adopt && !change.action.acts_on_instance() {
            return;
        }
        let (address, instance_id) = (change.address.clone(), id.clone());
        match self.state.instances.get(&change.address) {
            Some(recorded) if recorded.instance_id == *id => {
                self.at_start.push(Record::Confirmed { address, instance_id });
            }
            None if matches!(change.action, Action::Isolate | Action::Purge) => self.at_start.push(Record::Adopted {
                address,
                instance_id,
                predecessor: Predecessor::None,
                spec: serde_json::Value::Null,
                protect: false,
                unconfirmed: false,
            }),
            _ => {}
        }
    }

    /// Whether an instance is unconfirmed still once a change is recorded. By name alone nothing is recovered without consent.
    fn stays_unconfirmed(&self, change: &Change) -> bool {
        change.unconfirmed.is_some() && !self.setup.adopt && self.setup.ownership == Ownership::Tags
    }

    /// An isolated instance that is recorded at an address leaves it, before it is purged or another is bought.
    fn part_from_isolated(&mut self, address: &Address, id: &InstanceId) {
        if self.state.instances.get(address).is_some_and(|recorded| recorded.instance_id == *id) {
            let (address, instance_id, deposed) = (address.clone(), id.clone(), self.setup.purge);
            self.at_start.push(Record::Gone { address, instance_id, reason: DepartureReason::Isolated, deposed });
        }
    }

    /// A planned purchase for an address where the state still has an instance: that one is gone or failed.
    fn part_from_predecessor(&mut self, change: &crate::plan::Change) {
        let Some(recorded) = self.state.instances.get(&change.address) else {
            // Found dead by a look: it becomes the predecessor without having been recorded.
            return;
        };
        let failed = matches!(change.reason, crate::plan::Reason::LaunchFailed(_));
        self.at_start.push(Record::Gone {
            address: change.address.clone(),
            instance_id: recorded.instance_id.clone(),
            reason: if failed { DepartureReason::LaunchFailed } else { DepartureReason::Gone },
            deposed: failed,
        });
    }

    fn take_open(&mut self, desired: &DesiredState) {
        let open: Vec<_> = self.open.values().cloned().collect();
        for entry in open {
            let first = entry.intent.members.first().and_then(|member| desired.instances.get(&member.address));
            let secret: Option<Secret> = first.and_then(|instance| instance.spec.password()).cloned();
            let timeout = first.map_or(crate::desired::Timeouts::default().create, |instance| instance.timeouts.create);
            let is_wanted = still_wanted(desired, &self.state, &entry.intent);
            self.add_purchase(entry.intent, secret, Arc::from([]), timeout, is_wanted);
        }
        self.take_open_orders();
        self.build_graph();
    }

    fn add_purchase(
        &mut self,
        intent: Intent,
        secret: Option<Secret>,
        depends_on: Arc<[DependencyRef]>,
        timeout: Duration,
        wanted: bool,
    ) {
        let members: Vec<Address> = intent.members.iter().map(|member| member.address.clone()).collect();
        let group = self.add_group(members);
        self.groups.is_for(group, self.purchases.len());
        self.purchases.push(Purchase::new(intent, secret, depends_on, timeout, wanted, group));
    }

    fn add_group(&mut self, members: Vec<Address>) -> usize {
        self.groups.add(members)
    }

    fn build_graph(&mut self) {
        let mut nodes: Vec<NodeSpec<'_>> = self
            .purchases
            .iter()
            .map(|purchase| NodeSpec {
                addresses: purchase.intent.members.iter().map(|member| &member.address).collect(),
                depends_on: &purchase.depends_on,
            })
            .collect();
        for (id, wait) in &self.waits {
            if !wait.running {
                self.resumed.insert(id.clone(), nodes.len());
                nodes.push(NodeSpec { addresses: vec![&wait.address], depends_on: &[] });
            }
        }
        self.graph = ExecutionGraph::new(&nodes);
    }

    /// Takes an input at a time and gives the effects, to be performed in order.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            Input::Start => self.start(now),
            Input::Signed { purchase, result } => self.signed(now, purchase, result),
            Input::Looked(result) => self.looked(now, result),
            Input::Turn(action) => {
                self.turns_wanted.remove(&action);
                match action {
                    crate::cloud::port::WriteAction::CreateInstances => self.turn_to_buy(now),
                    other => self.turn_to_write(now, other),
                }
            }
            Input::Sent { purchase, result } => self.sent(now, purchase, result),
            Input::DryRan { purchase, result } => self.dry_ran(now, purchase, result),
            Input::Described { asked, result } => self.described(now, &asked, result),
            Input::Written { write, result } => self.written(now, write, result),
            Input::Timer(TimerId::Poll) => self.poll(now),
            Input::Timer(TimerId::Look) => self.look(now),
            Input::Timer(TimerId::Write) => self.want_write_turns(now),
            Input::Timer(TimerId::Change) => self.form_calls(now),
            Input::Interrupt { signal } => {
                self.effects.push(Effect::Emit(Event::Interrupted { signal: signal.clone() }));
                self.stop(now, &format!("stopped by {signal}"));
            }
            Input::GraceOver => self.give_up_in_flight(),
            Input::Defect { what } => {
                self.defect.get_or_insert(what.clone());
                self.stop(now, &format!("internal error: {what}"));
            }
            Input::JournalFailed { why } => {
                self.fatal.get_or_insert(why.clone());
                self.stop(now, &format!("the journal cannot be written: {why}"));
            }
        }
        if let Some(why) = self.stopped_by.clone() {
            // What came back from the wire since then goes nowhere either.
            self.stop_purchases(&why);
            self.stop_writes(&why);
            self.stop_alterations(&why);
        }
        if self.started {
            self.begin_isolations(now);
            self.show_progress();
        }
        #[cfg(test)]
        self.assert_queues_agree();
        std::mem::take(&mut self.effects)
    }

    fn start(&mut self, now: Timestamp) {
        self.started = true;
        self.effects
            .push(Effect::Emit(Event::ApplyStarted { groups: self.groups.len(), instances: self.groups.members() }));
        for record in std::mem::take(&mut self.at_start) {
            self.record(record);
        }
        for (id, attributes) in std::mem::take(&mut self.observed_at_start) {
            self.observe(&id, &attributes);
        }
        self.write_intents();
        for id in self.graph.ready() {
            self.begin(now, id);
        }
        self.begin_waits(now);
        self.begin_alterations(now);
        self.look(now);
        self.poll(now);
    }

    /// Writes a record down and lets it change the state: one function for now and for after a crash.
    fn record(&mut self, record: Record) {
        self.origins.note(&record);
        let touched = self.touched_by(&record);
        apply_record(&mut self.state, &mut self.open, record.clone());
        for address in touched {
            self.holders.note(&self.state, &address);
            self.groups.touch_member(&address);
        }
        match self.effects.last_mut() {
            Some(Effect::Journal(records)) => records.push(record),
            _ => self.effects.push(Effect::Journal(vec![record])),
        }
    }

    /// The addresses where another instance, or none, stands after a record.
    fn touched_by(&self, record: &Record) -> Vec<Address> {
        match record {
            Record::Assigned { matches, .. } => matches.iter().map(|(address, _)| address.clone()).collect(),
            Record::Adopted { address, .. } | Record::Gone { address, .. } => vec![address.clone()],
            _ => Vec::new(),
        }
    }

    /// Keeps what the cloud says of a recorded instance.
    fn observe(&mut self, id: &InstanceId, attributes: &Attributes) {
        let Some(address) = self
            .waits
            .get(id)
            .map(|wait| wait.address.clone())
            .or_else(|| self.altered_address(id))
            .or_else(|| self.holders.get(&self.state, id).cloned())
        else {
            return;
        };
        self.observe_at(&address, id, attributes);
    }

    fn altered_address(&self, id: &InstanceId) -> Option<Address> {
        self.altering.get(id).map(|index| self.alterations[*index].address().clone())
    }

    fn observe_at(&mut self, address: &Address, id: &InstanceId, attributes: &Attributes) {
        if let Some(recorded) = self.state.instances.get_mut(address)
            && recorded.instance_id == *id
        {
            recorded.seen = true;
            // It runs, and nothing is about to destroy it: whoever isolates it later does not do half of a replacement.
            recorded.replacing &= attributes.life() != Life::Running || self.replaced_first.contains(address);
            recorded.attributes.update(attributes);
        }
    }

    /// A node of the graph is done or has failed.
    fn node_done(&mut self, now: Timestamp, node: NodeId) {
        for next in self.graph.complete(node) {
            self.begin(now, next);
        }
        self.look(now);
    }

    fn node_failed(&mut self, node: NodeId, label: &str) {
        for doomed in self.graph.doomed(node) {
            if doomed < self.purchases.len() {
                self.end_not_started(doomed, &format!("depends on {label}, which is not there"));
            }
        }
    }

    fn begin(&mut self, now: Timestamp, node: NodeId) {
        if node < self.purchases.len() {
            self.begin_purchase(now, node);
        }
    }

    /// Nothing new begins from here on.
    fn stop(&mut self, _now: Timestamp, why: &str) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.stopped_by = Some(why.to_owned());
        self.stop_purchases(why);
        self.stop_writes(why);
        self.stop_alterations(why);
        self.stop_waits(why);
    }

    /// Whether everything has come to its end.
    pub fn is_finished(&self) -> bool {
        self.started
            && self.purchases_are_left()
            && self.writes_are_over()
            && self.alterations_are_over()
            && (self.waits_are_over() || self.stopping)
    }

    /// What it still waits for; for messages.
    pub fn pending(&self) -> String {
        let purchases: Vec<String> = self
            .purchases
            .iter()
            .enumerate()
            .filter(|(_, purchase)| !purchase.is_over(self.stopping))
            .map(|(id, purchase)| format!("{} {:?}", self.label(id), purchase.phase))
            .collect();
        let waits: Vec<String> = self
            .waits
            .values()
            .filter(|wait| !wait.is_over())
            .map(|wait| format!("{} {} running {} name {:?}", wait.address, wait.state, wait.running, wait.name))
            .collect();
        let writes = self.writes.iter().filter(|write| !write.is_over()).count();
        let altering = self.alterations.iter().filter(|alteration| !alteration.is_over());
        let altering: Vec<String> = altering.map(Alteration::describe).collect();
        format!(
            "purchases {purchases:?}, waits {waits:?}, writes {writes}, {altering:?}, turns {:?}",
            self.turns_wanted
        )
    }
}

/// The text for people of an API error's place in an item.
fn error_detail(error: &CloudError) -> String {
    match &error.code {
        Some(code) => format!("{code}: {}", error.message.trim_end_matches('.')),
        None => error.message.clone(),
    }
}

/// Whether an instance is out of service and will be released.
fn is_isolated(live: &ObservedInstance) -> bool {
    matches!(live.attributes.life(), Life::Isolated | Life::Ending)
}

/// A purchase's index is its node in the graph.
fn node_of(purchase: PurchaseId) -> NodeId {
    purchase
}
