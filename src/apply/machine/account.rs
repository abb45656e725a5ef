//! The account of a run: what became of everything, on every path to its end.

use super::super::effect::{Effect, PurchaseId};
use super::Machine;
use super::purchase::Phase;
use crate::event::{Event, Item, ItemStatus};
use crate::model::{Address, InstanceId};
use crate::state::PriorState;
use crate::state::fold::OpenIntents;
use std::collections::BTreeSet;

/// How a machine ended.
pub struct Account {
    /// The state, every record applied.
    pub state: PriorState,
    /// What is still open.
    pub open: OpenIntents,
    /// Every item, by address.
    pub items: Vec<Item>,
    /// Failures that a later run may not meet: launches, what never reached the service, what was turned away for its rate.
    pub passing: BTreeSet<(Address, Option<InstanceId>)>,
    /// Whether a new plan would go on at once: a token named what is gone, or a batch brought fewer than asked.
    pub replan: bool,
    /// Whether the run was stopped: a signal, credentials, the disk.
    pub stopped: bool,
    /// Why nothing can be written down any more.
    pub fatal: Option<String>,
    /// A broken rule of the protocol: a defect of lhprov that ended the run.
    pub defect: Option<String>,
}

impl Account {
    /// Of a run in which nothing was to be done.
    pub fn of_nothing(state: PriorState, open: OpenIntents) -> Self {
        Self {
            state,
            open,
            items: Vec::new(),
            passing: BTreeSet::new(),
            replan: false,
            stopped: false,
            fatal: None,
            defect: None,
        }
    }
}

impl Machine {
    pub(super) fn set_item(
        &mut self,
        address: &Address,
        instance_id: Option<&InstanceId>,
        status: ItemStatus,
        detail: Option<String>,
        request_id: Option<String>,
    ) {
        // Not yet an instance and then one of its own: one item. A leftover of the address: another.
        let key = match instance_id {
            Some(id) if self.items.contains_key(&(address.clone(), Some(id.clone()))) => {
                (address.clone(), Some(id.clone()))
            }
            Some(id) => {
                if !status.is_departure() {
                    self.items.remove(&(address.clone(), None));
                    self.groups.touch_member(address);
                }
                (address.clone(), Some(id.clone()))
            }
            None => (address.clone(), None),
        };
        let public_addresses = instance_id.map(|id| self.public_addresses(id)).unwrap_or_default();
        let item = Item {
            address: address.clone(),
            status,
            instance_id: instance_id.cloned(),
            public_addresses,
            created: instance_id.is_some_and(|id| self.origins.is_created(id)),
            detail,
            request_id: request_id.or_else(|| instance_id.and_then(|id| self.origins.request_id(id))),
        };
        if self.items.get(&key) != Some(&item) {
            self.effects.push(Effect::Emit(Event::Item(item.clone())));
            self.items.insert(key, item);
            self.groups.touch_member(address);
        }
    }

    /// Bought, and who is who is not decided: the members, with the ids that are theirs together.
    pub(super) fn account_for_unmatched(&mut self, id: PurchaseId, state: &str) {
        let intent = &self.purchases[id].intent;
        let created = self.origins.was_asked(&intent.token);
        let answer = self.open.get(&intent.token).and_then(|entry| entry.answer.as_ref());
        let ids: Vec<&str> = answer.into_iter().flat_map(|answer| &answer.ids).map(InstanceId::as_str).collect();
        let why = format!("{state} ({}); the next apply decides which of them stands where", ids.join(", "));
        let request_id = answer.map(|answer| answer.request_id.clone()).filter(|request_id| !request_id.is_empty());
        for address in intent.members.iter().map(|member| member.address.clone()).collect::<Vec<_>>() {
            self.set_item(&address, None, ItemStatus::Pending, Some(why.clone()), request_id.clone());
            if let Some(item) = self.items.get_mut(&(address, None)) {
                item.created = created;
            }
        }
    }

    /// Whether what was done here makes room for more: an old instance whose successor runs, a new one that is to be off.
    fn leaves_work(&self) -> bool {
        let runs = |address: &Address| {
            let recorded = self.state.instances.get(address);
            recorded.is_some_and(|recorded| {
                !recorded.unconfirmed && matches!(recorded.attributes.state.as_str(), "RUNNING")
            })
        };
        let displaced = self.state.deposed.iter().filter(|left| left.is_displaced());
        displaced.into_iter().any(|left| !self.returned.contains(&left.instance_id) && runs(&left.address))
            || self.to_turn_off.iter().any(runs)
    }

    /// Ends the machine and gives the account.
    pub fn finish(mut self) -> Account {
        for id in 0..self.purchases.len() {
            if self.purchases[id].phase == Phase::Answered {
                self.account_for_unmatched(id, "bought");
            }
        }
        self.replan |= self.leaves_work();
        Account {
            state: self.state,
            open: self.open,
            items: self.items.into_values().collect(),
            passing: self.passing,
            replan: self.replan,
            stopped: self.stopping,
            fatal: self.fatal,
            defect: self.defect,
        }
    }
}
