//! An independent look at a finished plan, after planning and before anything is done with it.
//!
//! It is written from the rules and not from the planner, and shares no code with it: tokens, counts and consents are worked out
//! again. What it finds is a defect of lhprov, and the plan is not used.

use super::batch::Batch;
use super::change::{Action, Change};
use super::planner::{Inputs, Planned};
use crate::desired::{DependencyRef, DesiredInstance};
use crate::model::digest::sha256_hex;
use crate::model::{Address, ClientToken, InstanceId, InstanceSpec, Life, Predecessor, Replace};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;

/// Most instances of one purchase (API model, CreateInstances.InstanceCount).
const MEMBERS_MAX: usize = 30;

/// What a plan breaks of the rules, a sentence each. None is as it should be.
pub fn check(inputs: Inputs<'_>, planned: &Planned) -> Vec<String> {
    let mut check =
        Check { inputs, planned, under_way: under_way(inputs), moved_to: moved_to(inputs), found: Vec::new() };
    check.each_address_once();
    check.each_instance_once();
    check.purchases();
    check.every_purchase_has_its_members();
    check.nothing_is_bought_beside_what_stands();
    check.nothing_protected_leaves();
    check.consents_are_listed();
    check.counts();
    check.changes_say_what_they_change();
    check.nothing_is_left_out_or_besides();
    check.found
}

struct Check<'a> {
    inputs: Inputs<'a>,
    planned: &'a Planned,
    /// Addresses of what an earlier run left open.
    under_way: BTreeSet<&'a Address>,
    /// Recorded addresses by the address to which the manifest moves them.
    moved_to: BTreeMap<Address, Vec<&'a Address>>,
    found: Vec<String>,
}

fn under_way(inputs: Inputs<'_>) -> BTreeSet<&Address> {
    let purchases = inputs.open.values().flat_map(|open| open.intent.members.iter().map(|member| &member.address));
    let orders = inputs.open.orders.values().flat_map(|open| open.order.targets.iter().map(|target| &target.address));
    purchases.chain(orders).collect()
}

fn moved_to(inputs: Inputs<'_>) -> BTreeMap<Address, Vec<&Address>> {
    let Inputs { desired, prior, .. } = inputs;
    let mut found: BTreeMap<Address, Vec<&Address>> = BTreeMap::new();
    if desired.moves.moved.is_empty() {
        return found;
    }
    for from in prior.instances.keys().chain(prior.predecessors.keys()) {
        if let Some((to, _)) = desired.moves.target(from) {
            found.entry(to).or_default().push(from);
        }
    }
    found
}

/// What happens to an instance that only stood at the address, or is forgotten.
fn is_departure(action: Action) -> bool {
    matches!(action, Action::Isolate | Action::Purge | Action::Forget)
}

/// Whether another instance comes to the address now.
fn is_purchase(action: Action) -> bool {
    matches!(action, Action::Create | Action::Replace(Replace::CreateFirst))
}

/// Whether an instance goes.
fn goes(action: Action) -> bool {
    matches!(action, Action::Isolate | Action::Purge | Action::Replace(_))
}

impl<'a> Check<'a> {
    fn say(&mut self, what: impl Into<String>) {
        self.found.push(what.into());
    }

    fn about(&mut self, address: &dyn Display, what: &str) {
        self.say(format!("{address}: {what}"));
    }

