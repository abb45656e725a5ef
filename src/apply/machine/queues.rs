//! What can be done next, found without looking at everything: each input costs what it touches, not what the fleet is large.
//!
//! Phases of purchases, writes and alterations are set through here, and whoever changes a wait says so, so that the sets are
//! always what a walk over everything would find.

use super::super::effect::{PurchaseId, WriteId};
use super::Machine;
use super::purchase::Phase;
use super::wait::{NameState, Wait};
use super::write::{Write, WritePhase};
use crate::cloud::port::WriteAction;
use crate::model::{Address, InstanceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Purchases by how far they are.
#[derive(Default)]
pub(super) struct Purchases {
    pub(super) ready: BTreeSet<PurchaseId>,
    pub(super) looking: BTreeSet<PurchaseId>,
    pub(super) queued: BTreeSet<PurchaseId>,
    pub(super) answered: BTreeSet<PurchaseId>,
    /// Those that have come to their end, one way or the other.
    over: usize,
}

impl Purchases {
    /// Whether some are to go out that have not yet.
    pub(super) fn has_some_to_send(&self) -> bool {
        !(self.ready.is_empty() && self.looking.is_empty() && self.queued.is_empty())
    }

    fn set_of(&mut self, phase: &Phase) -> Option<&mut BTreeSet<PurchaseId>> {
        match phase {
            Phase::Ready(_) => Some(&mut self.ready),
            Phase::Looking(_) => Some(&mut self.looking),
            Phase::Queued { .. } => Some(&mut self.queued),
            Phase::Answered => Some(&mut self.answered),
            Phase::Blocked | Phase::InFlight { .. } | Phase::Checking | Phase::Settled | Phase::Ended => None,
        }
    }
}

/// Writes by what they wait for.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) blocked: BTreeSet<WriteId>,
    /// May go out, by action.
    pub(super) due: BTreeMap<WriteAction, BTreeSet<WriteId>>,
    /// May go out from a time.
    later: BTreeSet<(Timestamp, WriteId)>,
    pub(super) polling: BTreeSet<WriteId>,
    over: usize,
}

/// Waits by what is to be done about them.
#[derive(Default)]
pub(super) struct Waits {
    /// Those to be asked about, by when.
    polled: BTreeSet<(Timestamp, InstanceId)>,
    /// Run under another name than theirs.
    pub(super) misnamed: BTreeSet<InstanceId>,
    /// Likewise, and do not run yet.
    pub(super) misnamed_early: BTreeSet<InstanceId>,
    open: BTreeSet<InstanceId>,
    /// Neither over nor running.
    coming: BTreeSet<InstanceId>,
}

impl Waits {
    /// How many are to be asked about.
    pub(super) fn polled(&self) -> usize {
        self.polled.len()
    }

    pub(super) fn all_polled(&self) -> impl Iterator<Item = &InstanceId> {
        self.polled.iter().map(|(_, id)| id)
    }

    /// Those whose time comes until `until`.
    pub(super) fn due_until(&self, until: Timestamp) -> impl Iterator<Item = &InstanceId> {
        self.polled.iter().take_while(move |(due, _)| *due <= until).map(|(_, id)| id)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.polled.first().map(|(due, _)| *due)
    }
}

/// Alterations by what they wait for.
#[derive(Default)]
pub(super) struct Alterations {
    pub(super) ready: BTreeSet<usize>,
    pub(super) polled: BTreeSet<usize>,
    pub(super) over: BTreeSet<usize>,
}

impl Machine {
    pub(super) fn set_phase(&mut self, id: PurchaseId, phase: Phase) {
        let before = std::mem::replace(&mut self.purchases[id].phase, phase.clone());
        if let Some(set) = self.queues.set_of(&before) {
            set.remove(&id);
        }
        if let Some(set) = self.queues.set_of(&phase) {
            set.insert(id);
        }
        let is_end = |phase: &Phase| matches!(phase, Phase::Settled | Phase::Ended);
        match (is_end(&before), is_end(&phase)) {
            (false, true) => self.queues.over += 1,
            (true, false) => self.queues.over -= 1,
            _ => {}
        }
        let group = self.purchases[id].group;
        self.groups.touch(group);
    }

    /// Whether every purchase has its instances or is over without.
    pub(super) fn purchases_are_over(&self) -> bool {
        self.queues.over == self.purchases.len()
    }

