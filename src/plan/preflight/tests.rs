//! Answers in, checks out.

use super::*;
use crate::desired::{DesiredState, load_sources};
use crate::manifest::{Given, Sources};
use crate::model::money::Amount;
use crate::model::{Lineage, Ownership, Site, Timestamp};
use crate::observe::catalogue::BundleSize;
use crate::observe::state::ObservedState;
use crate::plan::limits::{Before, Ceilings, Measure, enforce};
use crate::plan::{Inputs, Options, Planned, plan};
use crate::report::human::diagnostic;
use crate::state::{Binding, OpenIntents, PriorState};
use std::collections::BTreeMap;

const HEAD: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: small, blueprint_id: lhbp-linux, charge: { period: 1 } }
";

struct Case {
    desired: DesiredState,
    sources: Sources,
    planned: Planned,
    answers: Answers,
}

fn size(cpu: u64, memory: u64, disk: u64) -> BundleSize {
    let (cpu, memory, disk) = (Some(cpu), Some(memory), Some(disk));
    BundleSize { cpu, memory, disk, bandwidth: Some(4), traffic: Some(300) }
}

fn price_of(one: i64, count: u32) -> Price {
    let now = Amount(one * 10_000).times(count);
    Price { now, original: now, count, month: Some(now), discount: "100".into(), currency: "CNY".into() }
}

/// A manifest, planned anew, before a cloud in which everything is well.
fn case(rest: &str) -> Case {
    let sources = Sources::from_texts([("lighthouse.yaml", format!("{HEAD}{rest}"))]);
    let (desired, sources, diagnostics) = load_sources(sources, &Given::default(), &|_| None);
    let desired = desired.unwrap_or_else(|| panic!("{}", diagnostic::render(&diagnostics, &sources, false)));
    let binding = Binding {
        stack: desired.stack.clone(),
        site: Site::China,
        region: desired.region.clone(),
        endpoint: "sandbox".into(),
        account: None,
    };
    let prior = PriorState::new(Lineage("l".into()), binding);
    let observed = ObservedState { asked: true, ..ObservedState::default() };
    let open = OpenIntents::default();
    let inputs = Inputs {
        desired: &desired,
        manifest: &desired,
        prior: &prior,
        open: &open,
        observed: &observed,
        selection: None,
    };
    let planned = plan(inputs, Options::default());
    assert_eq!(desired.ownership, Ownership::Tags);
    let bundle = |kind: &str, size, windows: bool, available| BundleFacts {
        kind: kind.into(),
        size,
        linux: Some(!windows),
        windows: Some(windows),
        available,
    };
    let image = |windows: bool, disk, memory| BlueprintFacts {
        windows: Some(windows),
        disk: Some(disk),
        memory: Some(memory),
        state: "NORMAL".into(),
    };
    let bundles: BTreeMap<String, BundleFacts> = [
        ("small", bundle("GENERAL_BUNDLE", size(2, 2, 40), false, true)),
        ("medium", bundle("GENERAL_BUNDLE", size(2, 4, 60), false, true)),
        ("gone", bundle("GENERAL_BUNDLE", size(2, 2, 50), false, false)),
        ("starter", bundle("STARTER_BUNDLE", size(2, 2, 40), false, true)),
        ("win", bundle("GENERAL_BUNDLE", size(2, 4, 80), true, true)),
    ]
    .map(|(id, facts)| (id.to_owned(), facts))
    .into();
    let asked = questions(&planned.plan, &desired, true);
    let answers = Answers {
        prices: asked.prices.iter().map(|key| (key.clone(), Ok(price_of(50, key.1)))).collect(),
        renewals: BTreeMap::new(),
        in_zones: asked
            .zones
            .iter()
            .map(|zone| (zone.clone(), Ok(bundles.iter().map(|(id, facts)| (id.clone(), facts.available)).collect())))
            .collect(),
        bundles: Some(Ok(bundles)),
        blueprints: Some(Ok([
            ("lhbp-linux", image(false, 20, 0)),
            ("lhbp-large", image(false, 50, 4)),
            ("lhbp-win", image(true, 50, 2)),
        ]
        .map(|(id, facts)| (id.to_owned(), facts))
        .into())),
        zones: Some(Ok(["ap-guangzhou-3", "ap-guangzhou-6"].map(str::to_owned).to_vec())),
        quotas: Some(Ok(["GENERAL_BUNDLE_INSTANCE", "STARTER_BUNDLE_INSTANCE"]
            .map(|name| (name.to_owned(), QuotaFacts { available: 10, total: 20 }))
            .into())),
        dry_runs: asked.groups.iter().map(|group| (group.largest, Ok(None))).collect(),
    };
    Case { desired, sources, planned, answers }
}

