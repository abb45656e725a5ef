//! Limits and policies: how far a plan may go, whoever agrees to it. Every one that it breaks is told, each at its place.
//!
//! A limit on money that cannot be compared, since a price is not known, is broken: what nobody knows is not little.

use super::change::{Plan, Reason, count};
use super::planner::{Leaving, Planned};
use super::preflight::{Answers, Known, Quote, place, price_keys, what_is_unknown};
use crate::desired::{Allowed, DesiredInstance, DesiredState};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::model::address::compact;
use crate::model::money::Amount;
use crate::model::{Address, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The limits of the command line; none unless given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Most to pay in this run.
    pub max_spend: Option<Amount>,
    /// Most instances to destroy or replace in this run.
    pub max_destroy: Option<u64>,
    /// Whether the command line gave `max_destroy`. A limit of the environment tightens, and consents to nothing.
    pub max_destroy_by_flag: bool,
}

/// What plans of the same run brought about before, or may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Paid, by address.
    spent: BTreeMap<Address, Amount>,
    /// Destroyed or replaced.
    destroyed: BTreeSet<Address>,
}

impl Before {
    /// Takes in a plan that is about to be carried out.
    pub fn count(&mut self, plan: &Plan) {
        for (index, change) in plan.changes.iter().enumerate() {
            if let Some(price) = plan.checks.quote.as_ref().and_then(|quote| quote.changes.get(&index)) {
                let so_far = self.spent.entry(change.address.clone()).or_default();
                *so_far = *so_far + *price;
            }
            if change.action.is_removal() {
                self.destroyed.insert(change.address.clone());
            }
        }
    }

    /// Takes in what settling purchases of an earlier run may cost.
    ///
    /// # Errors
    /// When that is more than `most`, or not known.
    pub fn settle(&mut self, price: Known<Vec<(Address, Amount)>>, most: Amount) -> Result<(), Diagnostics> {
        let mut refused = Diagnostics::default();
        match price {
            Err(why) => refused.push(
                Diagnostic::error(
                    "limit",
                    "whether settling what an earlier run left open stays within --max-spend is not known",
                )
                .detail(format!("Not known: {why}."))
                .help("give the permission, or leave --max-spend out"),
            ),
            Ok(shares) => {
                self.spent.extend(shares);
                let total = self.spent();
                if total > most {
                    let what = format!(
                        "settling what an earlier run left open may cost {total}, and --max-spend allows {most}"
                    );
                    refused.push(
                        Diagnostic::error("limit", what)
                            .help("what is found to be bought costs nothing more; raise the limit to settle it"),
                    );
                }
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(refused) }
    }

    /// Leaves out what a new plan knows to have brought nothing: it is planned anew for want of an instance.
    pub fn forget_what_brought_nothing(&mut self, plan: &Plan) {
        for change in &plan.changes {
            if matches!(change.reason, Reason::Short | Reason::New) {
                self.spent.remove(&change.address);
            }
            if change.action.is_removal() {
                self.destroyed.remove(&change.address);
            }
        }
    }

    fn spent(&self) -> Amount {
        self.spent.values().fold(Amount::default(), |sum, amount| sum + *amount)
    }
}

/// What the limits are compared with beside the plan itself.
pub struct Measure<'a> {
    /// The limits of the command line.
    pub ceilings: Ceilings,
    /// What happened in this run already.
    pub before: &'a Before,
    /// The time, for a freeze that ends.
    pub now: Timestamp,
    /// Prices of the whole manifest, if they were asked.
    pub answers: &'a Answers,
}

/// Whether the manifest limits what the whole stack may cost a month, and the plan adds to it: then the whole is to be priced.
pub fn needs_the_whole(plan: &Plan, desired: &DesiredState) -> bool {
    desired.bounds.limits.max_per_month.is_some() && adds(plan)
}

fn adds(plan: &Plan) -> bool {
    let counts = plan.summary();
    counts.create + counts.replace + counts.upgrade + counts.reinstall > 0
}

