//! What `--only` and `--skip` leave out: nothing is done about it, and nothing is bought that needs it.

use super::{Missing, Planner, Standing};
use crate::desired::DependencyRef;
use crate::model::address::compact;
use crate::model::{Address, Life, Predecessor};
use crate::plan::batch::Batch;
use crate::plan::change::{Blocked, BlockedKind, Reason};
use std::collections::BTreeSet;

impl<'a> Planner<'a> {
    /// Whether something may be done at an address.
    pub(super) fn is_selected(&self, address: &Address) -> bool {
        self.inputs.selection.is_none_or(|selection| selection.addresses.contains(address))
    }

    /// Whether one of a purchase's members is selected.
    pub(super) fn is_meant(&self, batch: &Batch) -> bool {
        batch.members.iter().any(|member| self.is_selected(&member.address))
    }

    /// Whether what is left out has its instance still matters: batches are cut without regard to the selection, so what a
    /// selected instance was bought together with can be recognised.
    pub(super) fn miss_what_is_left_out(&mut self, address: &'a Address) {
        let Some(recorded) = self.inputs.prior.instances.get(address) else {
            self.missing.insert(address, self.never_recorded(address));
            return;
        };
        let id = &recorded.instance_id;
        let again = |reason| Missing { predecessor: Predecessor::Instance(id.clone()), reason };
        match self.standing(recorded) {
            // Nobody is asked about it here, so nobody has consented.
            Standing::Gone if !recorded.seen => drop(self.left_out.insert(address)),
            Standing::Gone => drop(self.missing.insert(address, again(Reason::Gone(id.clone())))),
            Standing::NotYetListed | Standing::NeverListed => drop(self.left_out.insert(address)),
            Standing::Unasked => {}
            Standing::Live(live) => match live.attributes.life() {
                Life::Failed => drop(self.missing.insert(address, again(Reason::LaunchFailed(id.clone())))),
                Life::Running | Life::Other => {}
                Life::Pending | Life::Isolated | Life::Ending => drop(self.left_out.insert(address)),
            },
        }
    }

    /// From here on what is left out is missed by nobody.
    pub(super) fn leave_out(&mut self) {
        let Some(selection) = self.inputs.selection else { return };
        let left: Vec<&'a Address> =
            self.missing.keys().copied().filter(|address| !selection.addresses.contains(*address)).collect();
        for address in left {
            self.missing.remove(address);
            self.left_out.insert(address);
        }
    }

    /// Nothing is bought before what it depends on runs, and what is left out does not come.
    pub(super) fn refuse_without_what_is_left_out(&mut self, batch: &Batch) {
        let is_needed = |address: &Address| {
            batch.depends_on.iter().any(|reference| match reference {
                DependencyRef::Block(block) => address.block == *block,
                DependencyRef::Instance(other) => address == other,
            })
        };
        let lacking: Vec<&Address> = self.left_out.iter().copied().filter(|address| is_needed(address)).collect();
        if lacking.is_empty() {
            return;
        }
        let (members, lacking) = (compact(batch.members.iter().map(|member| &member.address)), compact(lacking));
        self.blocked.push(Blocked {
            kind: BlockedKind::DependencyLeftOut,
            what: format!(
                "{members} would be bought and depends on {lacking}, which is left out and has no running instance"
            ),
            help: vec![format!("do not skip {lacking}, or skip {members} as well")],
        });
    }

    /// The words about a limited plan, and what it is limited to.
    pub(super) fn say_what_is_selected(&mut self) -> Option<BTreeSet<Address>> {
        let selection = self.inputs.selection?;
        for note in &selection.notes {
            self.diagnostics.push(note.clone());
        }
        self.blocked.extend(selection.blocked.iter().cloned());
        Some(selection.addresses.clone())
    }
}
