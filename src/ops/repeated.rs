//! A command that was interrupted and is given again: orders that the manifest does not contain (`--replace`, `renew`) are
//! recognised as its own, completed, and not given twice.

use super::apply::{ApplyReport, Run};
use super::context::Context;
use super::error::OpsError;
use crate::desired::DesiredState;
use crate::event::Event;
use crate::model::{Address, InstanceId};
use crate::observe::state::ObservedState;
use crate::plan::renewal::months_for;
use crate::plan::{Action, Plan};
use crate::state::{Ordered, PriorState, StateError, UnfinishedOrder};
use std::collections::{BTreeMap, BTreeSet};

/// Instances that an interrupted command was to replace, by address.
pub(super) fn replaced_by_interrupted(
    context: &Context,
    desired: &DesiredState,
    state: &PriorState,
) -> Result<BTreeMap<Address, InstanceId>, StateError> {
    if !desired.instances.values().any(|wanted| wanted.replace_now) {
        return Ok(BTreeMap::new());
    }
    let orders = context.store.unfinished(&state.lineage, context.clock.now())?;
    let replacement = |order: UnfinishedOrder| match order.ordered {
        Ordered::Replace { instance_id } => Some((order.address, instance_id)),
        Ordered::Renew { .. } => None,
    };
    Ok(orders.into_iter().filter_map(replacement).collect())
}

/// The manifest without `--replace` where an interrupted command has replaced the instance already, and these addresses in
/// words. None if there are none.
pub(super) fn without_finished_replacements(
    context: &Context,
    desired: &DesiredState,
    state: &PriorState,
) -> Result<Option<DesiredState>, StateError> {
    let before = replaced_by_interrupted(context, desired, state)?;
    let finished = |address: &Address| {
        let there = state.instances.get(address).map(|recorded| &recorded.instance_id);
        before.get(address).is_some_and(|before| Some(before) != there)
    };
    if !desired.instances.iter().any(|(address, wanted)| wanted.replace_now && finished(address)) {
        return Ok(None);
    }
    let mut calmed = desired.clone();
    for (address, wanted) in
        calmed.instances.iter_mut().filter(|(address, wanted)| wanted.replace_now && finished(address))
    {
        wanted.replace_now = false;
        note_replaced(context, address, &before[address], state);
    }
    Ok(Some(calmed))
}

/// Says that a replacement is not repeated, and how to order another.
pub(super) fn note_replaced(context: &Context, address: &Address, before: &InstanceId, state: &PriorState) {
    let text = match state.instances.get(address) {
        Some(recorded) => format!(
            "{address}: an interrupted command replaced {before} by {} already. It is completed and not repeated; \
             to replace {} too, run the command again after this one.",
            recorded.instance_id, recorded.instance_id
        ),
        None => format!("{address}: an interrupted command began to replace {before}; its successor is bought now."),
    };
    context.events.emit(Event::Note { text });
}

/// Renewals of an interrupted command that the service shows as done.
pub(super) fn finished_renewals(
    context: &Context,
    desired: &DesiredState,
    state: &PriorState,
    observed: &ObservedState,
    (addresses, months): (&BTreeSet<Address>, Option<u32>),
) -> Result<BTreeSet<Address>, StateError> {
    let mut finished = BTreeSet::new();
    for order in context.store.unfinished(&state.lineage, context.clock.now())? {
        let Ordered::Renew { instance_id, months: ordered, paid_until } = &order.ordered else { continue };
        let is_asked = addresses.contains(&order.address) && *ordered == months_for(desired, &order.address, months);
        let stands = state.instances.get(&order.address).is_some_and(|recorded| recorded.instance_id == *instance_id);
        let live = observed.instances.get(instance_id).and_then(|live| live.attributes.expired_time);
        let Some(until) = live.filter(|until| is_asked && stands && until > paid_until) else { continue };
        let text = format!(
            "{}: an interrupted command renewed {instance_id} already (paid until {until}). It is not repeated; \
             for more time, run the command again after this one.",
            order.address
        );
        context.events.emit(Event::Note { text });
        finished.insert(order.address);
    }
    Ok(finished)
}

/// Notes the renewals of a plan before the first of them is ordered.
pub(super) fn note_renewals(
    context: &Context,
    desired: &DesiredState,
    state: &PriorState,
    observed: &ObservedState,
    (plan, months): (&Plan, Option<u32>),
) -> Result<(), StateError> {
    let at = context.clock.now();
    let renewal = |change: &crate::plan::Change| {
        let instance_id = change.instance_id.clone().filter(|_| change.action == Action::Renew)?;
        let paid_until = observed.instances.get(&instance_id)?.attributes.expired_time?;
        let ordered = Ordered::Renew { instance_id, months: months_for(desired, &change.address, months), paid_until };
        Some(UnfinishedOrder { address: change.address.clone(), at, ordered })
    };
    let orders: Vec<UnfinishedOrder> = plan.changes.iter().filter_map(renewal).collect();
    context.store.add_unfinished(&state.lineage, at, &orders)
}

/// Forgets the renewals of a command that came to its end.
pub(super) fn end_renewals(
    context: &Context,
    report: &ApplyReport,
    addresses: &BTreeSet<Address>,
) -> Result<(), StateError> {
    if !report.is_done() {
        return Ok(());
    }
    let is_done =
        |order: &UnfinishedOrder| matches!(order.ordered, Ordered::Renew { .. }) && addresses.contains(&order.address);
    context.store.remove_unfinished(&report.state.lineage, context.clock.now(), is_done)
}

impl Run<'_> {
    /// Notes the replacements of a plan that only the command line asks for, before the first request for one.
    pub(super) fn note_replacements(&self, plan: &Plan, state: &PriorState) -> Result<(), OpsError> {
        let at = self.context.clock.now();
        let is_asked = |address: &Address| self.desired.instances.get(address).is_some_and(|wanted| wanted.replace_now);
        let replacements = plan.changes.iter().filter(|change| matches!(change.action, Action::Replace(_)));
        let orders: Vec<UnfinishedOrder> = replacements
            .filter(|change| is_asked(&change.address))
            .filter_map(|change| {
                let ordered = Ordered::Replace { instance_id: change.instance_id.clone()? };
                Some(UnfinishedOrder { address: change.address.clone(), at, ordered })
            })
            .collect();
        Ok(self.context.store.add_unfinished(&state.lineage, at, &orders)?)
    }

    /// Forgets the replacements of a command that came to its end.
    pub(super) fn end_replacements(&self, report: &ApplyReport) -> Result<(), StateError> {
        let is_asked = |address: &Address| self.desired.instances.get(address).is_some_and(|wanted| wanted.replace_now);
        if !report.is_done() || !self.desired.instances.values().any(|wanted| wanted.replace_now) {
            return Ok(());
        }
        let is_done =
            |order: &UnfinishedOrder| matches!(order.ordered, Ordered::Replace { .. }) && is_asked(&order.address);
        self.context.store.remove_unfinished(&report.state.lineage, self.context.clock.now(), is_done)
    }
}