    fn changes(&self) -> &'a [Change] {
        &self.planned.plan.changes
    }

    fn each_address_once(&mut self) {
        let mut seen: HashSet<&Address> = HashSet::new();
        let mut last: Option<&Address> = None;
        for change in self.changes() {
            if last.is_some_and(|last| *last > change.address) {
                self.about(&change.address, "stands after a later address");
            }
            last = Some(&change.address);
            if !is_departure(change.action) && !seen.insert(&change.address) {
                self.about(&change.address, "has two changes that are not the end of something left over");
            }
        }
    }

    fn each_instance_once(&mut self) {
        let mut seen: HashMap<&InstanceId, &Address> = HashMap::new();
        for change in self.changes() {
            let Some(id) = &change.instance_id else {
                if !matches!(change.action, Action::Create) {
                    self.about(&change.address, &format!("`{}` names no instance", change.action.as_str()));
                }
                continue;
            };
            if change.action == Action::Create {
                self.about(&change.address, "a purchase names an instance that is there already");
            }
            if let Some(other) = seen.insert(id, &change.address) {
                self.say(format!("{id} is at {other} and at {} at once", change.address));
            }
        }
    }

    fn purchases(&mut self) {
        let mut tokens: BTreeSet<&str> = self.inputs.open.keys().map(ClientToken::as_str).collect();
        for (number, batch) in self.planned.plan.batches.iter().enumerate() {
            let name = format!("purchase {number}");
            if batch.members.is_empty() || batch.members.len() > MEMBERS_MAX {
                self.about(&name, &format!("has {} members", batch.members.len()));
            }
            if batch.members.windows(2).any(|pair| pair[0].address >= pair[1].address) {
                self.about(&name, "its members are not in order");
            }
            if !tokens.insert(batch.token.as_str()) {
                self.about(&name, "has the token of another purchase");
            }
            if batch.token.as_str() != self.token(batch) {
                self.about(&name, "its token is not that of its members, predecessors and request");
            }
            self.request(&name, batch);
            for member in &batch.members {
                match self.inputs.desired.instances.get(&member.address) {
                    None => self.about(&member.address, "is bought and not wanted"),
                    Some(wanted) => self.member(&member.address, wanted, batch, (&member.name, member.protect)),
                }
                self.predecessor(&member.address, &member.predecessor);
            }
        }
    }

    /// The token, worked out from what is documented of it.
    fn token(&self, batch: &Batch) -> String {
        let desired = self.inputs.desired;
        let mut fields = vec![
            "lhprov client token v1".to_owned(),
            desired.stack.as_str().to_owned(),
            desired.region.clone(),
            desired.ownership.as_str().to_owned(),
            batch.members.len().to_string(),
        ];
        for member in &batch.members {
            fields.extend([member.address.to_string(), member.predecessor.to_string()]);
        }
        // Keys of a JSON value are sorted as they are.
        fields.push(batch.body.to_string());
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field.as_bytes());
        }
        sha256_hex(&bytes)
    }

    /// The request asks for what the first member is to be, and for as many as there are members.
    fn request(&mut self, name: &str, batch: &Batch) {
        let (body, spec) = (&batch.body, &batch.spec);
        let zones: Vec<&str> =
            body["Zones"].as_array().into_iter().flatten().filter_map(|zone| zone.as_str()).collect();
        let same = [
            ("InstanceCount", body["InstanceCount"] == batch.members.len()),
            ("BundleId", body["BundleId"] == spec.bundle_id.as_str()),
            ("BlueprintId", body["BlueprintId"] == spec.blueprint_id.as_str()),
            ("InstanceName", body["InstanceName"] == spec.instance_name.as_str()),
            ("Period", body["InstanceChargePrepaid"]["Period"] == spec.charge.period),
            ("RenewFlag", body["InstanceChargePrepaid"]["RenewFlag"] == spec.charge.renew_flag.as_str()),
            ("Zones", zones == spec.zones),
            ("ClientToken", body["ClientToken"].is_null()),
        ];
        for (field, _) in same.into_iter().filter(|(_, same)| !same) {
            self.about(&name, &format!("its request has another {field} than its members"));
        }
        if let Some(password) = spec.password()
            && body.to_string().contains(password.expose())
        {
            self.about(&name, "its request shows a password");
        }
    }

    fn member(&mut self, address: &Address, wanted: &DesiredInstance, batch: &Batch, (name, protect): (&str, bool)) {
        let mut spec = InstanceSpec::clone(&wanted.spec);
        spec.instance_name.clone_from(&batch.spec.instance_name);
        if spec != *batch.spec {
            self.about(address, "is bought as something else than the manifest wants");
        }
        if name != wanted.spec.instance_name || protect != wanted.protect {
            self.about(address, "is bought under another name or protection than the manifest's");
        }
        if wanted.depends_on != batch.depends_on {
            self.about(address, "is bought with those that depend on something else");
        }
        let itself = |reference: &DependencyRef| match reference {
            DependencyRef::Block(block) => batch.members.iter().any(|member| member.address.block == *block),
            DependencyRef::Instance(other) => batch.members.iter().any(|member| member.address == *other),
        };
        if batch.depends_on.iter().any(itself) {
            self.about(address, "is bought together with what it depends on");
        }
    }

    /// Addresses at which the state has what the manifest has at this one.
    fn recorded_at(&self, address: &Address) -> Vec<&'a Address> {
        let prior = self.inputs.prior;
        let mut found: Vec<&Address> = prior.instances.get_key_value(address).map(|(key, _)| key).into_iter().collect();
        found.extend(prior.predecessors.get_key_value(address).map(|(key, _)| key));
        found.extend(self.moved_to.get(address).into_iter().flatten());
        found
    }

    /// Nothing but an id that the service gave, or the token of a purchase that came short, stands before a purchase.
    fn predecessor(&mut self, address: &Address, predecessor: &Predecessor) {
        let Inputs { prior, observed, .. } = self.inputs;
        let places = self.recorded_at(address);
        let recorded = places.iter().any(|at| {
            prior.instances.get(*at).is_some_and(|recorded| Some(&recorded.instance_id) == predecessor.instance())
                || prior.predecessors.get(*at).is_some_and(|before| before == predecessor)
        });
        let dead = |life| matches!(life, Life::Failed | Life::Isolated | Life::Ending);
        let live = predecessor.instance().and_then(|id| observed.instances.get(id));
        let found = live.map(|live| live.attributes.life());
        if predecessor.is_none() {
            if !places.is_empty() {
                self.about(address, "something stood there before, and its purchase does not name it");
            }
        } else if !recorded && !found.is_some_and(dead) {
            self.about(address, &format!("its purchase names {predecessor}, which never stood there"));
        }
    }

    fn every_purchase_has_its_members(&mut self) {
        let batches = &self.planned.plan.batches;
        let mut bought: BTreeMap<&Address, usize> = BTreeMap::new();
        for (number, batch) in batches.iter().enumerate() {
            for member in &batch.members {
                if bought.insert(&member.address, number).is_some() {
                    self.about(&member.address, "is bought twice");
                }
            }
        }
        for change in self.changes() {
            match (is_purchase(change.action), change.batch) {
                (true, Some(number)) if bought.get(&change.address) == Some(&number) => {
                    bought.remove(&change.address);
                }
                (true, Some(_)) => self.about(&change.address, "is not a member of its purchase"),
                (true, None) => self.about(&change.address, "is to be bought, and no purchase brings it"),
                (false, Some(_)) => self.about(&change.address, "has a purchase, and is not to be bought"),
                (false, None) => {}
            }
        }
        for address in bought.into_keys() {
            self.about(address, "is bought without being said");
        }
    }

    /// Where an instance lives or may yet appear, no other is bought, but to replace it.
    fn nothing_is_bought_beside_what_stands(&mut self) {
        let Inputs { prior, observed, .. } = self.inputs;
        for change in self.changes() {
            if self.under_way.contains(&change.address) && !is_departure(change.action) {
                self.about(&change.address, "an earlier run left it open, and it is changed before that is settled");
            }
            if let Action::Replace(_) = change.action {
                let batch = change.batch.and_then(|number| self.planned.plan.batches.get(number));
                let member =
                    batch.and_then(|batch| batch.members.iter().find(|member| member.address == change.address));
                if member.is_some_and(|member| member.predecessor.instance() != change.instance_id.as_ref()) {
                    self.about(&change.address, "its successor does not name the instance that it replaces");
                }
            }
            if change.action != Action::Create {
                continue;
            }
            for at in self.recorded_at(&change.address) {
                let Some(recorded) = prior.instances.get(at) else { continue };
                let lives = match observed.instances.get(&recorded.instance_id) {
                    // The first half of a replacement is done.
                    Some(live) if recorded.replacing => {
                        !matches!(live.attributes.life(), Life::Failed | Life::Isolated | Life::Ending)
                    }
                    Some(live) => live.attributes.life() != Life::Failed,
                    None => !observed.asked,
                };
                if lives {
                    self.about(
                        &change.address,
                        &format!("another is bought although {} stands there", recorded.instance_id),
                    );
                }
            }
        }
    }

    fn nothing_protected_leaves(&mut self) {
        if !self.planned.blocked.is_empty() {
            return;
        }
        let Inputs { desired, prior, .. } = self.inputs;
        let kept: BTreeSet<&InstanceId> = prior
            .instances
            .values()
            // Of what `state rebuild` found without a block, the confirmation that the plan asks for releases it.
            .filter(|recorded| recorded.protect && !(recorded.unconfirmed && recorded.spec.is_null()))
            .map(|recorded| &recorded.instance_id)
            .collect();
        for change in self.changes().iter().filter(|change| goes(change.action) || change.action == Action::Reinstall) {
            let wanted = desired.instances.get(&change.address);
            let in_manifest = wanted.is_some_and(|wanted| wanted.protect);
            let in_state = change.instance_id.as_ref().is_some_and(|id| kept.contains(id));
            let protected = match change.action {
                // What is left over stands at no address.
                Action::Isolate | Action::Purge => in_state,
                _ => in_manifest || in_state,
            };
            if protected {
                self.about(&change.address, &format!("is protected, and `{}` is planned", change.action.as_str()));
            }
        }
    }

    fn consents_are_listed(&mut self) {
        let Inputs { prior, observed, .. } = self.inputs;
        let loses = |change: &&Change| matches!(change.action, Action::Reinstall | Action::Replace(_) | Action::Purge);
        let lost = self.changes().iter().filter(loses).count();
        let kept: BTreeSet<&InstanceId> =
            prior.deposed.iter().filter(|left| left.is_kept()).map(|left| &left.instance_id).collect();
        let young = |id: &InstanceId| {
            let life = observed.instances.get(id).map(|live| live.attributes.life());
            matches!(life, Some(Life::Pending | Life::Failed))
        };
        let given_up = |change: &&Change| {
            let refused = change.refund.as_ref().is_some_and(|refund| !refund.is_returnable && refund.code != 1);
            goes(change.action)
                && refused
                && change.instance_id.as_ref().is_none_or(|id| !kept.contains(id) && !young(id))
        };
        let given_up = self.changes().iter().filter(given_up).count();
        let unconfirmed = self.unconfirmed_instances();
        let touched: BTreeSet<&InstanceId> = self
            .changes()
            .iter()
            .filter(|change| {
                goes(change.action)
                    || matches!(
                        change.action,
                        Action::Update
                            | Action::Start
                            | Action::Stop
                            | Action::Upgrade
                            | Action::Reinstall
                            | Action::Renew
                    )
            })
            .filter_map(|change| change.instance_id.as_ref())
            .filter(|id| unconfirmed.contains(id))
            .collect();
        let touched = touched.len();
        for (flag, number) in [("--allow-data-loss", lost), ("--accept-no-refund", given_up), ("--adopt", touched)] {
            let listed: Vec<&str> = self
                .planned
                .plan
                .needs
                .iter()
                .filter(|need| need.flag == flag)
                .map(|need| need.what.as_str())
                .collect();
            let says = |text: &str| text.split(' ').any(|word| word == number.to_string());
            match (number, listed.as_slice()) {
                (0, []) => {}
                (0, _) => self.say(format!("{flag} is asked for, and nothing needs it")),
                (_, [one]) if says(one) => {}
                _ => self.say(format!("{flag} is needed {number} times, and the plan says {listed:?}")),
            }
        }
    }

    /// Instances that are marked in the state; and those that a plan recovers or ends although neither a confirmed record nor
    /// a predecessor explains them.
    fn unconfirmed_instances(&self) -> HashSet<&'a InstanceId> {
        let Inputs { prior, .. } = self.inputs;
        let marked = prior.instances.values().filter(|recorded| recorded.unconfirmed);
        let known: HashSet<&InstanceId> = prior
            .instances
            .values()
            .map(|recorded| &recorded.instance_id)
            .chain(prior.deposed.iter().map(|deposed| &deposed.instance_id))
            .collect();
        let has_history = |address: &Address| {
            let places = self.recorded_at(address);
            places.iter().any(|at| match prior.instances.get(*at) {
                Some(recorded) => !recorded.unconfirmed,
                None => prior.predecessors.contains_key(*at),
            })
        };
        let untracked = self.changes().iter().filter(|change| {
            let id = change.instance_id.as_ref();
            id.is_some_and(|id| !known.contains(id))
                && match change.action {
                    Action::Import => !has_history(&change.address),
                    // A destroy takes along what is recorded nowhere, whatever stands at the address of its tags.
                    action => goes(action) && (self.planned.plan.destroy.is_some() || !has_history(&change.address)),
                }
        });
        marked
            .map(|recorded| &recorded.instance_id)
            .chain(untracked.filter_map(|change| change.instance_id.as_ref()))
            .collect()
    }

    fn counts(&mut self) {
        let mut actions: BTreeMap<Action, usize> = BTreeMap::new();
        for change in self.changes() {
            *actions.entry(change.action).or_default() += 1;
        }
        let of = |word: &str| -> usize {
            actions.iter().filter(|(action, _)| action.as_str() == word).map(|(_, count)| count).sum()
        };
        let moved = self.changes().iter().filter(|change| change.moved_from.is_some()).count();
        let said = self.planned.plan.summary();
        let pairs = [
            ("create", said.create, of("create")),
            ("update", said.update, of("update")),
            ("start", said.start, of("start")),
            ("stop", said.stop, of("stop")),
            ("upgrade", said.upgrade, of("upgrade")),
            ("reinstall", said.reinstall, of("reinstall")),
            ("replace", said.replace, of("replace")),
            ("renew", said.renew, of("renew")),
            ("import", said.import, of("import")),
            ("resume", said.resume, of("resume")),
            ("isolate", said.isolate, of("isolate")),
            ("purge", said.purge, of("purge")),
            ("forget", said.forget, of("forget")),
            ("no-op", said.no_op, of("no-op")),
            ("move", said.moved, moved),
            ("to add", said.to_add(), of("create") + of("replace")),
            ("to destroy", said.to_destroy(), of("isolate") + of("purge") + of("replace")),
        ];
        for (word, said, there) in pairs.into_iter().filter(|(_, said, there)| said != there) {
            self.say(format!("the summary says {said} {word}, and there are {there}"));
        }
        let purchases: usize = self.planned.plan.batches.iter().map(|batch| batch.members.len()).sum();
        let to_buy = self.changes().iter().filter(|change| is_purchase(change.action)).count();
        if purchases != to_buy {
            self.say(format!("{to_buy} instances are to be bought, and the purchases ask for {purchases}"));
        }
    }

    fn changes_say_what_they_change(&mut self) {
        for change in self.changes() {
            let in_place = matches!(
                change.action,
                Action::Update | Action::Start | Action::Stop | Action::Upgrade | Action::Reinstall
            );
            if in_place && change.diffs.is_empty() {
                self.about(&change.address, &format!("`{}` changes nothing", change.action.as_str()));
            }
            if change.action == Action::NoOp && !change.diffs.is_empty() {
                self.about(&change.address, "differs, and nothing is done about it");
            }
            if in_place && change.diffs.iter().any(|diff| diff.before == diff.after) {
                self.about(&change.address, "an attribute changes to what it is");
            }
        }
    }

    /// What is wanted and what is recorded is spoken of, and what the run leaves out is not touched.
    fn nothing_is_left_out_or_besides(&mut self) {
        let Inputs { desired, prior, selection, .. } = self.inputs;
        let selected = |address: &Address| selection.is_none_or(|selection| selection.addresses.contains(address));
        for change in self.changes() {
            // What one purchase brought is taken together.
            if !selected(&change.address) && change.action != Action::Import {
                self.about(&change.address, "is left out by --only or --skip, and has a change");
            }
        }
        if self.planned.diagnostics.has_errors() {
            return;
        }
        let spoken_of: HashSet<&Address> = self.changes().iter().map(|change| &change.address).collect();
        let moved: BTreeSet<&Address> = self.changes().iter().filter_map(|change| change.moved_from.as_ref()).collect();
        let is_spoken_of = |address: &Address| {
            spoken_of.contains(address) || moved.contains(address) || self.under_way.contains(address)
        };
        let known = desired.instances.keys().chain(prior.instances.keys());
        let passed_over: BTreeSet<&Address> =
            known.filter(|address| !is_spoken_of(address) && selected(address)).collect();
        for address in passed_over {
            self.about(address, "is wanted or recorded, and the plan says nothing of it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::DesiredState;
    use crate::model::Lineage;
    use crate::observe::catalogue::Returnable;
    use crate::plan::change::{ALLOW_DATA_LOSS, AttributeDiff, DestroyScope, Need, Reason};
    use crate::plan::tests::{Case, of_text};
    use crate::plan::{Options, plan};
    use crate::state::{Binding, OpenIntents, PriorState};
    use serde_json::json;
    use std::sync::Arc;

    const APPLIED: &str = "version: 1
stack: s
region: ap-guangzhou
defaults: { bundle_id: small, blueprint_id: linux, charge: { period: 1 } }
instances:
  db: { login: { password: \"${env:A}\" } }
  gone: {}
  kept: { protect: true }
  named: { instance_name: old }
  old: { bundle_id: large }
";

    const WANTED: &str = "version: 1
stack: s
region: ap-guangzhou
defaults: { bundle_id: small, blueprint_id: linux, charge: { period: 1 } }
instances:
  db: { login: { password: \"${env:A}\" }, zones: [ap-guangzhou-6] }
  gone: {}
  kept: { protect: true }
  named: { instance_name: new }
  web: { count: 3, depends_on: [db] }
";

    /// A replacement, a purchase of what is gone, one of three, a change in place, a return, and something untouched.
    fn sound() -> (Case, DesiredState, Planned) {
        let mut case = Case::of(&of_text(APPLIED));
        let gone = case.prior.instances[&Address::single("gone")].instance_id.clone();
        case.observed.instances.remove(&gone);
        let desired = of_text(WANTED);
        let planned = case.planned_with(&desired, Options::default());
        assert!(!planned.diagnostics.has_errors(), "{:?}", planned.diagnostics);
        (case, desired, planned)
    }

    /// What is said of a plan that was damaged in one way.
    fn said(damage: impl FnOnce(&mut Planned)) -> String {
        let (case, desired, mut planned) = sound();
        damage(&mut planned);
        let open = OpenIntents::new();
        check(case.inputs(&desired, &open), &planned).join("; ")
    }

    fn change<'a>(planned: &'a mut Planned, name: &str) -> &'a mut Change {
        planned.plan.changes.iter_mut().find(|change| change.address.to_string() == name).expect("it is there")
    }

    fn batch<'a>(planned: &'a mut Planned, name: &str) -> &'a mut Batch {
        let is_of = |batch: &&mut Batch| batch.members.iter().any(|member| member.address.to_string() == name);
        planned.plan.batches.iter_mut().find(is_of).expect("it is there")
    }

    #[test]
    fn each_damage_is_found() {
        type Damage = fn(&mut Planned);
        let damages: &[(&str, Damage)] = &[
            ("an address twice", |p| {
                let again = Change { instance_id: Some("lhins-77".into()), ..change(p, "kept").clone() };
                let at = p.plan.changes.iter().position(|change| change.address.block == "kept").unwrap();
                p.plan.changes.insert(at, again);
            }),
            ("out of order", |p| p.plan.changes.swap(0, 1)),
            ("an instance twice", |p| {
                let id = change(p, "kept").instance_id.clone();
                change(p, "named").instance_id = id;
            }),
            ("nothing to change", |p| change(p, "named").instance_id = None),
            ("a purchase of what is there", |p| change(p, "web[0]").instance_id = Some("lhins-77".into())),
            ("too many members", |p| {
                let batch = batch(p, "web[0]");
                let member = batch.members[0].clone();
                batch.members = (0..31)
                    .map(|n| crate::state::Member { address: Address::indexed("web", n), ..member.clone() })
                    .collect();
            }),
            ("no members", |p| batch(p, "gone").members.clear()),
            ("members out of order", |p| batch(p, "web[0]").members.reverse()),
            ("one token for two", |p| batch(p, "gone").token = batch(p, "web[0]").token.clone()),
            ("another token", |p| batch(p, "gone").token = "0".repeat(64).into()),
            ("another predecessor", |p| {
                batch(p, "gone").members[0].predecessor = Predecessor::Instance("lhins-1x".into());
            }),
            ("no predecessor", |p| batch(p, "gone").members[0].predecessor = Predecessor::None),
            ("another request", |p| batch(p, "gone").body["BundleId"] = json!("large")),
            ("another number", |p| batch(p, "web[0]").body["InstanceCount"] = json!(4)),
            ("a password in the request", |p| {
                batch(p, "db").body["LoginConfiguration"]["Password"] = json!("Pass-word-A-1");
            }),
            ("a spec that nobody wants", |p| Arc::make_mut(&mut batch(p, "gone").spec).charge.period = 12),
            ("another name", |p| batch(p, "web[0]").members[1].name = "other".into()),
            ("protection lost", |p| batch(p, "gone").members[0].protect = true),
            ("dependencies lost", |p| batch(p, "web[0]").depends_on = [].into()),
            ("together with what it needs", |p| {
                batch(p, "web[0]").depends_on = [DependencyRef::Block("web".into())].into();
            }),
            ("bought and not wanted", |p| batch(p, "gone").members[0].address = Address::single("gonf")),
            ("a purchase without its batch", |p| change(p, "web[1]").batch = None),
            ("a member of another batch", |p| change(p, "web[1]").batch = change(p, "gone").batch),
            ("bought without a word", |p| p.plan.changes.retain(|change| change.address.to_string() != "web[2]")),
            ("a batch of what is not bought", |p| change(p, "kept").batch = Some(0)),
            ("bought beside what stands", |p| {
                let at = change(p, "kept");
                (at.action, at.instance_id) = (Action::Create, None);
            }),
            ("a successor of somebody else", |p| change(p, "db").instance_id = Some("lhins-77".into())),
            ("protected and returned", |p| change(p, "kept").action = Action::Isolate),
            ("protected and wiped", |p| change(p, "kept").action = Action::Reinstall),
            ("data loss unsaid", |p| p.plan.needs.clear()),
            ("data loss said too small", |p| change(p, "old").action = Action::Purge),
            ("consent for nothing", |p| {
                change(p, "db").action = Action::Create;
                p.plan.needs.push(Need { flag: ALLOW_DATA_LOSS, what: "the data is lost of 1 instance".into() });
            }),
            ("no refund unsaid", |p| {
                change(p, "old").refund = Some(Returnable { is_returnable: false, code: 3, message: String::new() });
            }),
            ("a change of nothing", |p| change(p, "named").diffs.clear()),
            ("a difference that is left", |p| {
                let diff = AttributeDiff {
                    kind: crate::plan::attribute::Kind::Tags,
                    before: json!({}),
                    after: json!({"a": "b"}),
                };
                change(p, "kept").diffs.push(diff);
            }),
            ("a change to what is", |p| {
                let diff = &mut change(p, "named").diffs[0];
                diff.after = diff.before.clone();
            }),
            ("an address forgotten", |p| p.plan.changes.retain(|change| change.address.block != "kept")),
        ];
        let mut all = Vec::new();
        for (name, damage) in damages {
            let said = said(*damage);
            assert!(!said.is_empty(), "{name} is not found");
            // One damage breaks several rules; the first ones tell enough.
            let first: Vec<&str> = said.split("; ").take(2).collect();
            all.push(format!("{name}: {}", first.join("; ")));
        }
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn an_untracked_instance_that_goes_without_confirmation_is_found() {
        let said = said(|p| {
            p.plan.destroy = Some(DestroyScope { is_limited: false, left_out: 0 });
            change(p, "old").instance_id = Some("lhins-77".into());
        });
        assert!(said.contains("--adopt is needed 1 times"), "{said}");
    }

    #[test]
    fn a_sound_plan_has_nothing_to_be_said_of() {
        let (_, _, planned) = sound();
        let words: Vec<String> = planned
            .plan
            .changes
            .iter()
            .map(|change| format!("{} {}", change.address, change.action.as_str()))
            .collect();
        let expected = "db replace, gone create, kept no-op, named update, old isolate, web[0] create, web[1] create, web[2] create";
        assert_eq!(words.join(", "), expected);
        assert_eq!(said(|_| {}), "");
    }

    /// A batch as large as it can be, and one more instance.
    #[test]
    fn thirty_one_are_two_purchases() {
        let desired = of_text(&WANTED.replace("count: 3", "count: 31"));
        let binding = Binding {
            stack: desired.stack.clone(),
            site: desired.site,
            region: desired.region.clone(),
            endpoint: "sandbox".into(),
            account: None,
        };
        let case = Case { prior: PriorState::new(Lineage("l".into()), binding), observed: Default::default() };
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!(planned.plan.batches.iter().map(|batch| batch.members.len()).max(), Some(30));
    }

    #[test]
    fn what_is_under_way_or_left_out_is_not_touched() {
        let (case, desired, planned) = sound();
        let open = OpenIntents::new();
        let selection = crate::plan::Selection {
            addresses: [Address::single("db"), Address::single("gone")].into(),
            ..crate::plan::Selection::default()
        };
        let limited = Inputs { selection: Some(&selection), ..case.inputs(&desired, &open) };
        let found = check(limited, &planned);
        assert!(
            found.iter().any(|what| what == "web[0]: is left out by --only or --skip, and has a change"),
            "{found:?}"
        );
        let planned = plan(limited, Options::default());
        assert_eq!(check(limited, &planned), Vec::<String>::new());
        assert!(planned.plan.changes.iter().all(|change| change.reason != Reason::NotInManifest));
    }
}
