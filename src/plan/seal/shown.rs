//! The plan as it is shown, out of the document of a saved plan.

use super::Actions;
use super::actions::{SavedChange, action};
use crate::model::money::Amount;
use crate::model::{Address, Predecessor};
use crate::observe::catalogue::Returnable;
use crate::plan::attribute::Kind;
use crate::plan::change::{After, AttributeDiff, CONSENTS, Change, Evidence, Need, OpenPurchase, Plan, UnsettledOrder};
use crate::plan::drift::{Decision, Drift};
use crate::plan::preflight::{Checks, Price, QuotaLeft, Quote, Status};
use crate::state::OrderKind;
use serde_json::Value;

/// The names that checks have.
const CHECKS: [&str; 7] = ["change", "dry-run", "fit", "preflight", "price", "quota", "stock"];

/// The plan, out of the document and of what the seal has beside it. None if the two do not fit.
pub(super) fn plan(document: &Value, actions: &Actions) -> Option<Plan> {
    let shown = document["resource_changes"].as_array()?;
    if shown.len() != actions.changes.len() {
        return None;
    }
    let changes = shown.iter().zip(&actions.changes).map(|(shown, saved)| change(shown, saved));
    let list = |key: &str| document[key].as_array().map_or(&[][..], Vec::as_slice).iter();
    Some(Plan {
        changes: changes.collect::<Option<_>>()?,
        batches: Vec::new(),
        open: list("resume").filter_map(open_purchase).collect(),
        orders: list("resume").filter_map(unsettled_order).collect(),
        drift: list("drift").filter_map(drift).collect(),
        needs: list("consents").filter_map(need).collect(),
        checks: checks(document, actions),
        destroy: None,
    })
}

fn change(shown: &Value, saved: &SavedChange) -> Option<Change> {
    if shown["address"] != saved.address.to_string() {
        return None;
    }
    let after = Some(&shown["change"]["after"]).filter(|after| !after.is_null()).cloned().map(After::Words);
    let diffs = saved.diffs.iter().map(|(name, before, after)| {
        Some(AttributeDiff { kind: Kind::of_name(name)?, before: before.clone(), after: after.clone() })
    });
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let forced = shown["forced_by"].as_array().into_iter().flatten().map(|forced| {
        let source = &forced["source"];
        let (file, name) =
            (source["file"].as_str().unwrap_or_default(), forced["attribute"].as_str().unwrap_or_default());
        format!("`{name}` forces another instance ({file}:{}:{})", source["line"], source["column"])
    });
    Some(Change {
        instance_id: saved.instance_id.clone(),
        batch: saved.batch,
        predecessor: saved.predecessor.as_deref().map(Predecessor::from_text),
        moved_from: saved.moved_from.clone(),
        diffs: diffs.collect::<Option<_>>()?,
        after,
        price: saved.price.clone(),
        refund: saved.refund.clone().map(|(is_returnable, code, message)| Returnable { is_returnable, code, message }),
        // Places are texts here: the manifest may be another by now.
        notes: forced.chain(strings(&shown["notes"])).collect(),
        unconfirmed: evidence(&shown["unconfirmed"]),
        ..Change::new(&saved.address, action(&saved.action, saved.order.as_deref())?, saved.reason.clone())
    })
}

fn evidence(value: &Value) -> Option<Evidence> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    text("tag").map(Evidence::Tag).or_else(|| text("name").map(Evidence::Name))
}

fn addresses(value: &Value) -> Vec<Address> {
    value.as_array().into_iter().flatten().filter_map(|address| address.as_str()?.parse().ok()).collect()
}

fn open_purchase(value: &Value) -> Option<OpenPurchase> {
    Some(OpenPurchase {
        token: value["token"].as_str()?.to_owned().into(),
        members: addresses(&value["members"]),
        attempts: usize::try_from(value["attempts"].as_u64()?).ok()?,
        answered: value["answered"].as_bool()?,
    })
}

fn unsettled_order(value: &Value) -> Option<UnsettledOrder> {
    let word = value["order"].as_str()?;
    let kinds = [OrderKind::Upgrade, OrderKind::Reinstall, OrderKind::Renew];
    Some(UnsettledOrder {
        kind: kinds.into_iter().find(|kind| kind.as_str() == word)?,
        to: value["to"].as_str()?.to_owned(),
        members: addresses(&value["members"]),
        accepted: value["answered"].as_bool()?,
    })
}

/// As far as it is counted.
fn drift(value: &Value) -> Option<Drift> {
    Some(Drift {
        address: value["address"].as_str()?.parse().ok()?,
        instance_id: value["instance_id"].as_str()?.into(),
        attribute: value["attribute"].as_str().and_then(Kind::of_name),
        applied: value["applied"].clone(),
        live: value["live"].clone(),
        decision: Decision::ALL.into_iter().find(|decision| value["decision"] == decision.as_str())?,
        what: value["what"].as_str().map(str::to_owned),
        price: None,
    })
}

fn need(value: &Value) -> Option<Need> {
    let flag = CONSENTS.into_iter().find(|flag| value["flag"] == *flag)?;
    Some(Need { flag, what: value["for"].as_str()?.to_owned() })
}

/// What the checks said, as far as it is shown. What would have failed is in no saved plan.
fn checks(document: &Value, actions: &Actions) -> Checks {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut checks = Checks::default();
    for check in list(&document["preflight"]) {
        let status = [Status::Passed, Status::NotChecked].into_iter().find(|status| check["status"] == status.as_str());
        let name = CHECKS.into_iter().find(|name| check["check"] == *name);
        if let (Some(status), Some(name)) = (status, name) {
            checks.add(name, status, text(&check["detail"]));
        }
    }
    let sums = &document["price"];
    let amount = |value: &Value| value.as_str().and_then(Amount::parse).unwrap_or_default();
    if sums.is_object() {
        let currency = text(&sums["currency"]);
        let mut quote = Quote {
            now: amount(&sums["now"]),
            month: amount(&sums["per_month"]),
            currency: currency.clone(),
            unknown: list(&sums["unknown"]).iter().map(text).collect(),
            buys: !actions.batches.is_empty() || actions.changes.iter().any(|change| change.price.is_some()),
            ..Quote::default()
        };
        for (shown, saved) in list(&document["resource_changes"]).iter().zip(&actions.changes) {
            let price = &shown["price"];
            if let (Some(batch), true) = (saved.batch, price["per_month"].is_string()) {
                let (now, month) = (amount(&price["now"]), Some(amount(&price["per_month"])));
                let (discount, currency) = (text(&price["discount"]), currency.clone());
                quote.batches.insert(batch, Price { now, original: now, count: 1, month, discount, currency });
            }
        }
        checks.quote = Some(quote);
    }
    for left in list(&sums["quota_left"]) {
        let number = |key: &str| left[key].as_u64().unwrap_or_default();
        checks.quota_left.push(QuotaLeft { kind: text(&left["type"]), left: number("left"), total: number("total") });
    }
    checks
}
