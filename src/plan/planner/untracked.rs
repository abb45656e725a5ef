//! Untracked instances at the end of a stack: what a lost or an old state does not record is looked for in the cloud, as
//! before a purchase. Without this a `destroy` would report success while instances run and cost money.

use super::{Planner, bears_one_of};
use crate::model::{Address, Life, ObservedInstance, Ownership};
use crate::observe::ownership;
use crate::plan::change::{ADOPT, Blocked, BlockedKind, DestroyScope, count};
use crate::plan::placement::{self, by_names, by_tags};
use std::collections::BTreeSet;

impl<'a> Planner<'a> {
    /// Plans the destruction of untracked instances. Each needs confirmation; those that only a name makes candidates are
    /// named, and stop the plan until the user confirms them.
    pub(super) fn destroy_untracked(&mut self) {
        if !self.options.destroy || !self.inputs.observed.asked {
            return;
        }
        // Instances of a pending purchase are recovered with it, before a plan is carried out.
        let pending: BTreeSet<&str> = self.inputs.open.keys().map(crate::model::ClientToken::short).collect();
        let untracked: Vec<&'a ObservedInstance> = self
            .unclaimed()
            .filter(|live| !matches!(live.attributes.life(), Life::Isolated | Life::Ending))
            .filter(|live| !ownership::batch_of(live).is_some_and(|batch| pending.contains(batch)))
            .collect();
        if untracked.is_empty() {
            return;
        }
        match self.inputs.manifest.ownership {
            Ownership::Tags => self.destroy_tagged(&untracked),
            Ownership::Name => self.destroy_named(&untracked),
        }
    }

    fn destroy_tagged(&mut self, untracked: &[&'a ObservedInstance]) {
        let manifest = self.inputs.manifest;
        let placed = by_tags(manifest, untracked, &|address| self.is_free(address));
        for (address, live) in placed.found {
            if self.is_selected(&address) {
                self.destroy_one(&address, live);
            }
        }
        let mut undecided = Vec::new();
        for (live, _) in placed.unclear {
            let tag = live.attributes.tags.get(crate::cloud::types::TAG_BATCH).map_or("", String::as_str);
            let members = placement::members_of(manifest, tag).unwrap_or_default();
            match members.first() {
                // Its address only serves as a label.
                _ if self.inputs.selection.is_none() => {
                    let address = members.first().cloned().unwrap_or_else(|| label_of(live));
                    self.destroy_one(&address, live);
                }
                Some(_) if members.iter().any(|address| self.is_selected(address)) => undecided.push((live, members)),
                _ => {}
            }
        }
        for (live, members) in undecided {
            let may_be: Vec<String> = members.iter().map(|address| format!("`{address}`")).collect();
            self.unclear.insert(live.id.clone());
            self.blocked.push(Blocked {
                kind: BlockedKind::Untracked,
                what: format!(
                    "{} is untracked and may be {}: whether --only or --skip mean it cannot be determined",
                    shown(live),
                    may_be.join(" or ")
                ),
                help: vec![
                    format!("say which it is with `lhprov import ADDRESS {}`", live.id),
                    "or run it without --only and --skip".to_owned(),
                ],
            });
        }
    }

    fn destroy_named(&mut self, untracked: &[&'a ObservedInstance]) {
        let manifest = self.inputs.manifest;
        let wanted =
            manifest.instances.iter().filter(|(address, _)| self.is_free(address) && self.is_selected(address));
        let names: BTreeSet<&str> = wanted.map(|(_, wanted)| wanted.spec.instance_name.as_str()).collect();
        let candidates: Vec<&'a ObservedInstance> =
            untracked.iter().copied().filter(|live| bears_one_of(&names, &live.attributes.instance_name)).collect();
        let placed = by_names(manifest, &candidates, &|address| self.is_free(address) && self.is_selected(address));
        let mut left: Vec<&ObservedInstance> = candidates;
        if self.options.adopt {
            left.retain(|live| !placed.found.values().any(|found| found.id == live.id));
            for (address, live) in placed.found {
                self.destroy_one(&address, live);
            }
        }
        if left.is_empty() {
            return;
        }
        let list: Vec<String> = left.iter().map(|live| shown(live)).collect();
        self.unclear.extend(left.iter().map(|live| live.id.clone()));
        let mut help = vec![
            "if the state was lost, restore it, or make it again with `lhprov state rebuild`".to_owned(),
            "take one over with `lhprov import ADDRESS ID`; without tags nothing but its name says whose it is"
                .to_owned(),
        ];
        if !self.options.adopt {
            help.insert(0, format!("if they are this stack's own and are to go, say so with {ADOPT}"));
        }
        let what = format!(
            "the account has {} that {} names of stack `{}` and that the state does not record: {}",
            count(left.len(), "instance"),
            if left.len() == 1 { "bears one of the" } else { "bear" },
            manifest.stack,
            list.join(", ")
        );
        self.blocked.push(Blocked { kind: BlockedKind::Untracked, what, help });
    }

    fn destroy_one(&mut self, address: &Address, live: &'a ObservedInstance) {
        self.claimed.insert(live.id.as_str());
        self.note_unconfirmed(live);
        if self.inputs.manifest.instances.get(address).is_some_and(|wanted| wanted.protect) {
            self.blocked.push(Blocked {
                kind: BlockedKind::Protected,
                what: format!("`{address}` ({}) is protected by the manifest and would be destroyed", live.id),
                help: vec![format!(
                    "set `protect: false` for `{address}` and apply, or leave it out with --skip '{address}'"
                )],
            });
        }
        let change = self.leaves(address, &live.id, self.way_out(), self.removal_reason());
        self.changes.push(change);
    }

    /// Whether an address has no record and no pending purchase.
    fn is_free(&self, address: &Address) -> bool {
        !self.inputs.prior.instances.contains_key(address) && !self.under_way.contains(address)
    }

    pub(super) fn destroy_scope(&self) -> DestroyScope {
        let left_out = self.inputs.prior.instances.keys().filter(|address| !self.is_selected(address)).count();
        DestroyScope { is_limited: self.inputs.selection.is_some(), left_out }
    }
}

fn shown(live: &ObservedInstance) -> String {
    format!("{} (`{}`, {})", live.id, live.attributes.instance_name, live.attributes.state)
}

/// An address for an instance whose tags name none: only a label in the plan.
fn label_of(live: &ObservedInstance) -> Address {
    live.attributes.instance_name.parse().unwrap_or_else(|_| Address::single("untracked"))
}