impl Case {
    fn refuse(mut self, code: &str) -> Self {
        for answer in self.answers.dry_runs.values_mut() {
            *answer = Ok(Some(Refusal { code: code.into(), message: "No.".into(), help: None }));
        }
        self
    }

    fn evaluated(mut self) -> Self {
        evaluate(&mut self.planned, &self.desired, &self.answers);
        self
    }

    fn enforced(mut self, ceilings: Ceilings) -> Self {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let measure = Measure { ceilings, before: &Before::default(), now, answers: &self.answers };
        enforce(&mut self.planned, &self.desired, &measure);
        self
    }

    fn checks(&self) -> &Checks {
        &self.planned.plan.checks
    }

    fn told(&self) -> String {
        let Checks { list, failures, violations, .. } = self.checks();
        let lines: Vec<String> = list
            .iter()
            .filter(|check| check.status != Status::Passed)
            .map(|check| format!("{} {}: {}\n", check.name, check.status.as_str(), check.detail))
            .collect();
        let mut all = failures.clone();
        all.extend(violations.clone());
        lines.concat() + &diagnostic::render(&all, &self.sources, false)
    }
}

#[test]
fn what_is_well_passes_and_is_priced() {
    let case = case("instances: { db: {}, web: { count: 3, charge: { period: 3 } } }\n").evaluated();
    assert_eq!(case.told(), "");
    let quote = case.checks().quote.as_ref().unwrap();
    assert_eq!((quote.now.to_string(), quote.month.to_string()), ("200.00".into(), "200.00".into()));
    let prices: Vec<_> = case.planned.plan.changes.iter().map(|change| change.price.clone()).collect();
    assert_eq!(prices, vec![Some(("50.00".to_owned(), "CNY".to_owned())); 4]);
    assert_eq!(case.checks().quota_left, [QuotaLeft { kind: "GENERAL_BUNDLE".into(), left: 6, total: 20 }]);
}

#[test]
fn one_question_for_each_distinct_purchase() {
    let case = case("instances: { web: { count: 300 }, api: { count: 5 }, x: { bundle_id: starter } }\n");
    let asked = questions(&case.planned.plan, &case.desired, false);
    // 305 are ten purchases of 30 and one of 5.
    let prices: Vec<_> = asked.prices.iter().map(|(shape, count)| (shape.bundle_id.as_str(), *count)).collect();
    assert_eq!(prices, [("small", 5), ("small", 30), ("starter", 1)]);
    assert_eq!(asked.groups.len(), 2);
    let largest = &case.planned.plan.batches[asked.groups[0].largest];
    assert_eq!((largest.members.len(), asked.groups[0].batches.len()), (30, 11));
}

#[test]
fn sold_out_names_the_nearest_in_stock() {
    let text = "instances: { web: { count: 2, bundle_id: gone } }\n";
    insta::assert_snapshot!(case(text).refuse("ResourcesSoldOut.BundleSoldOut").evaluated().told());
    // The lists may be behind the service.
    assert_eq!(case(text).evaluated().told(), "");
}

#[test]
fn sold_out_in_a_zone_names_another() {
    let mut case =
        case("instances: { web: { zones: [ap-guangzhou-3] } }\n").refuse("ResourcesSoldOut.ZonesHasNoBundleConfigs");
    assert_eq!(zones_in_doubt(&case.planned.plan, &case.answers), ["ap-guangzhou-3".to_owned()].into());
    case.answers.in_zones.insert("ap-guangzhou-3".into(), Ok([("small".to_owned(), false)].into()));
    assert_eq!(other_zones(&case.planned.plan, &case.answers), ["ap-guangzhou-6".to_owned()].into());
    case.answers.in_zones.insert("ap-guangzhou-6".into(), Ok([("small".to_owned(), true)].into()));
    insta::assert_snapshot!(case.evaluated().told());
}

#[test]
fn no_zone_is_asked_where_a_dry_run_passes() {
    let case = case("instances: { web: { zones: [ap-guangzhou-3, ap-guangzhou-6] } }\n");
    assert_eq!(zones_in_doubt(&case.planned.plan, &case.answers), [].into());
}

#[test]
fn image_and_bundle_have_to_fit() {
    let text = "instances:
  a: { blueprint_id: lhbp-win }
  b: { blueprint_id: lhbp-large }
  c: { blueprint_id: lhbp-none, bundle_id: smal }
  d: { zones: [ap-guangzhou-9] }
";
    insta::assert_snapshot!(case(text).refuse("InvalidParameterValue").evaluated().told());
}

#[test]
fn quota_counts_the_whole_plan() {
    let case = case("instances: { web: { count: 12 }, x: { bundle_id: starter } }\n");
    insta::assert_snapshot!(case.evaluated().told());
}

