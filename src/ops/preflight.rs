//! Preflight: asks what a plan would meet at apply. Everything is asked side by side, each distinct purchase once, at the
//! pace of the rate limits; nothing here can buy. What cannot be asked is an answer too: it is not known, and why.

use super::context::Context;
use super::load::Prior;
use super::pages::{all_pages, rows};
use crate::cloud::port::{CloudRead, ReadAction};
use crate::cloud::reported::{flag, missing, number, text};
use crate::cloud::{CloudError, ErrorClass, explain};
use crate::desired::DesiredState;
use crate::model::money::Amount;
use crate::model::{Address, InstanceId};
use crate::observe::catalogue::{BundleSize, listed, why_not};
use crate::observe::state::ObservedState;
use crate::plan::batch::still_wanted;
use crate::plan::limits::{Before, Ceilings, Measure, enforce, needs_the_whole};
use crate::plan::preflight::{
    Answers, BlueprintFacts, BundleFacts, Checks, Group, Known, Price, PriceKey, Questions, QuotaFacts, Refusal,
    Status, denied, evaluate, other_zones, questions, quota_name, shape, zones_in_doubt,
};
use crate::plan::request::{dry_run, wire_body};
use crate::plan::{Plan, Planned};
use futures_util::future::{join, join_all, join3};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most instances in one InquirePriceRenewInstances (model).
const RENEWAL_PRICES_MAX: usize = 50;

/// Whether there is a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preflight {
    /// The cloud is asked.
    Asked,
    /// It is not, and why.
    Skipped(&'static str),
}

/// Gives the plan its checks: what preflight finds, and the limits and policies that it breaks.
pub(super) async fn check(
    context: &Context,
    desired: &DesiredState,
    observed: &ObservedState,
    planned: &mut Planned,
    (preflight, ceilings, before): (Preflight, Ceilings, &Before),
) {
    // A plan with errors in it is none.
    if planned.diagnostics.has_errors() {
        return;
    }
    let whole = needs_the_whole(&planned.plan, desired);
    let answers = match preflight {
        Preflight::Asked => ask_and_judge(context, desired, observed, planned, whole).await,
        Preflight::Skipped(why) => {
            if !questions(&planned.plan, desired, false).is_empty() {
                planned.plan.checks = Checks::skipped(why);
            }
            Answers::default()
        }
    };
    enforce(planned, desired, &Measure { ceilings, before, now: context.clock.now(), answers: &answers });
}

/// What may have to be paid for purchases that an earlier run left open, by address: what is wanted still and has no answer
/// may be bought yet.
pub(super) async fn price_of_open(
    context: &Context,
    desired: &DesiredState,
    prior: &Prior,
) -> Known<Vec<(Address, Amount)>> {
    let wanted =
        prior.open.values().filter(|open| open.answer.is_none() && still_wanted(desired, &prior.state, &open.intent));
    let priced = join_all(wanted.map(async |open| {
        let members = &open.intent.members;
        let Some(first) = members.first().and_then(|member| desired.instances.get(&member.address)) else {
            return Ok(Vec::new());
        };
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let (_, price) = price(context.read.as_ref(), &(shape(&first.spec), count)).await;
        let share = price?.now.divided(i64::from(count));
        Ok(members.iter().map(|member| (member.address.clone(), share)).collect::<Vec<_>>())
    }));
    let priced: Vec<Vec<(Address, Amount)>> = priced.await.into_iter().collect::<Known<_>>()?;
    Ok(priced.into_iter().flatten().collect())
}

/// Asks and judges; the plan has its prices then. `whole` asks for the prices of the whole manifest too, which are among the
/// answers.
pub(super) async fn ask_and_judge(
    context: &Context,
    desired: &DesiredState,
    observed: &ObservedState,
    planned: &mut Planned,
    whole: bool,
) -> Answers {
    let questions = questions(&planned.plan, desired, whole);
    let answers = match questions.is_empty() {
        true => Answers::default(),
        false => ask(context.read.as_ref(), desired, &planned.plan, &questions).await,
    };
    let unanswered = &observed.catalogue.unanswered;
    if !questions.is_empty() || !unanswered.is_empty() || !observed.catalogue.denied.is_empty() {
        evaluate(planned, desired, &answers);
        let mut checks = std::mem::take(&mut planned.plan.checks);
        denied::judge(planned, observed, &mut checks);
        planned.plan.checks = checks;
        for (what, why) in unanswered {
            planned.plan.checks.add(what, Status::NotChecked, why);
        }
    }
    answers
}