    /// Whether the run needs not wait for a purchase any more: who stands where can be found out by the next one.
    pub(super) fn purchases_are_left(&self) -> bool {
        let answered = if self.stopping { self.queues.answered.len() } else { 0 };
        self.queues.over + answered == self.purchases.len()
    }

    pub(super) fn push_write(&mut self, write: Write) -> WriteId {
        let (id, phase) = (self.writes.len(), write.phase);
        self.writes.push(write);
        self.file_write(id, phase);
        id
    }

    pub(super) fn set_write_phase(&mut self, id: WriteId, phase: WritePhase) {
        let before = std::mem::replace(&mut self.writes[id].phase, phase);
        let action = self.writes[id].action();
        match before {
            WritePhase::Blocked => drop(self.write_queues.blocked.remove(&id)),
            WritePhase::Due(from) => {
                self.write_queues.later.remove(&(from, id));
                if let Some(due) = self.write_queues.due.get_mut(&action) {
                    due.remove(&id);
                }
            }
            WritePhase::Polling => drop(self.write_queues.polling.remove(&id)),
            WritePhase::Over => self.write_queues.over -= 1,
            WritePhase::InFlight => {}
        }
        self.file_write(id, phase);
    }

    fn file_write(&mut self, id: WriteId, phase: WritePhase) {
        match phase {
            WritePhase::Blocked => drop(self.write_queues.blocked.insert(id)),
            WritePhase::Due(from) => drop(self.write_queues.later.insert((from, id))),
            WritePhase::Polling => drop(self.write_queues.polling.insert(id)),
            WritePhase::Over => self.write_queues.over += 1,
            WritePhase::InFlight => {}
        }
    }

    pub(super) fn writes_are_over(&self) -> bool {
        self.write_queues.over == self.writes.len()
    }

    /// Puts writes whose time has come among those that may go out. Returns when the next one's time comes.
    pub(super) fn writes_become_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((from, id)) = self.write_queues.later.first().copied() {
            if from > now {
                return Some(from);
            }
            self.write_queues.later.pop_first();
            let action = self.writes[id].action();
            self.write_queues.due.entry(action).or_default().insert(id);
        }
        None
    }

    /// A wait is new or has changed.
    pub(super) fn file_wait(&mut self, id: &InstanceId) {
        let Some(wait) = self.waits.get(id) else { return };
        let queues = &mut self.wait_queues;
        let misnamed = !wait.is_over() && wait.name == NameState::Wrong;
        let look = (wait.due, id.clone());
        match wait.wants_poll() {
            true => drop(queues.polled.insert(look)),
            false => drop(queues.polled.remove(&look)),
        }
        for (set, belongs) in [
            (&mut queues.misnamed, misnamed && wait.running),
            (&mut queues.misnamed_early, misnamed && !wait.running),
            (&mut queues.open, !wait.is_over()),
            (&mut queues.coming, !wait.is_over() && !wait.running),
        ] {
            match (belongs, set.contains(id)) {
                (true, false) => drop(set.insert(id.clone())),
                (false, true) => drop(set.remove(id)),
                _ => {}
            }
        }
    }

    /// An instance is asked about again at this time.
    pub(super) fn set_due(&mut self, id: &InstanceId, at: Timestamp) {
        let Some(wait) = self.waits.get_mut(id) else { return };
        let before = std::mem::replace(&mut wait.due, at);
        if self.wait_queues.polled.remove(&(before, id.clone())) {
            self.wait_queues.polled.insert((at, id.clone()));
        }
    }

    pub(super) fn add_to_waits(&mut self, id: &InstanceId, wait: Wait) {
        let address = wait.address.clone();
        self.waits.insert(id.clone(), wait);
        self.file_wait(id);
        self.groups.touch_member(&address);
    }

    pub(super) fn waits_are_over(&self) -> bool {
        self.wait_queues.open.is_empty()
    }

    /// Whether everything that is waited for runs, or was given up.
    pub(super) fn nothing_is_coming(&self) -> bool {
        self.wait_queues.coming.is_empty()
    }

    /// Ids that are waited for and neither over nor given up.
    pub(super) fn open_waits(&self) -> Vec<InstanceId> {
        self.wait_queues.open.iter().cloned().collect()
    }
}

/// Who holds an id. The state has it the other way round.
#[derive(Default)]
pub(super) struct Holders(HashMap<InstanceId, Address>);