/// Puts every violation into the plan's checks.
pub fn enforce(planned: &mut Planned, desired: &DesiredState, measure: &Measure<'_>) {
    let mut found = Diagnostics::default();
    policies(desired, &mut found);
    freeze(&planned.plan, desired, measure.now, &mut found);
    numbers(&planned.plan, desired, measure, &mut found);
    mass_removal(planned, desired, measure, &mut found);
    spend(&planned.plan, measure, &mut found);
    per_month(&planned.plan, desired, measure, &mut found);
    planned.plan.checks.violations = found;
}

fn frozen(desired: &DesiredState, now: Timestamp) -> Option<Diagnostic> {
    let freeze = desired.bounds.policy.freeze.as_ref().filter(|freeze| freeze.until.is_none_or(|until| now < until))?;
    let until = freeze.until.map(|until| format!(" until {until}")).unwrap_or_default();
    let problem = Diagnostic::error("frozen", format!("the stack is frozen{until}: {}", freeze.reason))
        .at(freeze.span)
        .label("nothing is bought, changed or returned");
    Some(match freeze.until {
        Some(_) => problem.help("wait until then, or take `freeze` out of the policy"),
        None => problem.help("take `freeze` out of the policy when it is over"),
    })
}

fn freeze(plan: &Plan, desired: &DesiredState, now: Timestamp, found: &mut Diagnostics) {
    let counts = plan.summary();
    let touches =
        counts.to_add() + counts.to_change() + counts.to_destroy() + counts.renew > 0 || !plan.open.is_empty();
    if let (true, Some(problem)) = (touches, frozen(desired, now)) {
        found.push(problem);
    }
}

/// What forbids to settle purchases of an earlier run, which may complete them: a freeze.
pub fn forbids_to_settle(desired: &DesiredState, now: Timestamp) -> Option<Diagnostics> {
    let mut found = Diagnostics::default();
    found.push(frozen(desired, now)?);
    Some(found)
}

fn numbers(plan: &Plan, desired: &DesiredState, measure: &Measure<'_>, found: &mut Diagnostics) {
    let limits = &desired.bounds.limits;
    let counts = plan.summary();
    let instances = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "instance");
    if let Some(most) = &limits.max_instances {
        let wanted = desired.instances.len() as u64;
        if counts.create > 0 && wanted > most.value {
            found.push(
                Diagnostic::error("limit", format!("the manifest wants {}", instances(wanted)))
                    .at(most.span)
                    .label(format!("`max_instances` allows {}", most.value))
                    .help("take some away, or raise the limit"),
            );
        }
    }
    let destroyed = counts.to_destroy() as u64 + measure.before.destroyed.len() as u64;
    let over = |most: u64| counts.to_destroy() > 0 && destroyed > most;
    let summary = || format!("this plan destroys or replaces {}", instances(destroyed));
    if let Some(most) = limits.max_destroy.as_ref().filter(|most| over(most.value)) {
        found.push(
            Diagnostic::error("limit", summary())
                .at(most.span)
                .label(format!("`max_destroy` allows {}", most.value))
                .help("do it in parts with --only, or raise the limit"),
        );
    }
    if let Some(most) = measure.ceilings.max_destroy.filter(|most| over(*most)) {
        found.push(
            Diagnostic::error("limit", format!("{}, and --max-destroy allows {most}", summary()))
                .help("look at the plan; do it in parts with --only, or raise the limit"),
        );
    }
}

/// Most instances that may leave the manifest at once without a limit that allows it, however large the stack.
const LEAVING_MAX: usize = 10;

/// Whether so many leaving instances are a mistake more often than a wish: more than half of the stack, or more than ten.
fn is_mass_removal(leaving: Leaving) -> bool {
    leaving.instances > LEAVING_MAX || leaving.instances * 2 > leaving.recorded
}

/// A lost or damaged manifest reads like a wish to destroy. So an apply destroys many instances only under a limit that was set
/// for that; whether the plan stays below it is compared like any other limit.
fn mass_removal(planned: &Planned, desired: &DesiredState, measure: &Measure<'_>, found: &mut Diagnostics) {
    let has_limit = desired.bounds.limits.max_destroy.is_some() || measure.ceilings.max_destroy_by_flag;
    // An empty manifest is refused whatever the limit: `destroy` is the command for that.
    if has_limit || desired.instances.is_empty() || !is_mass_removal(planned.leaving) {
        return;
    }
    let Leaving { instances, recorded } = planned.leaving;
    let all = planned.plan.summary().to_destroy() + measure.before.destroyed.len();
    found.push(
        Diagnostic::error(
            "limit",
            format!("this plan destroys {instances} of {} because they left the manifest", count(recorded, "instance")),
        )
        .detail(
            "More than half of a stack, or more than 10 instances, are destroyed only under a limit that allows it.",
        )
        .help(format!("look at the plan; if all of that is meant, run `lhprov apply --max-destroy {all}`"))
        .help(format!("or write `limits: {{ max_destroy: {all} }}` into the manifest")),
    );
}

