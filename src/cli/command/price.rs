//! `lhprov price`: what the manifest costs, and what of it is still to be bought.

use crate::cli::args::{Global, PriceArgs, ReportArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host;
use crate::cli::session::{self, Ended, Nature, Session};
use crate::event::EventSink;
use crate::model::address::compact;
use crate::ops::{self, PriceReport, PriceRow, Sums};
use crate::report::console::Console;
use crate::report::human::table::table;
use crate::report::json::checks;
use crate::report::style::Label;
use crate::report::text::{sandbox_mark, wrap};
use serde_json::{Value, json};
use std::sync::Arc;

/// Asks and shows.
pub fn run(global: &Global, own: &PriceArgs, console: Console) -> Result<Exit, Failure> {
    session::with_events(own.work.cloud.events.as_ref(), Nature::Reads, console, |sinks| {
        price(global, own, console, sinks)
    })
}

fn price(global: &Global, own: &PriceArgs, console: Console, sinks: Vec<Arc<dyn EventSink>>) -> Result<Ended, Failure> {
    let run = own.work.cloud.as_run(ReportArgs::default());
    let loaded = session::load(global, &run, console)?;
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("price", global, &run, loaded, sinks)?;
        let asking = ops::price(&session.context, &session.loaded.desired);
        let report = match session.perform(asking).await? {
            Ok(report) => report,
            Err(exit) => return Ok(exit.into()),
        };
        let text = match own.work.format.is_json() {
            true => format!("{:#}\n", document(&session, &report)),
            false => in_words(&session, &report, console),
        };
        console.result(&text).map_err(|error| Failure::output(&error))?;
        Ok(Exit::Done.into())
    });
    runtime.shutdown_background();
    ended
}

fn document(session: &Session, report: &PriceReport) -> Value {
    let desired = &session.loaded.desired;
    let sums = |sums: &Sums| {
        json!({
            "now": sums.now.to_string(),
            "per_month": sums.month.to_string(),
            "currency": sums.currency,
            "complete": sums.unknown.is_empty(),
            "unknown": sums.unknown,
        })
    };
    let row = |row: &PriceRow| {
        json!({
            "bundle_id": row.shape.bundle_id,
            "blueprint_id": row.shape.blueprint_id,
            "period": row.shape.period,
            "renew_flag": row.shape.renew_flag,
            "count": row.addresses.len(),
            "addresses": row.addresses,
            "price": sums(&row.sums),
        })
    };
    json!({
        "format_version": "1.0",
        "stack": desired.stack,
        "region": desired.region,
        "shapes": report.shapes.iter().map(row).collect::<Vec<Value>>(),
        "total": sums(&report.total),
        "pending": checks::price(&report.pending.plan.checks),
    })
}

fn in_words(session: &Session, report: &PriceReport, console: Console) -> String {
    let mark = sandbox_mark(session.sandbox);
    let row = |row: &PriceRow| {
        let known = |amount: String| if row.sums.unknown.is_empty() { amount } else { "not known".to_owned() };
        vec![
            row.addresses.len().to_string(),
            row.shape.bundle_id.clone(),
            row.shape.blueprint_id.clone(),
            row.shape.period.to_string(),
            known(row.sums.now.to_string()),
            known(row.sums.month.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = report.shapes.iter().map(row).collect();
    let headings = ["", "BUNDLE", "BLUEPRINT", "MONTHS", "NOW", "A MONTH"];
    let mut out = table(&headings, &rows, 0, console.stdout);
    if !rows.is_empty() {
        out.push('\n');
    }
    for row in report.shapes.iter().filter(|row| !row.sums.unknown.is_empty()) {
        let text = format!("price of {}: not checked: {}", compact(&row.addresses), row.sums.unknown.join("; "));
        out.push_str(&format!("{}: {}\n", console.stdout.paint(Label::Found, "note"), wrap(&text, 6, 6)));
    }
    let Sums { now, month, currency, unknown } = &report.total;
    let whole = match (rows.is_empty(), currency.is_empty(), unknown.is_empty()) {
        (true, ..) => "The manifest wants no instance.".to_owned(),
        (_, true, _) => "The price is not known.".to_owned(),
        (_, _, true) => format!("Whole manifest: {now} {currency} to buy it anew, {month} {currency} a month."),
        _ => format!(
            "Whole manifest: {now} {currency} to buy it anew, {month} {currency} a month, and what is not known."
        ),
    };
    out.push_str(&format!("{}{mark}\n", console.stdout.paint(Label::Heading, &wrap(&whole, 0, 6))));
    let pending = match &report.pending.plan.checks.quote {
        Some(quote) if quote.buys => {
            let rest = if quote.unknown.is_empty() { "" } else { ", and what is not known" };
            let currency = &quote.currency;
            match currency.is_empty() {
                true => "Pending: the price is not known.".to_owned(),
                false => format!(
                    "Pending: {} to add: {} {currency} now, {} {currency} a month{rest}.",
                    report.summary.to_add(),
                    quote.now,
                    quote.month
                ),
            }
        }
        _ => "Pending: nothing that costs money.".to_owned(),
    };
    out + &format!("{}{mark}\n", wrap(&pending, 0, 6))
}
