//! The actions of a saved plan, and how those of a fresh one differ from them.

use crate::model::money::PriceTolerance;
use crate::model::{Address, ClientToken, InstanceId};
use crate::plan::change::{Action, Change, Plan, Reason};
use crate::plan::remainder::Relation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a plan would do, as it is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Actions {
    /// In the order of the plan's changes.
    pub changes: Vec<SavedChange>,
    /// Its purchases.
    pub batches: Vec<SavedBatch>,
    /// Addresses of what an earlier run left open.
    #[serde(default)]
    pub open: BTreeSet<Address>,
}

/// One purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBatch {
    /// Its token, which stands for its whole request.
    pub token: ClientToken,
    /// For whom, and what stood there before.
    pub members: Vec<(Address, String)>,
}

/// One change: what decides whether it is the same, and what the plan document does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedChange {
    /// The address.
    pub address: Address,
    /// The word of the action.
    pub action: String,
    /// For a replacement: what comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The instance it happens to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// Where the state has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Address>,
    /// What stood there before, of what is found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<String>,
    /// Index of its purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// What differs: name, before, after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<(String, Value, Value)>,
    /// What forces a replacement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// What it costs now, and in what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<(String, String)>,
    /// Whether the service takes it back, with the code and the words of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<(bool, i64, String)>,
    /// Why.
    pub reason: Reason,
}

/// An address at which a fresh plan is another than the saved one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The address.
    pub address: Address,
    /// What differs, in words.
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.address, self.what)
    }
}

/// What comes first, of a replacement.
fn order_of(action: Action) -> Option<&'static str> {
    match action {
        Action::Replace(order) => Some(order.as_str()),
        _ => None,
    }
}

/// The action that a word and an order stand for.
pub(super) fn action(word: &str, order: Option<&str>) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.as_str() == word && order_of(*action) == order)
}

impl SavedChange {
    pub(crate) fn of(change: &Change) -> Self {
        Self {
            address: change.address.clone(),
            action: change.action.as_str().to_owned(),
            order: order_of(change.action).map(str::to_owned),
            instance_id: change.instance_id.clone(),
            moved_from: change.moved_from.clone(),
            predecessor: change.predecessor.as_ref().map(ToString::to_string),
            batch: change.batch,
            diffs: change
                .diffs
                .iter()
                .map(|diff| (diff.kind.name().to_owned(), diff.before.clone(), diff.after.clone()))
                .collect(),
            forced: change.forces_replace.iter().map(|forced| forced.kind.name().to_owned()).collect(),
            price: change.price.clone(),
            refund: change.refund.as_ref().map(|refund| (refund.is_returnable, refund.code, refund.message.clone())),
            reason: change.reason.clone(),
        }
    }

    fn is(&self, words: &[&str]) -> bool {
        words.contains(&self.action.as_str())
    }

    /// The action.
    pub(crate) fn action(&self) -> Option<Action> {
        action(&self.action, self.order.as_deref())
    }

    /// Whether this change, planned now, completes an approved one of the same address.
    pub(crate) fn completes(&self, approved: &SavedChange) -> bool {
        let (Some(now), Some(was)) = (self.action(), approved.action()) else { return false };
        let is_approved = |(name, _, after): &(String, Value, Value)| {
            approved.diffs.iter().any(|(other, _, wanted)| other == name && wanted == after)
        };
        let relation = Relation {
            same_instance: self.instance_id.is_some() && self.instance_id == approved.instance_id,
            values_approved: !self.diffs.is_empty() && self.diffs.iter().all(is_approved),
            is_deposed: matches!(self.reason, Reason::Deposed(_)),
        };
        now.completes(was, relation)
    }

    fn attributes(&self) -> String {
        let names: Vec<&str> = self.diffs.iter().map(|(name, ..)| name.as_str()).collect();
        names.join(", ")
    }

    /// The action with what it is done to.
    fn describe(&self) -> String {
        match &self.instance_id {
            Some(id) => format!("`{}` of {id}", self.action),
            None => format!("`{}`", self.action),
        }
    }
}

/// A change with the token of its purchase.
#[derive(Clone, Copy)]
struct Step<'a> {
    change: &'a SavedChange,
    token: Option<&'a ClientToken>,
}