async fn ask(cloud: &dyn CloudRead, desired: &DesiredState, plan: &Plan, questions: &Questions) -> Answers {
    let prices = join_all(questions.prices.iter().map(|key| price(cloud, key)));
    let renewals = join_all(questions.renewals.iter().flat_map(|(months, ids)| {
        ids.chunks(RENEWAL_PRICES_MAX).map(move |chunk| renewal_prices(cloud, *months, chunk))
    }));
    let dry_runs = join_all(questions.groups.iter().map(|group| ask_dry_run(cloud, desired, plan, group)));
    let lists = join3(
        sold_and_quotas(cloud, questions.bundles),
        blueprints(cloud, &questions.blueprints),
        zones(cloud, !questions.zones.is_empty()),
    );
    let ((prices, renewals), (dry_runs, lists)) = join(join(prices, renewals), join(dry_runs, lists)).await;
    let ((bundles, quotas), blueprints, zones) = lists;
    let mut answers = Answers {
        prices: prices.into_iter().collect(),
        renewals: renewals.into_iter().flatten().collect(),
        bundles,
        in_zones: BTreeMap::new(),
        blueprints,
        zones,
        quotas,
        dry_runs: dry_runs.into_iter().collect(),
    };
    // Each is one more DescribeBundles, at five a second: only where a dry run has not settled it.
    for wanted in [zones_in_doubt, other_zones] {
        let zones = wanted(plan, &answers);
        answers.in_zones.extend(join_all(zones.iter().map(|zone| sold_in(cloud, zone))).await);
    }
    answers
}

fn known<T>(answer: Result<T, CloudError>) -> Known<T> {
    answer.map_err(|error| why_not(&error))
}

pub(super) async fn price(cloud: &dyn CloudRead, key: &PriceKey) -> (PriceKey, Known<Price>) {
    let (shape, count) = key;
    let body = json!({
        "BundleId": shape.bundle_id,
        "BlueprintId": shape.blueprint_id,
        "InstanceCount": count,
        "InstanceChargePrepaid": {"Period": shape.period, "RenewFlag": shape.renew_flag},
    });
    let action = ReadAction::InquirePriceCreateInstances;
    let answer = cloud.read(action, body).await.and_then(|reply| reply.read::<Value>(action.name()));
    (key.clone(), known(answer).and_then(|answer| read_price(&answer["Price"]["InstancePrice"], *count)))
}

async fn renewal_prices(cloud: &dyn CloudRead, months: u32, ids: &[InstanceId]) -> Vec<(InstanceId, Known<Price>)> {
    let body = json!({"InstanceIds": ids, "InstanceChargePrepaid": {"Period": months}, "RenewDataDisk": false});
    match known(rows(cloud, ReadAction::InquirePriceRenewInstances, body, "InstancePriceDetailSet").await) {
        Err(why) => ids.iter().map(|id| (id.clone(), Err(why.clone()))).collect(),
        Ok(set) => {
            let one = |id: &InstanceId| match set.iter().find(|detail| detail["InstanceId"] == id.as_str()) {
                Some(detail) => read_price(&detail["InstancePrice"], 1),
                None => Err("the answer has no price for it".to_owned()),
            };
            ids.iter().map(|id| (id.clone(), one(id))).collect()
        }
    }
}

/// Reads a price for `count` instances.
fn read_price(price: &Value, count: u32) -> Known<Price> {
    let amount = |key: &str| Amount::from_json(&price[key]);
    let Some(now) = amount("DiscountPrice") else { return Err("the answer has no price".to_owned()) };
    let Some(currency) = text(price, "Currency") else {
        return Err("the answer has a price of no currency".to_owned());
    };
    Ok(Price {
        now,
        count,
        original: amount("OriginalPrice").unwrap_or(now),
        month: amount("OriginalBundlePrice").map(|one| one.times(count)),
        discount: price["Discount"].as_number().map_or_else(|| "100".to_owned(), ToString::to_string),
        currency,
    })
}

type Sold = Known<BTreeMap<String, BundleFacts>>;
type Quotas = Known<BTreeMap<String, QuotaFacts>>;

/// What is sold in the region, and what of its types may still be had: the types are known only then.
async fn sold_and_quotas(cloud: &dyn CloudRead, wanted: bool) -> (Option<Sold>, Option<Quotas>) {
    if !wanted {
        return (None, None);
    }
    let bundles = match known(bundles(cloud, json!({})).await) {
        Ok(bundles) => bundles,
        Err(why) => return (Some(Err(why)), None),
    };
    let kinds: BTreeSet<&str> =
        bundles.values().map(|bundle| bundle.kind.as_str()).filter(|kind| !kind.is_empty()).collect();
    let names: Vec<String> = kinds.into_iter().map(quota_name).collect();
    let quotas = known(quotas(cloud, &names).await);
    (Some(Ok(bundles)), Some(quotas))
}

async fn bundles(cloud: &dyn CloudRead, filter: Value) -> Result<BTreeMap<String, BundleFacts>, CloudError> {
    let rows = all_pages(cloud, ReadAction::DescribeBundles, "BundleSet", &filter).await?;
    named(&rows, ReadAction::DescribeBundles, "BundleId", read_bundle)
}

/// Rows by the field that names them. A row without it hides what the others are compared with.
fn named<T>(
    rows: &[Value],
    action: ReadAction,
    field: &str,
    read: impl Fn(&Value) -> T,
) -> Result<BTreeMap<String, T>, CloudError> {
    let one = |row: &Value| Ok((text(row, field).ok_or_else(|| missing(action.name(), field))?, read(row)));
    rows.iter().map(one).collect()
}

