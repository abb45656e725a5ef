//! What leaves: what the manifest no longer has, and what was left over.

use super::{Planner, Standing};
use crate::diag::Diagnostic;
use crate::model::address::compact;
use crate::model::{Address, InstanceId, Life};
use crate::plan::change::{ADOPT, Action, Blocked, BlockedKind, Change, Reason, count};
use crate::plan::planner::Inputs;
use crate::state::RecordedInstance;
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    /// What an instance that leaves goes through.
    pub(super) fn way_out(&self) -> Action {
        if self.options.purge { Action::Purge } else { Action::Isolate }
    }

    /// Why an instance leaves that the plan does not want.
    pub(super) fn removal_reason(&self) -> Reason {
        if self.options.destroy { Reason::DestroyRequested } else { Reason::NotInManifest }
    }

    /// `state rebuild` protects what the manifest does not have until the manifest has it or the user confirms it.
    fn block_held(&mut self, held: &[&Address]) {
        if held.is_empty() {
            return;
        }
        let addresses = compact(held.iter().copied());
        let has = if held.len() == 1 { "has" } else { "have" };
        self.blocked.push(Blocked {
            kind: BlockedKind::Protected,
            what: format!(
                "{addresses} {has} no block in the manifest; `state rebuild` recorded and protected {} there",
                count(held.len(), "instance")
            ),
            help: vec![
                "`lhprov import --all` writes the blocks into the manifest".to_owned(),
                format!("if this stack owns them and they are to go, say so with {ADOPT}"),
            ],
        });
    }

    fn block_protected(&mut self, address: &Address, recorded: &RecordedInstance, action: Action) {
        let id = &recorded.instance_id;
        let done = if action == Action::Purge { "purged" } else { "isolated" };
        let help = if self.options.destroy && self.inputs.manifest.instances.contains_key(address) {
            vec![format!("set `protect: false` for `{address}` and apply, or leave it out with --skip '{address}'")]
        } else if self.options.destroy {
            vec![format!(
                "put `{address}` into the manifest with `protect: false` and apply, or leave it out with --skip '{address}'"
            )]
        } else {
            vec![format!(
                "put `{address}` back into the manifest; to let it go, apply once with `protect: false`, then remove it"
            )]
        };
        let what = format!("`{address}` ({id}) is protected and would be {done}");
        self.blocked.push(Blocked { kind: BlockedKind::Protected, what, help });
    }

    pub(super) fn leaves(&self, address: &Address, id: &InstanceId, action: Action, reason: Reason) -> Change {
        let refund = match action.is_removal() {
            true => self.inputs.observed.catalogue.returnable.get(id).cloned(),
            false => None,
        };
        Change { instance_id: Some(id.clone()), refund, ..Change::new(address, action, reason) }
    }

    pub(super) fn remove_what_is_not_desired(&mut self) {
        let Inputs { desired, prior, .. } = self.inputs;
        let mut held = Vec::new();
        for (address, recorded) in &prior.instances {
            if desired.instances.contains_key(address) || self.under_way.contains(address) || !self.is_selected(address)
            {
                continue;
            }
            let (action, reason) = match self.standing(recorded) {
                _ if desired.moves.forgets(address).is_some() => (Action::Forget, Reason::LetGo),
                Standing::Gone => (Action::Forget, Reason::NothingLeft("is gone from the cloud already".into())),
                Standing::Live(live) if live.attributes.life() == Life::Isolated && self.options.purge => {
                    (Action::Purge, Reason::ReturnedAlready)
                }
                Standing::Live(live) if matches!(live.attributes.life(), Life::Isolated | Life::Ending) => {
                    (Action::Forget, Reason::NothingLeft(format!("is {} already", live.attributes.state)))
                }
                Standing::Live(_) | Standing::NotYetListed | Standing::NeverListed | Standing::Unasked => {
                    (self.way_out(), self.removal_reason())
                }
            };
            self.leaving += usize::from(action.is_removal() && !self.options.destroy);
            match action.is_removal() && recorded.protect {
                true if recorded.is_held_by_rebuild() && self.options.adopt => {}
                true if recorded.is_held_by_rebuild() => held.push(address),
                true => self.block_protected(address, recorded, action),
                false => {}
            }
            let change = self.leaves(address, &recorded.instance_id, action, reason);
            self.changes.push(change);
        }
        self.block_held(&held);
    }

    pub(super) fn return_what_is_left_over(&mut self) {
        let Inputs { prior, observed, .. } = self.inputs;
        let failed = self.missing.iter().filter_map(|(address, missing)| match &missing.reason {
            Reason::LaunchFailed(id) => Some(((*address).clone(), id.clone(), "its launch failed".to_owned())),
            _ => None,
        });
        let deposed = prior.deposed.iter().map(|d| (d.address.clone(), d.instance_id.clone(), d.reason.to_string()));
        let kept: BTreeSet<&InstanceId> =
            prior.deposed.iter().filter(|deposed| deposed.is_kept()).map(|deposed| &deposed.instance_id).collect();
        let displaced: BTreeSet<&InstanceId> =
            prior.deposed.iter().filter(|deposed| deposed.is_displaced()).map(|deposed| &deposed.instance_id).collect();
        let left: BTreeMap<InstanceId, (Address, String)> =
            failed.chain(deposed).map(|(address, id, why)| (id, (address, why))).collect();
        for (id, (address, why)) in left {
            if !self.is_selected(&address) {
                continue;
            }
            let live = observed.instances.get(&id).map(|live| live.attributes.life());
            let (action, reason) = match live {
                None if observed.asked => {
                    (Action::Forget, Reason::NothingLeft("is gone from the cloud already".into()))
                }
                Some(Life::Isolated) if self.options.purge => (Action::Purge, Reason::ReturnedAlready),
                Some(Life::Isolated | Life::Ending) => {
                    (Action::Forget, Reason::NothingLeft("is returned already".into()))
                }
                _ if kept.contains(&id) => {
                    let text = format!("{id} is left over from `{address}`: {why}");
                    self.diagnostics.push(Diagnostic::warning("left-over", text));
                    continue;
                }
                // Never none: the old one goes when the new one runs, and not before.
                _ if displaced.contains(&id) && !self.successor_runs(&address) => {
                    let text = format!("{id} was replaced at `{address}` and is kept until its successor runs");
                    self.diagnostics.push(Diagnostic::warning("left-over", text));
                    continue;
                }
                _ => (self.way_out(), Reason::Deposed(why)),
            };
            let change = self.leaves(&address, &id, action, reason);
            self.changes.push(change);
        }
    }

    /// Whether the instance at an address runs, or none is wanted there.
    fn successor_runs(&self, address: &Address) -> bool {
        let Inputs { desired, prior, .. } = self.inputs;
        if !desired.instances.contains_key(address) {
            return true;
        }
        let Some(recorded) = prior.instances.get(address) else { return false };
        match self.standing(recorded) {
            Standing::Live(live) => matches!(live.attributes.life(), Life::Running | Life::Other),
            _ => false,
        }
    }
}
