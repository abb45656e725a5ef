//! Unconfirmed instances: recovered by ownership tags or by name while the state has no history of them. Another repository
//! with the same stack name may own them, so a plan marks them, and nothing is done to them without confirmation.

use super::{Inputs, Planner};
use crate::cloud::types::TAG_STACK;
use crate::desired::DesiredState;
use crate::model::address::compact;
use crate::model::{Address, InstanceId, ObservedInstance, Ownership};
use crate::plan::change::{ADOPT, Action, Change, Evidence, Need, count};
use std::collections::{BTreeMap, BTreeSet};

/// The evidence that an instance of this name is the stack's.
fn evidence(desired: &DesiredState, name: &str) -> Evidence {
    match desired.ownership {
        Ownership::Tags => Evidence::Tag(format!("{TAG_STACK}={}", desired.stack)),
        Ownership::Name => Evidence::Name(name.to_owned()),
    }
}

/// The unconfirmed instances of the state.
pub(super) fn recorded(inputs: Inputs<'_>) -> BTreeMap<InstanceId, Evidence> {
    let Inputs { desired, prior, observed, .. } = inputs;
    let marked = prior.instances.values().filter(|recorded| recorded.unconfirmed);
    let shown = marked.map(|recorded| {
        let live = observed.instances.get(&recorded.instance_id).map(|live| &live.attributes);
        let name = &live.unwrap_or(&recorded.attributes).instance_name;
        (recorded.instance_id.clone(), evidence(desired, name))
    });
    shown.collect()
}

/// Evidence of an unconfirmed instance that a renewal acts on.
pub(in crate::plan) fn evidence_of(inputs: Inputs<'_>, address: &Address) -> Option<Evidence> {
    let Inputs { desired, prior, .. } = inputs;
    let recorded = prior.instances.get(address).filter(|recorded| recorded.unconfirmed)?;
    Some(evidence(desired, &recorded.attributes.instance_name))
}

/// The confirmation that a plan needs.
pub(in crate::plan) fn confirmation(changes: &[Change]) -> Option<Need> {
    let touched: Vec<&Change> =
        changes.iter().filter(|change| change.unconfirmed.is_some() && change.action.acts_on_instance()).collect();
    let number = touched.iter().filter_map(|change| change.instance_id.as_ref()).collect::<BTreeSet<_>>().len();
    let addresses: BTreeSet<&Address> = touched.iter().map(|change| &change.address).collect();
    let says = match (touched.first()?.unconfirmed.as_ref()?, number) {
        (Evidence::Tag(tag), _) => format!("tag {tag} says"),
        (Evidence::Name(_), 1) => "its name says".to_owned(),
        (Evidence::Name(_), _) => "their names say".to_owned(),
    };
    let them = if number == 1 { "it" } else { "them" };
    let what = format!(
        "{} ({}): only {says} that this stack owns {them}; another repository with this stack name may own {them}",
        count(number, "unconfirmed instance"),
        compact(addresses)
    );
    Some(Need { flag: ADOPT, what })
}

impl Planner<'_> {
    /// Notes an instance that was found for an address. A confirmed record or a predecessor explains it; anything else is
    /// evidence that another repository leaves as well.
    pub(super) fn note_recovered(&mut self, address: &Address, live: &ObservedInstance) {
        let prior = self.inputs.prior;
        let has_history = match prior.instances.get(address) {
            Some(recorded) => !recorded.unconfirmed,
            None => prior.predecessors.contains_key(address),
        };
        if !has_history {
            self.note_unconfirmed(live);
        }
    }

    pub(super) fn note_unconfirmed(&mut self, live: &ObservedInstance) {
        let shown = evidence(self.inputs.desired, &live.attributes.instance_name);
        self.unconfirmed.insert(live.id.clone(), shown);
    }

    /// Marks the changes of unconfirmed instances.
    pub(super) fn mark_unconfirmed(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let Inputs { desired, observed, .. } = self.inputs;
        let keeps_name = desired.ownership == Ownership::Tags && !self.options.adopt;
        for change in &mut self.changes {
            let Some(id) = &change.instance_id else { continue };
            change.unconfirmed = self.unconfirmed.get(id).cloned();
            let live = observed.instances.get(id).map(|live| live.attributes.instance_name.as_str());
            let wanted = desired.instances.get(&change.address).map(|wanted| wanted.spec.instance_name.as_str());
            if let (Some(live), Some(wanted), Some(_)) = (live, wanted, &change.unconfirmed)
                && change.action == Action::Import
                && keeps_name
                && live != wanted
            {
                change.notes.push(format!("keeps its name `{live}` until it is confirmed"));
            }
        }
    }
}