impl Actions {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        let members = |batch: &crate::plan::Batch| {
            batch.members.iter().map(|member| (member.address.clone(), member.predecessor.to_string())).collect()
        };
        let purchases = plan.open.iter().flat_map(|open| &open.members);
        let orders = plan.orders.iter().flat_map(|order| &order.members);
        Self {
            changes: plan.changes.iter().map(SavedChange::of).collect(),
            batches: plan
                .batches
                .iter()
                .map(|batch| SavedBatch { token: batch.token.clone(), members: members(batch) })
                .collect(),
            open: purchases.chain(orders).cloned().collect(),
        }
    }

    fn by_address(&self) -> BTreeMap<&Address, Vec<Step<'_>>> {
        let mut found: BTreeMap<&Address, Vec<Step<'_>>> = BTreeMap::new();
        for change in &self.changes {
            let token = change.batch.and_then(|index| self.batches.get(index)).map(|batch| &batch.token);
            found.entry(&change.address).or_default().push(Step { change, token });
        }
        found
    }

    /// Where a fresh plan is not this one. What was open when this one was made may have been settled meanwhile.
    pub fn differences(&self, fresh: &Actions, tolerance: PriceTolerance) -> Vec<Difference> {
        let (saved, fresh) = (self.by_address(), fresh.by_address());
        let addresses: BTreeSet<&Address> = saved.keys().chain(fresh.keys()).copied().collect();
        let mut list = Vec::new();
        for address in addresses {
            let steps = |of: &BTreeMap<&Address, Vec<Step<'_>>>| of.get(address).map_or(0, Vec::len);
            if self.open.contains(address) && steps(&saved) == 0 {
                let settled = |step: &Step<'_>| step.change.is(&["no-op", "resume", "import", "move"]);
                let other = fresh.get(address).into_iter().flatten().find(|step| !settled(step));
                list.extend(other.map(|step| Difference {
                    address: address.clone(),
                    what: format!("an earlier run had left it open; now {} is to be done", step.change.describe()),
                }));
                continue;
            }
            let none = Vec::new();
            let (was, is) = (saved.get(address).unwrap_or(&none), fresh.get(address).unwrap_or(&none));
            let what = match was.len() == is.len() {
                true => was.iter().zip(is).find_map(|(was, is)| difference(*was, *is, tolerance)),
                false => Some(format!("planned was {}, now it is {}", describe(was), describe(is))),
            };
            list.extend(what.map(|what| Difference { address: address.clone(), what }));
        }
        list
    }

    /// What a fresh plan would do that this one, carried out in part already, does not contain.
    pub fn beyond(&self, fresh: &Actions, tolerance: PriceTolerance) -> Vec<Difference> {
        let saved = self.by_address();
        let mut list = Vec::new();
        for (address, steps) in fresh.by_address() {
            let approved = saved.get(address).map_or(&[][..], Vec::as_slice);
            for step in steps {
                if !approved.iter().any(|approved| is_rest_of(step, *approved, tolerance)) && !self.is_settled(step) {
                    let what =
                        format!("{} is to be done, and planned was {}", step.change.describe(), describe(approved));
                    list.push(Difference { address: address.clone(), what });
                }
            }
        }
        list
    }

    /// Whether nothing is done, or what was bought is waited for.
    fn is_settled(&self, step: Step<'_>) -> bool {
        step.change.is(&["no-op"])
            || self.open.contains(&step.change.address) && step.change.is(&["resume", "import", "move"])
    }
}

/// Whether a step is what is left of an approved one.
fn is_rest_of(step: Step<'_>, approved: Step<'_>, tolerance: PriceTolerance) -> bool {
    if difference(approved, step, tolerance).is_none() {
        return true;
    }
    is_within(step.change, approved.change, tolerance) && step.change.completes(approved.change)
}

/// Whether a price is at most what was approved and the tolerance.
fn is_within(now: &SavedChange, was: &SavedChange, tolerance: PriceTolerance) -> bool {
    match (&was.price, &now.price) {
        (Some((was, was_in)), Some((now, now_in))) => was_in == now_in && tolerance.admits(was, now),
        // What one of the two could not learn is no difference.
        _ => true,
    }
}

