//! Between an id and a running instance: polling, deadlines, names.

use super::super::effect::{Effect, TimerId};
use super::super::failure_policy::{Decision, FailedAttempt, History, Operation, decide};
use super::super::poll::{AHEAD_MAX, EXPECTED_MIN, INTERVAL_MIN, Outlook, between_ticks, interval, next_look};
use super::write::EarlyRename;
use super::{Machine, error_detail, node_of};
use crate::cloud::CloudError;
use crate::cloud::limits::{DESCRIBE_BATCH_MAX, SIGNATURE_VALID_SECS};
use crate::desired::DesiredInstance;
use crate::event::{ItemStatus, Retry};
use crate::model::{Address, InstanceId, Life, ObservedInstance, Timestamp};
use crate::plan::Change;
use crate::state::{DepartureReason, Member, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Wait before a poll is tried again that failed after its own repetitions.
const POLL_AGAIN: Duration = Duration::from_secs(5);

/// So far the service's clock may be off ours (the limit for signatures).
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(SIGNATURE_VALID_SECS);

/// One instance that is waited for.
pub(super) struct Wait {
    pub(super) address: Address,
    pub(super) group: usize,
    /// It is unconfirmed, so it is not renamed.
    keeps_name: bool,
    wanted_name: String,
    since: Option<Timestamp>,
    deadline: Option<Timestamp>,
    timeout: Duration,
    seen: bool,
    pub(super) running: bool,
    pub(super) state: String,
    pub(super) name: NameState,
    over: bool,
    purchase: Option<usize>,
    /// One of the first of the run, by which is found out how long it takes.
    first: bool,
    /// When it is asked about next.
    pub(super) due: Timestamp,
    /// What the account calls it when it is done.
    done: ItemStatus,
    public_addresses: Vec<String>,
    last_error: Option<String>,
}

/// How its name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameState {
    /// Not seen yet.
    Unknown,
    /// As wanted.
    Right,
    /// Another; not being changed.
    Wrong,
    /// Being changed.
    Changing,
    /// Cannot be changed in this run.
    Stuck,
}

impl Wait {
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn wants_poll(&self) -> bool {
        !self.over && (!self.running || self.name == NameState::Unknown)
    }
}

impl Machine {
    /// A wait of the plan: found again, resumed, or only to be renamed.
    pub(super) fn add_wait(
        &mut self,
        id: &InstanceId,
        change: &Change,
        wanted: &DesiredInstance,
        live: Option<&ObservedInstance>,
        done: ItemStatus,
    ) {
        let address = &change.address;
        let group = self.add_group(vec![address.clone()]);
        let keeps_name = self.stays_unconfirmed(change);
        let attributes = live.map(|live| &live.attributes);
        let in_service = attributes.is_some_and(|a| matches!(a.life(), Life::Running | Life::Other));
        let name = match attributes {
            None => NameState::Unknown,
            Some(a) if keeps_name || a.instance_name == wanted.spec.instance_name => NameState::Right,
            Some(_) => NameState::Wrong,
        };
        let wait = Wait {
            address: address.clone(),
            group,
            keeps_name,
            wanted_name: wanted.spec.instance_name.clone(),
            since: None,
            deadline: None,
            timeout: wanted.timeouts.create,
            seen: live.is_some(),
            running: in_service,
            state: attributes.map_or(String::new(), |a| a.state.clone()),
            name,
            over: false,
            purchase: None,
            first: false,
            due: Timestamp::default(),
            done,
            public_addresses: attributes.map_or(Vec::new(), |a| a.public_addresses.clone()),
            last_error: None,
        };
        self.add_to_waits(id, wait);
    }

    /// A wait for what was bought at a time of this run.
    pub(super) fn add_bought(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        member: &Member,
        (bought, deadline): (Timestamp, Timestamp),
        purchase: usize,
    ) {
        let wait = Wait {
            address: member.address.clone(),
            group: self.purchases[purchase].group,
            keeps_name: self.state.instances.get(&member.address).is_some_and(|recorded| recorded.unconfirmed),
            wanted_name: member.name.clone(),
            since: Some(bought),
            deadline: Some(deadline),
            timeout: Duration::ZERO,
            seen: false,
            running: false,
            state: String::new(),
            name: NameState::Unknown,
            over: false,
            purchase: Some(purchase),
            first: self.wait_queues.polled() < DESCRIBE_BATCH_MAX,
            due: now,
            done: ItemStatus::Running,
            public_addresses: Vec::new(),
            last_error: None,
        };
        self.add_to_waits(id, wait);
        self.look_again(now, id);
    }

