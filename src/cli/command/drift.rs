//! `lhprov drift`: is the cloud still as it was left, and until when is it paid?

use crate::cli::args::{DriftArgs, Global, ReportFormat, RunArgs};
use crate::cli::env;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host;
use crate::cli::load::{self, Loaded};
use crate::cli::paper::Paper;
use crate::cli::session::{self, Ended, Nature, Session};
use crate::event::EventSink;
use crate::ops::{self, DriftReport, Texts};
use crate::plan::drift::Due;
use crate::report::console::Console;
use crate::report::human::drift::{DriftText, render};
use crate::report::json::plan::drift_values;
use crate::report::markdown;
use crate::report::style::Label;
use crate::report::text::{count, sandbox_mark};
use serde_json::{Value, json};
use std::sync::Arc;

/// Compares and shows what differs.
pub fn run(global: &Global, own: &DriftArgs, console: Console) -> Result<Exit, Failure> {
    let paper = Paper::new("drift", own.format.format(), console);
    session::with_events(own.cloud.events.as_ref(), Nature::Reads, console, |sinks| {
        paper.told(drift(global, own, (&paper, console), sinks))
    })
}

fn drift(
    global: &Global,
    own: &DriftArgs,
    (paper, console): (&Paper, Console),
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    let mut run = own.cloud.as_run(own.format.clone());
    run.select = own.select.clone();
    let loaded = session::load(global, &run, console)?;
    paper.is_about(loaded.desired.stack.as_str());
    if let Some(addresses) = &own.accept {
        if own.format.format() == ReportFormat::Markdown {
            return Err(Failure::usage("--accept has no result as markdown").help("leave --format out, or take json"));
        }
        if own.expires_within.is_some() {
            return Err(Failure::usage("--accept and --expires-within have nothing to do with one another"));
        }
        return accept(global, own, &run, addresses, loaded, console, sinks);
    }
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("drift", global, &run, loaded, sinks)?;
        let looking = ops::drift(&session.context, &session.loaded.desired, own.expires_within);
        match session.perform(looking).await? {
            Ok(report) => show(own, &session, &report, paper, console),
            Err(exit) => Ok(exit.into()),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Lets the manifest follow.
fn accept(
    global: &Global,
    own: &DriftArgs,
    run: &RunArgs,
    addresses: &[String],
    loaded: Loaded,
    console: Console,
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("drift", global, run, loaded, sinks)?;
        let sources = Arc::clone(&session.loaded.sources);
        let given = load::given(global);
        let texts = Texts { sources: &sources, given: &given, environment: &env::variable, on_disk: ops::OnDisk::Same };
        let accepting = ops::accept(&session.context, &session.loaded.desired, &texts, addresses);
        let report = match session.perform(accepting).await? {
            Ok(report) => report,
            Err(exit) => return Ok(exit.into()),
        };
        let text = if own.format.format() == ReportFormat::Json {
            let document = json!({
                "format_version": "1.0",
                "accepted": drift_values(&report.accepted),
                "manifest": report.manifest,
            });
            format!("{document:#}\n")
        } else {
            let mut lines: Vec<String> = report
                .accepted
                .iter()
                .map(|drift| match &drift.what {
                    Some(what) => format!("  {}  {what}\n", drift.address),
                    None => format!("  {}  {}: {} → {}\n", drift.address, drift.name(), drift.applied, drift.live),
                })
                .collect();
            let mark = sandbox_mark(session.sandbox);
            let heading = match &report.manifest {
                Some(path) => format!("Accepted into {path}: {}.", count(report.accepted.len(), "difference")),
                None => "No drift to accept.".to_owned(),
            };
            lines.insert(0, format!("{}{mark}\n", console.stdout.paint(Label::Heading, &heading)));
            lines.concat()
        };
        console.result(&text).map_err(|error| Failure::output(&error))?;
        Ok(Exit::Done.into())
    });
    runtime.shutdown_background();
    ended
}

fn show(
    own: &DriftArgs,
    session: &Session,
    report: &DriftReport,
    paper: &Paper,
    console: Console,
) -> Result<Ended, Failure> {
    let exit = if report.is_clean() { Exit::Done } else { Exit::Drift };
    let shown = DriftText {
        drift: &report.drift,
        paid: &report.paid,
        instances: report.instances,
        within: own.expires_within,
        unreported: &report.unreported,
        sandbox: session.sandbox,
    };
    let desired = &session.loaded.desired;
    paper
        .publish(|| markdown::drift(desired.stack.as_str(), &desired.region, shown))
        .map_err(|error| Failure::output(&error))?;
    let text = if paper.format() == ReportFormat::Markdown {
        return Ok(exit.into());
    } else if paper.format() == ReportFormat::Json {
        let paid: Vec<Value> = report
            .paid
            .iter()
            .map(|paid| {
                json!({
                    "address": paid.address, "instance_id": paid.instance_id, "until": paid.until,
                    "renews": paid.renews,
                    "due": match paid.due { Due::Yes => Some(true), Due::No => Some(false), Due::Unknown => None },
                })
            })
            .collect();
        let counted = report.unreported.counted();
        let not_reported: Vec<Value> =
            counted.map(|(field, number)| json!({"field": field, "instances": number})).collect();
        let document = json!({
            "format_version": "1.0",
            "stack": session.loaded.desired.stack,
            "region": session.loaded.desired.region,
            "drift": drift_values(&report.drift),
            "paid": paid,
            "not_reported": not_reported,
            "exit_code": exit.code(),
        });
        format!("{document:#}\n")
    } else {
        render(shown, console.stdout)
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(exit.into())
}
