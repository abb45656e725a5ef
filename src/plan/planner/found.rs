//! What is found again: instances that the state does not know and that were bought for what the manifest wants.

use super::{Inputs, Missing, Planner, alike};
use crate::cloud::types::TAG_BATCH;
use crate::model::{Address, InstanceId, Life, ObservedInstance, Ownership, Predecessor};
use crate::observe::ownership::{self, Finding};
use crate::plan::batch::{Batch, batch, cut};
use crate::plan::change::{Action, After, Change, Reason};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Planner<'a> {
    /// Takes what a look found for the batches that would be bought. What was found dead becomes the predecessor, which
    /// makes another batch, so this goes on until nothing more is found.
    pub(super) fn find_again(&mut self) {
        if self.inputs.observed.owned.is_empty() || self.missing.is_empty() {
            return;
        }
        let cuts = cut(self.inputs.desired);
        // What is missing of a cut first: what is found of it is all of it. Then what tags name, which may be a part: what was
        // bought when there were fewer to buy.
        loop {
            let whole: Vec<Batch> = cuts.iter().filter_map(|members| self.batch_of(members)).collect();
            if !self.take_found(whole) {
                let parts = self.batches_that_tags_name(&cuts);
                if !self.take_found(parts) {
                    return;
                }
            }
        }
    }

    /// Takes what is found of these batches; whether anything was.
    fn take_found(&mut self, mut batches: Vec<Batch>) -> bool {
        batches.retain(|batch| self.is_meant(batch));
        let mut any = false;
        // What one purchase brought is taken together, or the rest of it could not be told any more.
        for alike in alike(self.inputs.desired, &batches) {
            let found = ownership::find_alike(&alike, self.unclaimed());
            for mut matches in found.into_iter().filter_map(Finding::complete) {
                self.heed_successors(&mut matches);
                for (address, id) in matches {
                    any = true;
                    self.take(&address, id);
                }
            }
        }
        any
    }

    /// Batches of just the members that the tags of unclaimed instances name, where all of them are missing.
    fn batches_that_tags_name(&self, cuts: &[Vec<&'a Address>]) -> Vec<Batch> {
        let tags: BTreeSet<&str> = self
            .unclaimed()
            .filter_map(|instance| instance.attributes.tags.get(TAG_BATCH))
            .map(String::as_str)
            .collect();
        if tags.is_empty() || self.inputs.desired.ownership != Ownership::Tags {
            return Vec::new();
        }
        let cut_of: BTreeMap<&Address, usize> = cuts
            .iter()
            .enumerate()
            .flat_map(|(number, members)| members.iter().map(move |address| (*address, number)))
            .collect();
        let of_tag = |tag: &str| {
            let named: BTreeSet<Address> = ownership::members_in(tag)?.into_iter().collect();
            let cut = &cuts[*cut_of.get(named.first()?)?];
            let members: Vec<(&Address, &Predecessor)> = cut
                .iter()
                .filter(|address| named.contains(**address))
                .filter_map(|address| Some((*address, &self.missing.get(address)?.predecessor)))
                .collect();
            (members.len() == named.len()).then(|| batch(self.inputs.desired, &members))?
        };
        tags.into_iter().filter_map(of_tag).collect()
    }

    /// Of members that share a name it does not matter who is who, until one of their instances is dead: then the member that
    /// another purchase was made for is the one that lost it.
    fn heed_successors(&self, matches: &mut [(Address, InstanceId)]) {
        let Inputs { desired, observed, .. } = self.inputs;
        let is_dead = |id: &InstanceId| {
            let life = observed.instances.get(id).map(|instance| instance.attributes.life());
            matches!(life, Some(Life::Failed | Life::Isolated | Life::Ending))
        };
        if desired.ownership == Ownership::Name || !matches.iter().any(|(_, id)| is_dead(id)) {
            return;
        }
        let taken: BTreeSet<&InstanceId> = matches.iter().map(|(_, id)| id).collect();
        let succeeded: BTreeSet<Address> = self
            .unclaimed()
            .filter(|instance| !taken.contains(&instance.id))
            .filter_map(ownership::members_of)
            .flatten()
            .collect();
        let name = |address: &Address| desired.instances.get(address).map(|wanted| &wanted.spec.instance_name);
        for dead in 0..matches.len() {
            let (address, id) = &matches[dead];
            if !is_dead(id) || succeeded.contains(address) {
                continue;
            }
            let lost = |(other, id): &(Address, InstanceId)| {
                succeeded.contains(other) && !is_dead(id) && name(other) == name(address)
            };
            if let Some(living) = matches.iter().position(lost) {
                let dead_one = matches[dead].1.clone();
                matches[dead].1 = std::mem::replace(&mut matches[living].1, dead_one);
            }
        }
    }

    fn take(&mut self, address: &Address, id: InstanceId) {
        let Inputs { desired, observed, .. } = self.inputs;
        let Some((address, missing)) = self.missing.remove_entry(address) else { return };
        let live = &observed.instances[&id];
        self.claimed.insert(live.id.as_str());
        self.note_recovered(address, live);
        let life = live.attributes.life();
        match life {
            Life::Failed | Life::Isolated | Life::Ending => {
                let reason = match life {
                    Life::Failed => Reason::LaunchFailed(id.clone()),
                    _ => Reason::Removed(id.0.clone()),
                };
                self.missing.insert(address, Missing { predecessor: Predecessor::Instance(id), reason });
            }
            Life::Pending | Life::Running | Life::Other => {
                let instance = &desired.instances[address];
                if desired.ownership == Ownership::Name {
                    self.adopted.push(address.clone());
                }
                self.changes.push(Change {
                    instance_id: Some(id.clone()),
                    source: Some(instance.span),
                    predecessor: Some(missing.predecessor),
                    after: Some(After::of(instance)),
                    ..Change::new(address, Action::Import, Reason::FoundAgain(id))
                });
            }
        }
    }

    /// From here on what was never listed is missing, where the user consents to take it for gone. Not before: what is
    /// found again does not depend on that, and the consent is for what was asked without it.
    pub(super) fn miss_what_was_given_up(&mut self) {
        let prior = self.inputs.prior;
        if self.given_up.is_empty() {
            return;
        }
        for address in std::mem::take(&mut self.given_up) {
            let id = prior.instances[address].instance_id.clone();
            self.missing
                .insert(address, Missing { predecessor: Predecessor::Instance(id.clone()), reason: Reason::Gone(id) });
        }
        self.find_again();
    }

    pub(super) fn unclaimed(&self) -> impl Iterator<Item = &'a ObservedInstance> {
        self.found.iter().copied().filter(|instance| !self.claimed.contains(instance.id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::types::TAG_STACK;
    use crate::desired::DesiredState;
    use crate::plan::request::batch_tag;
    use crate::plan::tests::{Case, of_text};
    use crate::plan::{Options, Planned};

    /// This many members that share a name, as one block.
    fn fleet(count: usize) -> DesiredState {
        let keys = "{ instance_name: web, bundle_id: small, blueprint_id: linux, charge: { period: 1 }";
        of_text(&format!(
            "version: 1\nstack: shop\nregion: ap-guangzhou\ninstances:\n  web: {keys}, count: {count} }}\n"
        ))
    }

    fn web(index: u32) -> Address {
        Address::indexed("web", index)
    }

    /// Nothing in the state and nothing in the cloud.
    fn empty(desired: &DesiredState) -> Case {
        let mut case = Case::of(desired);
        case.prior.instances.clear();
        case.observed.instances.clear();
        case
    }

    /// Puts into the cloud what a purchase for these members, after these predecessors, brought.
    fn bought(case: &mut Case, desired: &DesiredState, members: &[(u32, &Predecessor)], ids: &[&str]) {
        let addresses: Vec<Address> = members.iter().map(|(index, _)| web(*index)).collect();
        let missing: Vec<(&Address, &Predecessor)> =
            addresses.iter().zip(members.iter().map(|(_, before)| *before)).collect();
        let purchase = batch(desired, &missing).expect("it has members");
        let live = Case::of(&fleet(1)).observed.instances.into_values().next().expect("one stands");
        for id in ids {
            let mut live = live.clone();
            live.id = (*id).into();
            live.attributes.tags.insert(TAG_STACK.into(), desired.stack.as_str().into());
            live.attributes.tags.insert(TAG_BATCH.into(), batch_tag(&purchase.token, &addresses));
            case.observed.owned.push(live.id.clone());
            case.observed.instances.insert(live.id.clone(), live);
        }
    }

    fn isolate(case: &mut Case, id: &str) {
        case.observed.instances.get_mut(&id.into()).expect("it stands").attributes.state = "SHUTDOWN".into();
    }

    /// What happens where, sorted; and what stops.
    fn told(planned: &Planned) -> Vec<String> {
        let changes = planned.plan.changes.iter().filter(|change| change.action != Action::NoOp).map(|change| {
            let id = change.instance_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
            format!("{} {}{id}", change.action.as_str(), change.address)
        });
        changes.chain(planned.blocked.iter().map(|blocked| format!("stops: {}", blocked.what))).collect()
    }

    #[test]
    fn what_was_bought_when_there_were_fewer_is_found_by_its_tags() {
        let desired = fleet(5);
        let mut case = empty(&desired);
        bought(
            &mut case,
            &desired,
            &[(0, Predecessor::NOTHING), (1, Predecessor::NOTHING), (2, Predecessor::NOTHING)],
            &["lhins-a", "lhins-b", "lhins-c"],
        );
        bought(&mut case, &desired, &[(3, Predecessor::NOTHING)], &["lhins-d"]);
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!(
            told(&planned),
            [
                "import web[0] lhins-a",
                "import web[1] lhins-b",
                "import web[2] lhins-c",
                "import web[3] lhins-d",
                "create web[4]"
            ]
        );
    }

    /// Only a confirmed record or a predecessor is history.
    #[test]
    fn what_is_found_without_history_is_unconfirmed() {
        let desired = fleet(1);
        let unconfirmed = |case: &Case| {
            let planned = case.planned_with(&desired, Options::default());
            let change = planned.plan.changes.into_iter().find(|change| change.action == Action::Import);
            change.expect("it is found").unconfirmed.map(|evidence| evidence.to_string())
        };
        let tag = Some("tag lhprov-stack=shop".to_owned());
        let mut lost = empty(&desired);
        bought(&mut lost, &desired, &[(0, Predecessor::NOTHING)], &["lhins-a"]);
        assert_eq!(unconfirmed(&lost), tag);
        let earlier = Predecessor::Instance("lhins-0".into());
        let mut known = empty(&desired);
        known.prior.predecessors.insert(web(0), earlier.clone());
        bought(&mut known, &desired, &[(0, &earlier)], &["lhins-a"]);
        assert_eq!(unconfirmed(&known), None);
        // The record of another repository's instance explains nothing.
        for (mark, expected) in [(false, None), (true, tag)] {
            let mut replaced = Case::of(&desired);
            let before = replaced.prior.instances[&web(0)].instance_id.clone();
            replaced.prior.instances.get_mut(&web(0)).expect("it is recorded").unconfirmed = mark;
            replaced.observed.instances.clear();
            bought(&mut replaced, &desired, &[(0, &Predecessor::Instance(before))], &["lhins-a"]);
            assert_eq!(unconfirmed(&replaced), expected);
        }
    }

    /// A destroy looks for what the state lacks, and needs confirmation for that alone.
    #[test]
    fn a_destroy_finds_untracked_instances() {
        let desired = fleet(3);
        let mut case = Case::of(&desired);
        case.prior.instances.remove(&web(2));
        bought(
            &mut case,
            &desired,
            &[(0, Predecessor::NOTHING), (1, Predecessor::NOTHING), (2, Predecessor::NOTHING)],
            &["lhins-z"],
        );
        let nothing = DesiredState { instances: BTreeMap::new(), ..desired.clone() };
        let open = crate::state::OpenIntents::new();
        let inputs = Inputs { manifest: &desired, ..case.inputs(&nothing, &open) };
        let options = Options { destroy: true, ..Options::default() };
        let planned = crate::plan::plan(inputs, options);
        assert_eq!(crate::plan::check::check(inputs, &planned), Vec::<String>::new());
        let (changes, needs) = (&planned.plan.changes, &planned.plan.needs);
        assert!(changes.iter().all(|change| change.reason == Reason::DestroyRequested), "{changes:?}");
        assert_eq!(changes.iter().filter(|change| change.unconfirmed.is_some()).count(), 1);
        assert_eq!(changes[2].instance_id.as_ref().map(InstanceId::as_str), Some("lhins-z"));
        let flags: Vec<&str> = needs.iter().map(|need| need.flag).collect();
        assert_eq!(flags, ["--adopt"]);
    }

    /// Seed 40596: the names no longer tell which of two was returned, and the successor's tags do.
    #[test]
    fn a_successor_tells_which_of_two_was_lost() {
        let desired = fleet(2);
        let mut case = empty(&desired);
        bought(&mut case, &desired, &[(0, Predecessor::NOTHING), (1, Predecessor::NOTHING)], &["lhins-a", "lhins-b"]);
        bought(&mut case, &desired, &[(0, &Predecessor::Instance("lhins-b".into()))], &["lhins-c"]);
        isolate(&mut case, "lhins-b");
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!(told(&planned), ["import web[0] lhins-c", "import web[1] lhins-a"]);
    }

    /// Seed 49712: what is found without the consent is found with it, too.
    #[test]
    fn the_consent_to_buy_what_was_never_listed_buys_nothing_else() {
        let desired = fleet(3);
        let mut case = Case::of(&desired);
        for index in [1, 2] {
            case.prior.instances.remove(&web(index));
        }
        case.prior.instances.get_mut(&web(0)).expect("it is recorded").seen = false;
        case.observed.instances.clear();
        bought(&mut case, &desired, &[(1, Predecessor::NOTHING), (2, Predecessor::NOTHING)], &["lhins-a", "lhins-b"]);
        let consent = Options { buy_anyway: true, ..Options::default() };
        let found = ["import web[1] lhins-a", "import web[2] lhins-b"];
        let before = told(&case.planned_with(&desired, Options::default()));
        assert_eq!(before[1..3], found);
        assert!(before[3].contains("has never been listed"), "{before:?}");
        let after = told(&case.planned_with(&desired, consent));
        assert_eq!(after[0], "create web[0]");
        assert_eq!(after[1..], found);
    }
}