    pub(super) fn begin_waits(&mut self, now: Timestamp) {
        for wait in self.waits.values_mut() {
            wait.since = Some(now);
            wait.deadline = Some(now.plus(wait.timeout));
        }
        self.rename_what_can_be(now);
        for id in self.open_waits() {
            self.finish_wait_if_done(now, &id);
        }
    }

    /// Something new wants to be looked at.
    pub(super) fn poll_soon(&mut self, now: Timestamp) {
        self.schedule_poll(now, now.plus(INTERVAL_MIN));
    }

    /// The next tick is at this time, or sooner if one is planned already. While one is under way, its end plans the next.
    fn schedule_poll(&mut self, now: Timestamp, at: Timestamp) {
        let at = at.max(self.poll_not_before).min(now.plus(AHEAD_MAX));
        if self.stopping || self.describes_in_flight > 0 || self.poll_at.is_some_and(|planned| planned <= at) {
            return;
        }
        self.poll_at = Some(at);
        self.effects.push(Effect::Timer { id: TimerId::Poll, at });
    }

    /// One tick: everything whose time has come, 100 ids to a call.
    pub(super) fn poll(&mut self, now: Timestamp) {
        self.poll_at = None;
        if self.stopping || self.describes_in_flight > 0 {
            return;
        }
        let answered = self
            .queues
            .answered
            .iter()
            .filter_map(|id| self.open.get(&self.purchases[*id].intent.token))
            .filter_map(|entry| entry.answer.as_ref())
            .flat_map(|answer| answer.ids.iter());
        let ahead = self.wait_queues.next_due().map(|due| due.since(now)).unwrap_or_default();
        let waited = match ahead > AHEAD_MAX {
            true => self.wait_queues.due_until(Timestamp(i64::MAX)),
            false => self.wait_queues.due_until(now.plus(EXPECTED_MIN / 2)),
        };
        let returned = self.write_queues.polling.iter().flat_map(|id| self.writes[*id].polled());
        let altered = self.alteration_queues.polled.iter().map(|index| self.alterations[*index].id());
        let mut ids: Vec<InstanceId> = answered.chain(waited).chain(returned).chain(altered).cloned().collect();
        ids.sort();
        ids.dedup();
        if ids.is_empty() {
            self.plan_next_poll(now);
        } else {
            self.describes_in_flight += 1;
            self.effects.push(Effect::Describe(ids));
        }
    }

    pub(super) fn described(
        &mut self,
        now: Timestamp,
        asked: &[InstanceId],
        result: Result<BTreeMap<InstanceId, ObservedInstance>, CloudError>,
    ) {
        self.describes_in_flight = self.describes_in_flight.saturating_sub(1);
        self.poll_not_before = now.plus(result.as_ref().map_or(POLL_AGAIN, |_| between_ticks(asked.len())));
        match result {
            Ok(found) => {
                self.failed_polls = History::default();
                let knew = self.fastest_boot.is_some();
                let answered: Vec<usize> = self.queues.answered.iter().copied().collect();
                for id in answered {
                    self.match_answer(now, id, Some(&found));
                }
                self.note_absence(now, asked, &found);
                for id in asked {
                    self.saw(now, id, found.get(id));
                }
                self.returned(now, asked, &found);
                self.saw_terminating(now, asked, &found);
                self.saw_alterations(now, asked, &found);
                self.rename_what_can_be(now);
                for id in asked {
                    self.finish_wait_if_done(now, id);
                }
                for id in asked {
                    self.look_again(now, id);
                }
                if !knew {
                    self.expect_the_others();
                }
                self.explain_unlisted(now, asked, &found);
            }
            Err(error) => self.poll_failed(now, asked, &error),
        }
        self.plan_next_poll(now);
    }

    /// Nothing could be read: whatever is waited for waits on, at most until its deadline.
    fn poll_failed(&mut self, now: Timestamp, asked: &[InstanceId], error: &CloudError) {
        let detail = error_detail(error);
        self.failed_polls.count(error.class);
        let failed = FailedAttempt::of(error, &self.failed_polls, Duration::ZERO, Duration::MAX, 0.0);
        if decide(Operation::Lookup, &failed) == Decision::EndRun {
            return self.stop(now, &detail);
        }
        for id in asked {
            if let Some(wait) = self.waits.get_mut(id) {
                wait.last_error = Some(detail.clone());
            }
            self.check_deadline(now, id);
        }
        for id in self.queues.answered.clone() {
            self.purchases[id].note_failed_lookup(&detail, error);
        }
        self.check_unmatched_deadlines(now);
        self.check_write_deadlines(now, &detail);
        self.check_alteration_deadlines(now);
        self.form_calls(now);
        let attempts = self.failed_polls.attempts;
        let retry = Retry { attempts, last_error: detail, next: self.poll_not_before };
        for number in self.groups_waiting_for(asked) {
            self.groups.set_retry(number, Some(retry.clone()));
        }
    }