impl Holders {
    pub(super) fn of(state: &crate::state::PriorState) -> Self {
        Self(state.instances.iter().map(|(address, one)| (one.instance_id.clone(), address.clone())).collect())
    }

    /// Takes note of who stands at an address now.
    pub(super) fn note(&mut self, state: &crate::state::PriorState, address: &Address) {
        if let Some(recorded) = state.instances.get(address) {
            self.0.insert(recorded.instance_id.clone(), address.clone());
        }
    }

    /// The address where an id stands. What was noted may have left since.
    pub(super) fn get<'a>(&'a self, state: &crate::state::PriorState, id: &InstanceId) -> Option<&'a Address> {
        let address = self.0.get(id)?;
        state.instances.get(address).filter(|recorded| recorded.instance_id == *id).map(|_| address)
    }
}

/// What the sets have to agree with: a walk over everything, after each input of each simulated run.
#[cfg(test)]
impl Machine {
    pub(super) fn assert_queues_agree(&self) {
        use super::alter::Alteration;
        let purchases = |wanted: fn(&Phase) -> bool| -> BTreeSet<PurchaseId> {
            (0..self.purchases.len()).filter(|id| wanted(&self.purchases[*id].phase)).collect()
        };
        assert_eq!(self.queues.ready, purchases(|phase| matches!(phase, Phase::Ready(_))));
        assert_eq!(self.queues.looking, purchases(|phase| matches!(phase, Phase::Looking(_))));
        assert_eq!(self.queues.queued, purchases(|phase| matches!(phase, Phase::Queued { .. })));
        assert_eq!(self.queues.answered, purchases(|phase| *phase == Phase::Answered));
        let all = |wanted: &dyn Fn(&super::Purchase) -> bool| self.purchases.iter().all(wanted);
        assert_eq!(self.purchases_are_left(), all(&|purchase| purchase.is_over(self.stopping)));
        assert_eq!(self.purchases_are_over(), all(&|purchase| purchase.is_over(false)));

        let writes = |wanted: &dyn Fn(&Write) -> bool| -> BTreeSet<WriteId> {
            (0..self.writes.len()).filter(|id| wanted(&self.writes[*id])).collect()
        };
        let due: BTreeSet<WriteId> = self.write_queues.due.values().flatten().copied().collect();
        let later: BTreeSet<WriteId> = self.write_queues.later.iter().map(|(_, id)| *id).collect();
        assert!(due.is_disjoint(&later));
        assert_eq!(&due | &later, writes(&|write| matches!(write.phase, WritePhase::Due(_))));
        assert!(
            self.write_queues.due.iter().all(|(action, ids)| ids.iter().all(|id| self.writes[*id].action() == *action))
        );
        assert_eq!(self.write_queues.blocked, writes(&|write| write.phase == WritePhase::Blocked));
        assert_eq!(self.write_queues.polling, writes(&|write| write.phase == WritePhase::Polling));
        assert_eq!(self.writes_are_over(), self.writes.iter().all(Write::is_over));

        let waits = |wanted: &dyn Fn(&Wait) -> bool| -> BTreeSet<InstanceId> {
            self.waits.iter().filter(|(_, wait)| wanted(wait)).map(|(id, _)| id.clone()).collect()
        };
        let is_misnamed = |wait: &Wait| !wait.is_over() && wait.name == NameState::Wrong;
        let polled = |(due, id): &(Timestamp, InstanceId)| self.waits[id].due == *due;
        assert!(self.wait_queues.polled.iter().all(polled));
        let polled: BTreeSet<InstanceId> = self.wait_queues.all_polled().cloned().collect();
        assert_eq!(polled.len(), self.wait_queues.polled.len());
        assert_eq!(polled, waits(&Wait::wants_poll));
        assert_eq!(self.wait_queues.misnamed, waits(&|wait| is_misnamed(wait) && wait.running));
        assert_eq!(self.wait_queues.misnamed_early, waits(&|wait| is_misnamed(wait) && !wait.running));
        assert_eq!(self.wait_queues.open, waits(&|wait| !wait.is_over()));
        assert_eq!(self.wait_queues.coming, waits(&|wait| !wait.is_over() && !wait.running));

        assert_eq!(self.alterations_are_over(), self.alterations.iter().all(Alteration::is_over));
        for (address, recorded) in &self.state.instances {
            assert_eq!(self.holders.get(&self.state, &recorded.instance_id), Some(address));
        }
        if self.started {
            self.assert_progress_is_shown();
        }
    }
}