#[test]
fn what_the_lists_do_not_explain_is_told_in_the_words_of_the_service() {
    let text = "instances: { web: { login: { key_ids: [lhkp-none] } }, db: { zones: [ap-guangzhou-3] } }\n";
    insta::assert_snapshot!(case(text).refuse("ResourceNotFound.KeyPairNotFound").evaluated().told());
    insta::assert_snapshot!(case(text).refuse("FailedOperation.InsufficientBalance").evaluated().told());
}

#[test]
fn what_is_not_known_is_never_a_success() {
    let mut case = case("instances: { web: { count: 2, zones: [ap-guangzhou-3] } }\n");
    let no = |action: &str| format!("no permission for {action}");
    case.answers.prices.values_mut().for_each(|price| *price = Err(no("InquirePriceCreateInstances")));
    case.answers.bundles = Some(Err(no("DescribeBundles")));
    case.answers.blueprints = Some(Err(no("DescribeBlueprints")));
    case.answers.zones = Some(Err("DescribeZones: connection refused".into()));
    case.answers.in_zones.values_mut().for_each(|zone| *zone = Err(no("DescribeBundles")));
    case.answers.dry_runs.values_mut().for_each(|answer| *answer = Err(no("CreateInstances")));
    let case = case.evaluated();
    assert!(case.checks().list.iter().all(|check| check.status == Status::NotChecked), "{:#?}", case.checks().list);
    insta::assert_snapshot!(case.told());
    assert!(!case.checks().quote.as_ref().unwrap().unknown.is_empty());
}

const BOUNDED: &str = "limits: { max_instances: 3, max_per_month: 120.50, max_destroy: 0 }
policy:
  allowed_bundles: [starter, \"med*\"]
  allowed_zones: [ap-guangzhou-6]
  allowed_regions: [ap-shanghai]
  allowed_blueprints: [lhbp-large]
  required_tags: [tier, owner]
  freeze: { reason: end of the year, until: 2026-01-05 }
instances:
  web: { count: 3, zones: [ap-guangzhou-3], tags: { tier: front } }
  db: {}
";

#[test]
fn every_limit_and_policy_is_told_at_its_place() {
    let spend = Ceilings { max_spend: Amount::parse("99.99"), max_destroy: Some(0), max_destroy_by_flag: true };
    insta::assert_snapshot!(case(BOUNDED).evaluated().enforced(spend).told());
}

#[test]
fn what_keeps_within_its_bounds_is_not_told() {
    let text = "limits: { max_instances: 2, max_per_month: 100, max_destroy: 0 }
policy:
  allowed_bundles: [\"sm*\"]
  allowed_zones: [ap-guangzhou-6]
  allowed_regions: [ap-guangzhou]
  required_tags: [tier]
  freeze: { reason: last year, until: 2025-12-31T23:59:59Z }
instances: { web: { count: 2, zones: [ap-guangzhou-6], tags: { tier: front } } }
";
    let spend = Ceilings { max_spend: Amount::parse("100"), max_destroy: Some(0), max_destroy_by_flag: true };
    assert_eq!(case(text).evaluated().enforced(spend).told(), "");
}

#[test]
fn a_limit_on_a_price_that_nobody_knows_is_broken() {
    let text = "limits: { max_per_month: 1000 }\ninstances: { web: { count: 2 } }\n";
    let spend = Ceilings { max_spend: Amount::parse("100000"), max_destroy: None, max_destroy_by_flag: false };
    let mut denied = case(text);
    denied.answers.prices.values_mut().for_each(|price| *price = Err("no permission for X".into()));
    insta::assert_snapshot!(denied.evaluated().enforced(spend).told());
    let mut skipped = case(text);
    skipped.answers = Answers::default();
    skipped.planned.plan.checks = Checks::skipped("--no-preflight");
    insta::assert_snapshot!(skipped.enforced(spend).told());
}

#[test]
fn what_an_earlier_plan_of_the_run_paid_counts() {
    let first = case("instances: { web: { count: 2 } }\n").evaluated();
    let mut before = Before::default();
    before.count(&first.planned.plan);
    let mut second = case("instances: { api: {} }\n").evaluated();
    let now = Timestamp(0);
    let ceilings = Ceilings { max_spend: Amount::parse("120"), max_destroy: None, max_destroy_by_flag: false };
    enforce(
        &mut second.planned,
        &second.desired,
        &Measure { ceilings, before: &before, now, answers: &second.answers },
    );
    assert!(second.told().contains("costs 150.00 CNY now (100.00 of it in this run already)"), "{}", second.told());
    // The same addresses, planned anew as new: nothing came of it.
    before.forget_what_brought_nothing(&first.planned.plan);
    assert_eq!(before, Before::default());
}