    /// The groups with a member among these instances, or with a purchase whose instances are not matched yet.
    fn groups_waiting_for(&self, asked: &[InstanceId]) -> BTreeSet<usize> {
        let waited = asked.iter().filter_map(|id| self.waits.get(id)).filter(|wait| !wait.over).map(|wait| wait.group);
        waited.chain(self.queues.answered.iter().map(|id| self.purchases[*id].group)).collect()
    }

    /// Says of each group of which an instance was bought and is not listed why it waits, at most every ten seconds.
    fn explain_unlisted(
        &mut self,
        now: Timestamp,
        asked: &[InstanceId],
        found: &BTreeMap<InstanceId, ObservedInstance>,
    ) {
        let unlisted: Vec<InstanceId> = asked.iter().filter(|id| !found.contains_key(*id)).cloned().collect();
        let listed: Vec<InstanceId> = asked.iter().filter(|id| found.contains_key(*id)).cloned().collect();
        let waiting = match unlisted.is_empty() {
            true => BTreeSet::new(),
            false => self.groups_waiting_for(&unlisted),
        };
        for number in waiting.iter().copied() {
            self.groups.note_unlisted(number, now);
        }
        for number in self.groups_waiting_for(&listed).difference(&waiting).copied() {
            self.groups.set_retry(number, None);
        }
    }

    /// Plans the next tick for when something is to be asked about.
    pub(super) fn plan_next_poll(&mut self, now: Timestamp) {
        let changing = self.alteration_queues.polled.iter().filter_map(|index| self.alterations[*index].began());
        let others = !self.queues.answered.is_empty()
            || !self.write_queues.polling.is_empty()
            || !self.alteration_queues.polled.is_empty();
        let others = others.then(|| {
            // The youngest decides: what has waited for long can wait a little longer, what is new cannot.
            let begun = changing.max().into_iter().chain(self.youngest_unmatched()).chain(self.youngest_polled_write());
            let youngest = begun.max().map(|began| now.since(began)).unwrap_or_default();
            now.plus(interval(youngest))
        });
        if let Some(at) = others.into_iter().chain(self.wait_queues.next_due()).min() {
            self.schedule_poll(now, at);
        }
    }

    /// When an instance that was asked about, or is new, is asked about next.
    fn look_again(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(wait) = self.waits.get(id).filter(|wait| wait.wants_poll()) else { return };
        let finds_out = wait.first && self.fastest_boot.is_none();
        let outlook = Outlook {
            fastest: self.fastest_boot.filter(|_| wait.purchase.is_some()),
            crowded: wait.purchase.is_some() && !finds_out && self.wait_queues.polled() > DESCRIBE_BATCH_MAX,
            last: !self.queues.has_some_to_send(),
        };
        let waited = wait.since.map(|since| now.since(since)).unwrap_or_default();
        self.set_due(id, now.plus(next_look(waited, outlook)));
    }

    /// The first has booted: when the others should run is known now.
    fn expect_the_others(&mut self) {
        let Some(boot) = self.fastest_boot else { return };
        let sooner: Vec<(InstanceId, Timestamp)> = self
            .wait_queues
            .all_polled()
            .filter_map(|id| {
                let wait = self.waits.get(id).filter(|wait| wait.purchase.is_some())?;
                Some((id.clone(), wait.since?.plus(boot))).filter(|(_, ready)| *ready < wait.due)
            })
            .collect();
        for (id, ready) in sooner {
            self.set_due(&id, ready);
        }
    }

    fn saw(&mut self, now: Timestamp, id: &InstanceId, found: Option<&ObservedInstance>) {
        if let Some(instance) = found {
            self.observe(id, &instance.attributes);
        }
        self.saw_waited(now, id, found);
        self.file_wait(id);
    }