/// What is not known of a plan's price; none if it is known.
fn unknown_price(plan: &Plan) -> Option<String> {
    let counts = plan.summary();
    match &plan.checks.quote {
        None if adds(plan) || counts.renew > 0 => Some(match plan.checks.list.first() {
            Some(check) => format!("the prices were not asked: {}", check.detail),
            None => "the prices were not asked".to_owned(),
        }),
        Some(quote) if !quote.unknown.is_empty() => Some(what_is_unknown(&quote.unknown)),
        _ => None,
    }
}

/// Compares what a plan costs now with the limit of the command line alone. Renewals are held to no other limit.
pub fn enforce_spend(planned: &mut Planned, measure: &Measure<'_>) {
    let mut found = Diagnostics::default();
    spend(&planned.plan, measure, &mut found);
    planned.plan.checks.violations = found;
}

fn spend(plan: &Plan, measure: &Measure<'_>, found: &mut Diagnostics) {
    let Some(most) = measure.ceilings.max_spend else { return };
    if let Some(why) = unknown_price(plan) {
        found.push(
            Diagnostic::error("limit", "whether this plan stays within --max-spend is not known")
                .detail(format!("Not known: {why}."))
                .help("give the permission or let the cloud be asked, or leave --max-spend out"),
        );
        return;
    }
    let Some(Quote { now, currency, buys: true, .. }) = &plan.checks.quote else { return };
    let so_far = measure.before.spent();
    let total = *now + so_far;
    if total > most {
        let already = match so_far > Amount::default() {
            true => format!(" ({so_far} of it in this run already)"),
            false => String::new(),
        };
        found.push(
            Diagnostic::error(
                "limit",
                format!("this plan costs {total} {currency} now{already}, and --max-spend allows {most}"),
            )
            .help("take a part of it with --only, or raise the limit"),
        );
    }
}

fn per_month(plan: &Plan, desired: &DesiredState, measure: &Measure<'_>, found: &mut Diagnostics) {
    let Some(most) = &desired.bounds.limits.max_per_month else { return };
    if !adds(plan) {
        return;
    }
    let (total, currency, unknown) = whole_month(desired, measure.answers);
    if !unknown.is_empty() {
        let why = match &plan.checks.quote {
            None => unknown_price(plan).unwrap_or_default(),
            Some(_) => what_is_unknown(&unknown),
        };
        found.push(
            Diagnostic::error("limit", "whether the stack stays within `max_per_month` is not known")
                .at(most.span)
                .label("this limit needs the price of every instance")
                .detail(format!("Not known: {why}."))
                .help("give the permission or let the cloud be asked, or take the limit out"),
        );
    } else if total > most.value {
        found.push(
            Diagnostic::error("limit", format!("the stack would cost {total} {currency} a month"))
                .at(most.span)
                .label(format!("`max_per_month` allows {}", most.value))
                .detail("That is what all instances of the manifest cost at the list price of one month.")
                .help("take some away, write smaller bundles, or raise the limit"),
        );
    }
}

/// What the whole manifest costs a month: the sum, its currency, and what is not in it.
pub fn whole_month(desired: &DesiredState, answers: &Answers) -> (Amount, String, Vec<String>) {
    let (mut total, mut currency, mut unknown) = (Amount::default(), String::new(), Vec::new());
    for (key, members) in price_keys(desired) {
        let members = || compact(members.iter().copied());
        match answers.prices.get(&key) {
            Some(Ok(price)) => {
                currency.clone_from(&price.currency);
                match price.month {
                    Some(month) => total = total + month,
                    None => unknown.push(format!("the price of a month of {}", members())),
                }
            }
            Some(Err(why)) => unknown.push(format!("the price of {}: {why}", members())),
            None => unknown.push(format!("the price of {}", members())),
        }
    }
    (total, currency, unknown)
}