fn read_bundle(row: &Value) -> BundleFacts {
    BundleFacts {
        kind: text(row, "BundleType").unwrap_or_default(),
        size: BundleSize::read(row),
        linux: flag(row, "SupportLinuxUnixPlatform"),
        windows: flag(row, "SupportWindowsPlatform"),
        available: row["BundleSalesState"] != "SOLD_OUT",
    }
}

async fn sold_in(cloud: &dyn CloudRead, zone: &str) -> (String, Known<BTreeMap<String, bool>>) {
    let answer = match bundles(cloud, json!({"Zones": [zone]})).await {
        Ok(bundles) => Ok(bundles.into_iter().map(|(id, bundle)| (id, bundle.available)).collect()),
        // No such zone, so nothing to be had there.
        Err(error) if error.code.as_deref().is_some_and(|code| code.contains("Zone")) => Ok(BTreeMap::new()),
        Err(error) => Err(why_not(&error)),
    };
    (zone.to_owned(), answer)
}

/// A name that the site does not know is an error of the whole call; each is asked for alone then.
async fn quotas(cloud: &dyn CloudRead, names: &[String]) -> Result<BTreeMap<String, QuotaFacts>, CloudError> {
    match quotas_of(cloud, names).await {
        Err(error) if error.class == ErrorClass::Refused && names.len() > 1 => {
            let each = join_all(names.iter().map(|name| quotas_of(cloud, std::slice::from_ref(name)))).await;
            let (found, refused): (Vec<_>, Vec<_>) = each.into_iter().partition(Result::is_ok);
            match refused.into_iter().find_map(|answer| answer.err().filter(|error| error.class != ErrorClass::Refused))
            {
                Some(error) => Err(error),
                None => Ok(found.into_iter().flatten().flatten().collect()),
            }
        }
        answer => answer,
    }
}

async fn quotas_of(cloud: &dyn CloudRead, names: &[String]) -> Result<BTreeMap<String, QuotaFacts>, CloudError> {
    let body = json!({"ResourceNames": names});
    let set = rows(cloud, ReadAction::DescribeGeneralResourceQuotas, body, "GeneralResourceQuotaSet").await?;
    let one = |row: &Value| {
        let facts = QuotaFacts {
            available: row["ResourceQuotaAvailable"].as_u64()?,
            total: row["ResourceQuotaTotal"].as_u64()?,
        };
        Some((text(row, "ResourceName")?, facts))
    };
    Ok(set.iter().filter_map(one).collect())
}

async fn blueprints(cloud: &dyn CloudRead, ids: &BTreeSet<String>) -> Option<Known<BTreeMap<String, BlueprintFacts>>> {
    if ids.is_empty() {
        return None;
    }
    let sets = listed(cloud, ReadAction::DescribeBlueprints, ("BlueprintIds", "BlueprintSet"), ids.iter()).await;
    let one = |row: &Value| BlueprintFacts {
        windows: text(row, "PlatformType").map(|platform| platform == "WINDOWS"),
        disk: number(row, "RequiredSystemDiskSize"),
        memory: number(row, "RequiredMemorySize"),
        state: text(row, "BlueprintState").unwrap_or_default(),
    };
    Some(known(sets.and_then(|rows| named(&rows, ReadAction::DescribeBlueprints, "BlueprintId", one))))
}

async fn zones(cloud: &dyn CloudRead, wanted: bool) -> Option<Known<Vec<String>>> {
    if !wanted {
        return None;
    }
    let action = ReadAction::DescribeZones;
    let set = rows(cloud, action, json!({}), "ZoneInfoSet").await;
    let zone = |row: &Value| text(row, "Zone").ok_or_else(|| missing(action.name(), "Zone"));
    Some(known(set.and_then(|set| set.iter().map(zone).collect())))
}

async fn ask_dry_run(
    cloud: &dyn CloudRead,
    desired: &DesiredState,
    plan: &Plan,
    group: &Group,
) -> (usize, Known<Option<Refusal>>) {
    let Some(batch) = plan.batches.get(group.largest) else {
        return (group.largest, Err("it was not asked".to_owned()));
    };
    let members = batch.members.iter().map(|member| &member.address);
    let secret = batch.spec.password();
    let body = wire_body(&batch.body, &batch.token, &desired.stack, desired.ownership, members, secret);
    let answer = match cloud.read(ReadAction::DryRunCreateInstances, dry_run(body)).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_dry_run_success() => Ok(None),
        Err(error) if error.refuses_dry_run() => {
            let code = error.code.unwrap_or_default();
            let help = explain::explanation(&code).map(|explanation| explanation.way_out.to_owned());
            Ok(Some(Refusal { code, message: error.message, help }))
        }
        Err(error) => Err(why_not(&error)),
    };
    (group.largest, answer)
}