fn describe(steps: &[Step<'_>]) -> String {
    match steps {
        [] => "nothing".to_owned(),
        steps => steps.iter().map(|step| step.change.describe()).collect::<Vec<_>>().join(" and "),
    }
}

/// In what a step is not the saved one, in words.
fn difference(saved: Step<'_>, fresh: Step<'_>, tolerance: PriceTolerance) -> Option<String> {
    let (was, is) = (saved.change, fresh.change);
    if (&was.action, &was.order, &was.instance_id) != (&is.action, &is.order, &is.instance_id) {
        return Some(match was.describe() == is.describe() {
            true => format!("planned was {} in another order", was.describe()),
            false => format!("planned was {}, now it is {}: {}", was.describe(), is.describe(), is.reason),
        });
    }
    if saved.token != fresh.token {
        return Some(format!(
            "{} asks for something else, or for other members, or after another instance",
            is.describe()
        ));
    }
    if was.diffs != is.diffs || was.forced != is.forced {
        return Some(match was.attributes() == is.attributes() {
            true => format!("{} has other values of {}", is.describe(), is.attributes()),
            false => format!("{} is about {} now, and was about {}", is.describe(), is.attributes(), was.attributes()),
        });
    }
    if (&was.moved_from, &was.predecessor) != (&is.moved_from, &is.predecessor) {
        return Some(format!("{} stood elsewhere, or after another instance", is.describe()));
    }
    if let (Some((was, was_in)), Some((now, now_in)), false) = (&was.price, &is.price, is_within(is, was, tolerance)) {
        let what = is.describe();
        return Some(format!(
            "{what} costs {now} {now_in} now, and cost {was} {was_in} when it was planned; a rise of {tolerance} is admitted \
             (--price-tolerance)"
        ));
    }
    if let (Some((true, ..)), Some((false, code, _))) = (&was.refund, &is.refund) {
        return Some(format!("the service no longer takes {} back (code {code})", is.describe()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Replace;
    use crate::plan::AttributeDiff;
    use serde_json::json;

    const EXACT: PriceTolerance = PriceTolerance::NONE;

    fn change(name: &str, action: Action) -> Change {
        Change::new(&Address::single(name), action, Reason::New)
    }

    fn of(changes: Vec<Change>) -> Actions {
        Actions::of(&Plan { changes, ..Plan::default() })
    }

    fn renamed(to: &str) -> Change {
        let diffs = vec![AttributeDiff {
            kind: crate::plan::attribute::Kind::InstanceName,
            before: json!("a"),
            after: json!(to),
        }];
        Change { instance_id: Some("lhins-1".into()), diffs, ..change("db", Action::Update) }
    }

    fn words(list: &[Difference]) -> String {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_address_and_what_differs_there_are_named() {
        let saved = of(vec![
            change("cache", Action::NoOp),
            renamed("b"),
            Change { price: Some(("30.00".into(), "CNY".into())), ..change("edge", Action::Upgrade) },
            change("web", Action::Create),
        ]);
        assert_eq!(saved.differences(&saved, EXACT), []);
        let fresh = of(vec![
            change("cache", Action::Create),
            renamed("c"),
            Change { price: Some(("60.00".into(), "CNY".into())), ..change("edge", Action::Upgrade) },
        ]);
        insta::assert_snapshot!(words(&saved.differences(&fresh, EXACT)), @r"
        cache: planned was `no-op`, now it is `create`: is new
        db: `update` of lhins-1 has other values of instance_name
        edge: `upgrade` costs 60.00 CNY now, and cost 30.00 CNY when it was planned; a rise of 0 % is admitted (--price-tolerance)
        web: planned was `create`, now it is nothing
        ");
        // A price that could not be learned is no difference.
        let unpriced = of(vec![
            change("cache", Action::NoOp),
            renamed("b"),
            change("edge", Action::Upgrade),
            change("web", Action::Create),
        ]);
        assert_eq!(saved.differences(&unpriced, EXACT), []);
    }

    #[test]
    fn the_rest_of_a_plan_is_part_of_it_and_anything_else_is_not() {
        let id = |id: &str, change: Change| Change { instance_id: Some(id.into()), ..change };
        let saved = of(vec![
            change("cache", Action::Create),
            renamed("b"),
            id("lhins-2", change("web", Action::Replace(Replace::DestroyFirst))),
        ]);
        let rest = of(vec![
            id("lhins-9", change("cache", Action::Resume)),
            id("lhins-1", change("db", Action::NoOp)),
            change("web", Action::Create),
        ]);
        assert_eq!(saved.beyond(&rest, EXACT), []);
        assert_ne!(saved.differences(&rest, EXACT), []);
        for other in [
            Change {
                reason: Reason::Deposed("LAUNCH_FAILED".into()),
                ..id("lhins-9", change("cache", Action::Isolate))
            },
            renamed("c"),
            id("lhins-1", change("db", Action::Isolate)),
            id("lhins-1", change("db", Action::Reinstall)),
            change("edge", Action::Create),
        ] {
            let allowed = other.address.block == "cache";
            // A launch that failed is returned; nothing else that is new is.
            assert_eq!(saved.beyond(&of(vec![other.clone()]), EXACT).is_empty(), allowed, "{other:?}");
        }
    }

    #[test]
    fn what_was_open_may_be_settled_and_nothing_more() {
        let saved = Actions { open: [Address::single("db")].into(), ..of(vec![change("web", Action::Create)]) };
        let fresh = |action| of(vec![change("db", action), change("web", Action::Create)]);
        assert_eq!(saved.differences(&fresh(Action::Resume), EXACT), []);
        assert_eq!(saved.differences(&fresh(Action::NoOp), EXACT), []);
        assert_eq!(saved.differences(&fresh(Action::Create), EXACT).len(), 1);
        assert_eq!(saved.differences(&fresh(Action::Upgrade), EXACT).len(), 1);
    }

    #[test]
    fn a_lower_price_is_no_difference_and_a_higher_one_within_the_tolerance() {
        let priced = |price: &str, currency: &str| {
            let price = Some((price.to_owned(), currency.to_owned()));
            of(vec![Change { price, instance_id: Some("lhins-1".into()), ..change("db", Action::Upgrade) }])
        };
        let saved = priced("24.9999", "CNY");
        for (now, currency, tolerance, is_stale) in [
            ("24.9988", "CNY", "0", false),
            ("0", "CNY", "0", false),
            ("25", "CNY", "0", true),
            ("26.2498", "CNY", "5", false),
            ("26.2500", "CNY", "5%", true),
            ("10", "USD", "100", true),
        ] {
            let tolerance: PriceTolerance = tolerance.parse().unwrap();
            let fresh = priced(now, currency);
            assert_eq!(!saved.differences(&fresh, tolerance).is_empty(), is_stale, "{now} {currency}");
            assert_eq!(!saved.beyond(&fresh, tolerance).is_empty(), is_stale, "{now} {currency}");
        }
    }
}