/// A violation, told once for all instances that share its place.
struct Violation<'a> {
    diagnostic: Diagnostic,
    members: Vec<&'a Address>,
}

#[derive(Default)]
struct Violations<'a>(BTreeMap<(Span, String), Violation<'a>>);

impl<'a> Violations<'a> {
    fn add(&mut self, address: &'a Address, at: Span, diagnostic: Diagnostic) {
        let key = (at, diagnostic.summary.clone());
        let entry =
            self.0.entry(key).or_insert_with(|| Violation { diagnostic: diagnostic.at(at), members: Vec::new() });
        entry.members.push(address);
    }
}

fn policies(desired: &DesiredState, found: &mut Diagnostics) {
    let policy = &desired.bounds.policy;
    // What is not allowed may still be taken away.
    if let (Some(allowed), Some(at)) = (&policy.allowed_regions, desired.bounds.region)
        && !desired.instances.is_empty()
        && !allowed.admits(&desired.region)
    {
        found.push(not_allowed(&desired.region, "region", "allowed_regions", allowed).at(at));
    }
    let mut violations = Violations::default();
    // Neighbours are mostly alike: what was judged once needs no patterns again.
    let mut judged: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for (address, instance) in &desired.instances {
        let DesiredInstance { spec, .. } = instance;
        let single = [
            ("bundle", "bundle_id", "allowed_bundles", &policy.allowed_bundles, spec.bundle_id.as_str()),
            ("blueprint", "blueprint_id", "allowed_blueprints", &policy.allowed_blueprints, spec.blueprint_id.as_str()),
        ];
        for (what, attribute, key, allowed, id) in single {
            if let Some(allowed) =
                allowed.as_ref().filter(|allowed| !*judged.entry((key, id)).or_insert_with(|| allowed.admits(id)))
            {
                violations.add(address, place(instance, attribute), not_allowed(id, what, key, allowed));
            }
        }
        if let Some(allowed) = &policy.allowed_zones {
            let at = place(instance, "zones");
            if spec.zones.is_empty() {
                let any = Diagnostic::error("policy", "without `zones` an instance may come to stand in any zone")
                    .label("names no zone")
                    .related(allowed.span, "the policy allows some only")
                    .help(format!("write `zones`; allowed are {}", allowed.patterns.join(", ")));
                violations.add(address, at, any);
            }
            for zone in &spec.zones {
                if !*judged.entry(("allowed_zones", zone)).or_insert_with(|| allowed.admits(zone)) {
                    violations.add(address, at, not_allowed(zone, "zone", "allowed_zones", allowed));
                }
            }
        }
        for tag in policy.required_tags.iter().filter(|tag| !spec.tags.contains_key(&tag.value)) {
            let missing = Diagnostic::error("policy", format!("the policy requires the tag `{}`", tag.value))
                .label("has no such tag")
                .related(tag.span, "required here")
                .help(format!("write `tags: {{ {}: … }}`, here or in `defaults`", tag.value));
            violations.add(address, place(instance, "tags"), missing);
        }
    }
    for Violation { diagnostic, members } in violations.0.into_values() {
        let whose = compact(members.iter().copied());
        found.push(diagnostic.detail(format!("It concerns {whose}.")));
    }
}

fn not_allowed(id: &str, what: &str, key: &str, allowed: &Allowed) -> Diagnostic {
    Diagnostic::error("policy", format!("the policy does not allow the {what} `{id}`"))
        .label("not allowed")
        .related(allowed.span, format!("`{key}`"))
        .help(format!("allowed are {}", allowed.patterns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_stack_may_leave_and_no_more_than_ten() {
        let table = [
            (0, 0, false),
            (0, 1, false),
            (1, 1, true),
            (1, 2, false),
            (2, 2, true),
            (1, 3, false),
            (2, 3, true),
            (2, 4, false),
            (3, 4, true),
            (10, 20, false),
            (10, 19, true),
            (10, 500, false),
            (11, 500, true),
        ];
        for (instances, recorded, expected) in table {
            let found = is_mass_removal(Leaving { instances, recorded });
            assert_eq!(found, expected, "{instances} of {recorded}");
        }
    }
}
