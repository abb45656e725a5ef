//! `lhprov plan`: what apply would do.

use crate::cli::args::{Global, PlanArgs, ReportFormat};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::github;
use crate::cli::hints;
use crate::cli::host;
use crate::cli::paper::Paper;
use crate::cli::saved;
use crate::cli::session::{self, Ended, Nature, Session};
use crate::cli::variables;
use crate::event::EventSink;
use crate::model::{InstanceId, shell};
use crate::ops::{self, PlanOptions, PlanReport};
use crate::plan::change::ADOPT;
use crate::report::console::Console;
use crate::report::human::plan::{PlanText, render};
use crate::report::json::plan::{PlanDocument, write};
use crate::report::markdown::{self, PlanPage};
use crate::state::AppliedSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

/// Plans and shows the plan.
pub fn run(global: &Global, own: &PlanArgs, console: Console) -> Result<Exit, Failure> {
    let paper = Paper::new("plan", own.run.format.format(), console);
    session::with_events(own.run.events.as_ref(), Nature::Reads, console, |sinks| {
        paper.told(plan(global, own, &paper, console, sinks))
    })
}

fn plan(
    global: &Global,
    own: &PlanArgs,
    paper: &Paper,
    console: Console,
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    if let Some(path) = &own.save.out {
        saved::check_target(path)?;
    }
    let loaded = session::load(global, &own.run, console)?;
    paper.is_about(loaded.desired.stack.as_str());
    if let (true, Some(address)) = (own.save.destroy, own.run.replace.first()) {
        return Err(Failure::usage(format!("--replace {address} has no meaning where everything goes")));
    }
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("plan", global, &own.run, loaded, sinks)?;
        let options = PlanOptions {
            refresh: !own.no_refresh,
            buy_anyway: own.run.buy_anyway,
            confirm_gone: own.run.confirm_gone,
            destroy: own.save.destroy,
            purge: own.run.purge,
            adopt: own.save.adopt,
            preflight: !own.run.no_preflight,
            ceilings: variables::tighten(own.run.ceilings())?,
            bind: own.save.out.is_some(),
        };
        if options.refresh {
            tokio::select! {
                biased;
                signal = session.signals.early() => return Ok(Exit::Interrupted(signal).into()),
                ready = session.authenticate() => ready?,
            }
        }
        let planning = ops::plan(&session.context, &session.loaded.desired, options);
        let report = tokio::select! {
            biased;
            signal = session.signals.early() => return Ok(Exit::Interrupted(signal).into()),
            report = planning => report,
        };
        match report {
            Ok(mut report) => {
                hints::complete_plan(&mut report.planned);
                let ended = show((global, own), &session, &report, paper, console);
                // The process ends here: the memory of a large fleet is not given back piece by piece.
                std::mem::forget((report, session.loaded));
                ended
            }
            Err(error) => Err(Failure::of_operation(error, session.loaded.sources)),
        }
    });
    // A name that is being looked up must not hold the end up.
    runtime.shutdown_background();
    ended
}

