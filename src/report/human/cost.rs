//! What a plan's checks say, as the lines around its summary: what nobody knows, what it costs, what is left.

use crate::plan::Plan;
use crate::plan::preflight::Checks;
use crate::report::style::{Label, Palette};
use crate::report::text::{clean_line, wrap};
use std::fmt::Write as _;

/// What was not checked, and why; one note for each reason.
pub(super) fn not_checked(checks: &Checks, palette: Palette) -> String {
    let mut out = String::new();
    for check in checks.not_made() {
        let text = check.to_string();
        let _ = writeln!(out, "{}: {}\n", palette.paint(Label::Found, "note"), wrap(&clean_line(&text), 6, 6));
    }
    out
}

/// `      200.00 CNY now, 200.00 CNY a month, quota left: 6 GENERAL_BUNDLE, 1 with loss of data.` Empty if there is nothing to
/// say.
pub(super) fn line(plan: &Plan, mark: &str) -> String {
    match parts(plan).as_slice() {
        [] => String::new(),
        parts => format!("      {}\n", wrap(&format!("{}.{mark}", parts.join(", ")), 6, 6)),
    }
}

/// What it costs, what is left of quotas, and how much data is lost.
pub(in crate::report) fn parts(plan: &Plan) -> Vec<String> {
    let mut parts = Vec::new();
    match &plan.checks.quote {
        Some(quote) if quote.buys => {
            let (now, currency) = (quote.now, &quote.currency);
            match (quote.unknown.is_empty(), currency.is_empty()) {
                (true, _) => parts.push(format!("{now} {currency} now")),
                (false, false) => parts.push(format!("{now} {currency} now and what is not known")),
                (false, true) => parts.push("price not known".to_owned()),
            }
            if !quote.batches.is_empty() {
                parts.push(format!("{} {currency} a month", quote.month));
            }
        }
        _ => {}
    }
    let left = &plan.checks.quota_left;
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(|quota| format!("{} {}", quota.left, quota.kind)).collect();
        parts.push(format!("quota left: {}", left.join(" and ")));
    }
    let lost = plan.summary().data_loss();
    if lost > 0 {
        parts.push(format!("{lost} with loss of data"));
    }
    parts
}