    fn saw_waited(&mut self, now: Timestamp, id: &InstanceId, found: Option<&ObservedInstance>) {
        let Some(wait) = self.waits.get_mut(id) else { return };
        if wait.over {
            return;
        }
        let Some(instance) = found else {
            if wait.seen && self.absence.is_confirmed(now, id) {
                // Rule 6: seen, and seen no more.
                let address = wait.address.clone();
                let created = self.state.instances.get(&address).and_then(|recorded| recorded.attributes.created_time);
                self.found_dead(&address, id, Life::Ending, created);
            } else {
                // Never listed yet. That it is gone cannot be concluded from this, however long it takes.
                self.check_deadline(now, id);
            }
            return;
        };
        wait.seen = true;
        wait.state.clone_from(&instance.attributes.state);
        wait.public_addresses.clone_from(&instance.attributes.public_addresses);
        if !matches!(wait.name, NameState::Changing | NameState::Stuck) {
            wait.name = match wait.keeps_name || instance.attributes.instance_name == wait.wanted_name {
                true => NameState::Right,
                false => NameState::Wrong,
            };
        }
        match instance.attributes.life() {
            Life::Running => {
                if let (false, Some(since), Some(_)) = (wait.running, wait.since, wait.purchase) {
                    let took = now.since(since);
                    self.fastest_boot = Some(self.fastest_boot.map_or(took, |fastest| fastest.min(took)));
                }
                wait.running = true;
                self.groups.touch_member(&wait.address);
            }
            // A machine that ran cannot fail to launch: the reading is wrong, and another follows.
            Life::Failed if wait.running => self.check_deadline(now, id),
            Life::Failed | Life::Isolated | Life::Ending => {
                let address = wait.address.clone();
                self.found_dead(&address, id, instance.attributes.life(), instance.attributes.created_time);
            }
            Life::Pending | Life::Other => self.check_deadline(now, id),
        }
    }

    fn check_deadline(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(wait) = self.waits.get_mut(id) else { return };
        if wait.over || wait.running || wait.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        wait.over = true;
        let (address, group) = (wait.address.clone(), wait.group);
        self.file_wait(id);
        let Some(wait) = self.waits.get(id) else { return };
        let mut why = match wait.state.as_str() {
            "" => "bought, and not listed within the time-out".to_owned(),
            state => format!("still {state} at the end of the time-out"),
        };
        if let Some(error) = &wait.last_error {
            why = format!("{why} ({error})");
        }
        self.set_item(&address, Some(id), ItemStatus::Pending, Some(why), None);
        let label = self.groups.label(group).to_owned();
        self.wait_ended_badly(id, &label);
    }

    /// An instance of ours that is no more, or will never be: its address's predecessor from now on.
    pub(super) fn found_dead(&mut self, address: &Address, id: &InstanceId, life: Life, created: Option<Timestamp>) {
        let (reason, deposed) = match life {
            Life::Failed => (DepartureReason::LaunchFailed, true),
            Life::Isolated => (DepartureReason::Isolated, false),
            _ => (DepartureReason::Gone, false),
        };
        let paid_now = self.was_bought_now(id, created);
        let status = if life == Life::Failed || paid_now { ItemStatus::Failed } else { ItemStatus::NotStarted };
        let why = reason.to_string();
        self.record(Record::Gone { address: address.clone(), instance_id: id.clone(), reason, deposed });
        let detail = match life {
            Life::Failed => {
                self.passing.insert((address.clone(), Some(id.clone())));
                "the service could not launch it (LAUNCH_FAILED); the next apply buys another".to_owned()
            }
            _ if paid_now => format!("bought by this run, and {why} already; the next plan shows another purchase"),
            _ => {
                // The token names what is gone: another purchase, with this one as predecessor.
                self.replan = true;
                format!("the instance that was bought for it is {why}")
            }
        };
        self.set_item(address, Some(id), status, Some(detail), None);
        let group = self.waits.get_mut(id).map(|wait| {
            wait.over = true;
            wait.group
        });
        self.file_wait(id);
        if let Some(group) = group {
            let label = self.groups.label(group).to_owned();
            self.wait_ended_badly(id, &label);
        }
    }

    /// Whether this run paid for an instance. A service that remembers a token answers with what it brought long ago: that is
    /// older than the purchase, and cost nothing now. Another purchase after one that was paid is a new decision.
    fn was_bought_now(&self, id: &InstanceId, created: Option<Timestamp>) -> bool {
        let purchase = self.waits.get(id).and_then(|wait| wait.purchase);
        let began = purchase.and_then(|purchase| self.purchases[purchase].began);
        let is_older = began.zip(created).is_some_and(|(began, created)| created < began.minus(CLOCKS_DIFFER_BY));
        self.origins.is_created(id) && !is_older
    }

    fn wait_ended_badly(&mut self, id: &InstanceId, label: &str) {
        let node = match self.waits.get(id).and_then(|wait| wait.purchase) {
            Some(purchase) => Some(node_of(purchase)),
            None => self.resumed.get(id).copied(),
        };
        if let Some(node) = node {
            self.node_failed(node, label);
        }
    }

