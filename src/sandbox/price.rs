//! What things cost, and the forms in which the API says so. Amounts are in ten-thousandths of the site's currency.

use super::catalogue::{self, Bundle};
use super::record::Record;
use crate::model::Timestamp;
use serde_json::{Value, json};

/// The month that a price is for, when only a part of it is left.
const MONTH_MS: i128 = 30 * 86_400_000;

/// Discount in percent for so many months; 100 is none.
fn percent(period: u32) -> u32 {
    if period >= 12 { 83 } else { 100 }
}

/// What `count` instances cost for `period` months: before discount, percent, to pay.
pub fn price(bundle: &Bundle, period: u32, count: u32) -> (i64, u32, i64) {
    let original = bundle.month.saturating_mul(i64::from(period)).saturating_mul(i64::from(count));
    let percent = percent(period);
    (original, percent, i64::try_from(i128::from(original) * i128::from(percent) / 100).unwrap_or(original))
}

/// What it costs to make an instance one of `target`, from `now` to the end of the paid time. Never negative.
pub fn upgrade_price(record: &Record, target: &Bundle, now: Timestamp) -> i64 {
    let current = catalogue::find_bundle(target.site, &record.bundle).map_or(0, |bundle| bundle.month);
    let difference = i128::from(target.month.saturating_sub(current).max(0));
    let left = i128::try_from(record.expires.since(now).as_millis()).unwrap_or(0);
    i64::try_from(difference * left / MONTH_MS).unwrap_or(i64::MAX)
}

/// An amount as the API writes it.
pub fn money(amount: i64) -> Value {
    json!(amount as f64 / 10_000.0)
}

/// Type InstancePrice: `original` before and `pay` after `percent`, for a bundle.
pub fn instance_price(bundle: &Bundle, (original, percent, pay): (i64, u32, i64)) -> Value {
    json!({
        "OriginalBundlePrice": money(bundle.month),
        "OriginalPrice": money(original),
        "Discount": percent,
        "DiscountPrice": money(pay),
        "Currency": catalogue::currency(bundle.site),
        "DetailPrices": [{
            "PriceName": "Instance",
            "OriginUnitPrice": money(bundle.month),
            "OriginalPrice": money(original),
            "Discount": percent,
            "DiscountPrice": money(pay),
        }],
    })
}

/// The price of a bundle, in the form of type Price.
pub fn price_json(bundle: &Bundle, period: u32, count: u32) -> Value {
    json!({"InstancePrice": instance_price(bundle, price(bundle, period, count))})
}

/// Type DiscountDetail for one span of months.
pub fn discount(bundle: &Bundle, period: u32) -> Value {
    let (original, percent, pay) = price(bundle, period, 1);
    let kind = if percent < 100 { json!("common") } else { Value::Null };
    json!({
        "TimeSpan": period,
        "TimeUnit": "m",
        "TotalCost": money(original),
        "RealTotalCost": money(pay),
        "Discount": percent,
        "PolicyDetail": {
            "UserDiscount": 100,
            "CommonDiscount": percent,
            "FinalDiscount": percent,
            "ActivityDiscount": null,
            "DiscountType": kind,
        },
    })
}

/// The discounts of a bundle, by the spans that can be bought.
pub fn discounts(bundle: &Bundle) -> Vec<Value> {
    (1..=12).chain([24, 36, 48, 60]).map(|period| discount(bundle, period)).collect()
}