fn show(
    (global, own): (&Global, &PlanArgs),
    session: &Session,
    report: &PlanReport,
    paper: &Paper,
    console: Console,
) -> Result<Ended, Failure> {
    let planned = &report.planned;
    let sources = &session.loaded.sources;
    let exit = if planned.diagnostics.has_errors() {
        Exit::Error
    } else if !planned.blocked.is_empty() || !planned.plan.checks.violations.is_empty() {
        Exit::Refused
    } else if !planned.plan.checks.failures.is_empty() {
        Exit::Preflight
    } else if own.detailed_exitcode && !planned.plan.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    };
    let (stack, region) = (session.loaded.desired.stack.as_str(), session.loaded.desired.region.as_str());
    let shown = PlanText {
        plan: &planned.plan,
        blocked: &planned.blocked,
        adopted: &planned.adopted,
        consented: &own.save.consents(),
        sandbox: session.sandbox,
        refreshed: !own.no_refresh,
        sources: Some(sources),
    };
    // The document has what the checks found by itself; everybody else is told of it here.
    let found = planned.everything_found();
    paper
        .publish(|| markdown::plan(PlanPage { command: "plan", stack, region, shown, diagnostics: &found, sources }))
        .map_err(|error| Failure::output(&error))?;
    if paper.format() == ReportFormat::Json {
        github::annotate(&found, sources, console);
        console
            .result_with(|out| write_document(own, session, report, out))
            .map_err(|error| Failure::output(&error))?;
        save((global, own), session, report, exit, console)?;
        return Ok(exit.into());
    }
    github::say_problems(&found, sources, console);
    // A plan with errors in it is no plan; what is wrong was said.
    if exit != Exit::Error && paper.format() == ReportFormat::Text {
        let text = render(shown, own.run.view(), console.stdout);
        console.result(&text).map_err(|error| Failure::output(&error))?;
    }
    save((global, own), session, report, exit, console)?;
    Ok(exit.into())
}

/// The plan document.
fn write_document(own: &PlanArgs, session: &Session, report: &PlanReport, out: &mut dyn Write) -> io::Result<()> {
    let planned = &report.planned;
    let specs: BTreeMap<&InstanceId, &AppliedSpec> =
        report.prior.instances.values().map(|recorded| (&recorded.instance_id, &recorded.spec)).collect();
    let before = |id: &InstanceId| specs.get(id).filter(|spec| !spec.is_null()).map(|spec| spec.to_value());
    let document = PlanDocument {
        plan: &planned.plan,
        blocked: &planned.blocked,
        adopted: &planned.adopted,
        diagnostics: &planned.diagnostics,
        sources: &session.loaded.sources,
        stack: session.loaded.desired.stack.as_str(),
        region: &session.loaded.desired.region,
        inputs: inputs(own, session, report),
        before: &before,
    };
    write(&document, out)
}

/// Saves the plan where that is wanted, unless it must not be applied, and says how it is carried out.
fn save(
    (global, own): (&Global, &PlanArgs),
    session: &Session,
    report: &PlanReport,
    exit: Exit,
    console: Console,
) -> Result<(), Failure> {
    let Some(path) = &own.save.out else { return Ok(()) };
    if matches!(exit, Exit::Error | Exit::Refused | Exit::Preflight) {
        console.say(&format!("{} was not written: this plan may not be applied.\n", path.display()));
        return Ok(());
    }
    let mut bytes = Vec::new();
    write_document(own, session, report, &mut bytes).map_err(|error| Failure::output(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    saved::write(path, &text, global, own, (&session.loaded, &session.context.endpoint, report))?;
    let mut words = vec!["lhprov apply".to_owned(), shell::quoted(&path.to_string_lossy()).into_owned()];
    words.extend(session.sandbox.then(|| "--sandbox".to_owned()));
    let given = own.save.consents();
    let needs = report.planned.plan.needs.iter().map(|need| need.flag).filter(|flag| !given.contains(flag));
    words.extend(needs.map(str::to_owned));
    if !report.planned.adopted.is_empty() && !own.save.adopt && !words.iter().any(|word| word == ADOPT) {
        words.push(ADOPT.to_owned());
    }
    console.say(&format!("Saved to {}. To carry it out: {}\n", path.display(), words.join(" ")));
    Ok(())
}

fn inputs(own: &PlanArgs, session: &Session, report: &PlanReport) -> Value {
    let files: Vec<&str> = session.loaded.sources.all().into_iter().map(|id| session.loaded.sources.path(id)).collect();
    json!({
        "manifest": files,
        "variables": session.loaded.desired.variables,
        "state": session.context.store.path(),
        "serial": report.prior.serial,
        "site": session.loaded.desired.site,
        "endpoint": session.context.endpoint,
        "sandbox": session.sandbox,
        "refreshed": !own.no_refresh,
        "only": session.context.select.only,
        "skip": session.context.select.skip,
        "selected": report.planned.selected,
    })
}
