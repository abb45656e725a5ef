//! A plan's checks as JSON: what was looked at, what it costs, which limits it breaks. Money is decimal text.

use super::plan::place;
use crate::diag::Diagnostic;
use crate::manifest::source::Sources;
use crate::plan::change::Change;
use crate::plan::preflight::{Checks, QuotaLeft};
use serde_json::{Value, json};

/// Each check.
pub(super) fn preflight(checks: &Checks) -> impl Iterator<Item = Value> {
    checks
        .list
        .iter()
        .map(|check| json!({"check": check.name, "status": check.status.as_str(), "detail": check.detail}))
}

/// The sums; null where nothing was asked.
pub fn price(checks: &Checks) -> Value {
    let left = |quota: &QuotaLeft| json!({"type": quota.kind, "left": quota.left, "total": quota.total});
    let quota: Vec<Value> = checks.quota_left.iter().map(left).collect();
    match &checks.quote {
        None => Value::Null,
        Some(quote) => json!({
            "now": quote.now.to_string(),
            "per_month": quote.month.to_string(),
            "currency": quote.currency,
            "complete": quote.unknown.is_empty(),
            "unknown": quote.unknown,
            "quota_left": quota,
        }),
    }
}

/// A limit or a policy that is broken, as one of `blocked`.
pub(super) fn violation(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    json!({
        "what": diagnostic.summary,
        "help": diagnostic.help,
        "code": diagnostic.code,
        "source": diagnostic.span.map(|span| place(span, sources)),
    })
}

/// Adds what one instance of a purchase costs a month, and the discount, to the price of a change.
pub(super) fn add_month(price: &mut Value, change: &Change, checks: &Checks) {
    let batch = change.batch.and_then(|batch| checks.quote.as_ref()?.batches.get(&batch));
    if let (Some(bought), true) = (batch, price.is_object()) {
        price["per_month"] = json!(bought.month_each().map(|month| month.to_string()));
        price["discount"] = json!(bought.discount);
    }
}