    pub(super) fn finish_wait_if_done(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(wait) = self.waits.get_mut(id) else { return };
        if !wait.running {
            return;
        }
        let purchase = wait.purchase;
        let name_settled = matches!(wait.name, NameState::Right | NameState::Stuck);
        if !wait.over && name_settled {
            wait.over = true;
            let (address, status, stuck) = (wait.address.clone(), wait.done, wait.name == NameState::Stuck);
            let detail = stuck.then(|| wait.last_error.clone()).flatten();
            let status = if stuck { ItemStatus::Failed } else { status };
            self.file_wait(id);
            self.set_item(&address, Some(id), status, detail, None);
        }
        self.release_dependents(now, purchase, id);
    }

    /// What depends on a purchase begins when all its instances run; their names may still be on the way.
    fn release_dependents(&mut self, now: Timestamp, purchase: Option<usize>, id: &InstanceId) {
        match purchase {
            None => {
                if let Some(node) = self.resumed.remove(id) {
                    self.node_done(now, node);
                }
            }
            Some(purchase) => {
                if self.released.contains(&purchase) {
                    return;
                }
                let members = self.purchases[purchase].intent.members.len();
                let running = self.purchases[purchase]
                    .intent
                    .members
                    .iter()
                    .filter_map(|member| self.state.instances.get(&member.address))
                    .filter(|recorded| self.waits.get(&recorded.instance_id).is_some_and(|wait| wait.running))
                    .count();
                if running == members {
                    self.released.insert(purchase);
                    self.node_done(now, node_of(purchase));
                }
            }
        }
    }

    pub(super) fn name_failed(&mut self, id: &InstanceId, why: &str) {
        if let Some(wait) = self.waits.get_mut(id) {
            wait.name = NameState::Stuck;
            wait.last_error = Some(format!("running, but its name could not be set: {why}"));
        }
        self.file_wait(id);
    }

    pub(super) fn name_changed(&mut self, id: &InstanceId) {
        let Some(wait) = self.waits.get_mut(id) else { return };
        wait.name = NameState::Right;
        let (address, name) = (wait.address.clone(), wait.wanted_name.clone());
        if let Some(recorded) = self.state.instances.get_mut(&address) {
            recorded.spec = recorded.spec.named(&name);
            recorded.attributes.instance_name = name;
        }
        self.file_wait(id);
    }

    /// Instances to rename now, by the name they are to have.
    pub(super) fn renames_due(&mut self) -> BTreeMap<String, Vec<InstanceId>> {
        let mut ids: Vec<InstanceId> = self.wait_queues.misnamed.iter().cloned().collect();
        match self.early_rename {
            // One try tells for all of them.
            EarlyRename::Unknown => {
                if let Some(first) = self.wait_queues.misnamed_early.first().cloned() {
                    self.early_rename = EarlyRename::Trying;
                    ids.push(first);
                }
            }
            EarlyRename::Works => ids.extend(self.wait_queues.misnamed_early.iter().cloned()),
            EarlyRename::Trying | EarlyRename::Refused => {}
        }
        ids.sort();
        let mut due: BTreeMap<String, Vec<InstanceId>> = BTreeMap::new();
        for id in ids {
            if let Some(wait) = self.waits.get_mut(&id) {
                wait.name = NameState::Changing;
                due.entry(wait.wanted_name.clone()).or_default().push(id.clone());
            }
            self.file_wait(&id);
        }
        due
    }

    /// The service does not rename yet: again when it runs.
    pub(super) fn name_must_wait(&mut self, id: &InstanceId) {
        if let Some(wait) = self.waits.get_mut(id) {
            wait.name = NameState::Wrong;
        }
        self.file_wait(id);
    }

    pub(super) fn stop_waits(&mut self, why: &str) {
        let pending: Vec<(Address, InstanceId, bool, String)> = self
            .waits
            .iter()
            .filter(|(_, wait)| !wait.over)
            .map(|(id, wait)| (wait.address.clone(), id.clone(), wait.running, wait.state.clone()))
            .collect();
        for (address, id, running, state) in pending {
            let detail = match (running, state.as_str()) {
                (true, _) => format!("running, its name is not set yet; {why}"),
                (false, "") => why.to_owned(),
                (false, state) => format!("{state}; {why}"),
            };
            self.set_item(&address, Some(&id), ItemStatus::Pending, Some(detail), None);
        }
    }

    pub(super) fn public_addresses(&self, id: &InstanceId) -> Vec<String> {
        self.waits.get(id).map(|wait| wait.public_addresses.clone()).unwrap_or_default()
    }
}
