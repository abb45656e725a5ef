//! `lhprov import`: takes over what lhprov did not buy.

use crate::cli::args::{Global, ImportArgs, ReportArgs};
use crate::cli::env;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host;
use crate::cli::load;
use crate::cli::session::{self, Ended};
use crate::event::EventSink;
use crate::model::address::compact;
use crate::model::{Address, InstanceId};
use crate::ops::{self, ImportReport, ImportWhat, Tagged, Texts};
use crate::report::console::Console;
use crate::report::style::Label;
use crate::report::text::{count, sandbox_mark};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// Imports.
pub fn run(global: &Global, own: &ImportArgs, console: Console) -> Result<Exit, Failure> {
    let what = what(own)?;
    session::with_events(own.cloud.events.as_ref(), session::Nature::Changes, console, |sinks| {
        import(global, own, &what, console, sinks)
    })
}

fn what(own: &ImportArgs) -> Result<ImportWhat, Failure> {
    if let (Some(address), Some(id)) = (&own.address, &own.id) {
        let address: Address = address.parse().map_err(|error| Failure::of(Exit::Usage, error))?;
        if !id.starts_with("lhins-") {
            let failure = Failure::usage(format!("`{id}` is not the id of an instance"));
            return Err(failure.help("ids look like lhins-abc12345; the address comes first, then the id"));
        }
        return Ok(ImportWhat::One(address, InstanceId(id.clone())));
    }
    if !own.all && own.tag.is_empty() && own.zone.is_empty() && own.name.is_empty() {
        return Err(Failure::usage("nothing says what to import")
            .help("one instance: `lhprov import ADDRESS ID`")
            .help("several: --all, --tag KEY=VALUE, --zone ZONE or --name GLOB"));
    }
    Ok(ImportWhat::Many { tags: own.tag.clone(), zones: own.zone.clone(), names: own.name.clone() })
}

fn import(
    global: &Global,
    own: &ImportArgs,
    what: &ImportWhat,
    console: Console,
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    let run = own.cloud.as_run(ReportArgs::default());
    let loaded = session::load(global, &run, console)?;
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("import", global, &run, loaded, sinks)?;
        let sources = Arc::clone(&session.loaded.sources);
        let given = load::given(global);
        let texts = Texts { sources: &sources, given: &given, environment: &env::variable };
        let importing = ops::import(&session.context, &session.loaded.desired, &texts, what, own.take_over);
        // It is left only where it waits for the cloud: before anything is written, or when all is.
        match session.perform(importing).await? {
            Ok(report) => show(own, &report, session.sandbox, console),
            Err(exit) => Ok(exit.into()),
        }
    });
    runtime.shutdown_background();
    ended
}

fn show(own: &ImportArgs, report: &ImportReport, sandbox: bool, console: Console) -> Result<Ended, Failure> {
    let text = match own.format.is_json() {
        true => format!("{:#}\n", document(report)),
        false => text(report, sandbox, console),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done.into())
}

fn document(report: &ImportReport) -> Value {
    let imported: Vec<Value> =
        report.imported.iter().map(|(address, id)| json!({"address": address, "instance_id": id})).collect();
    let left: Vec<Value> = report
        .left
        .iter()
        .map(|(id, name, why)| json!({"instance_id": id, "instance_name": name, "why": why}))
        .collect();
    let differs: Vec<Value> =
        report.differs.iter().map(|(address, names)| json!({"address": address, "attributes": names})).collect();
    let ignored: Vec<Value> =
        report.ignored.iter().map(|(block, names)| json!({"block": block, "attributes": names})).collect();
    json!({
        "format_version": "1.0",
        "imported": imported,
        "left": left,
        "manifest": report.manifest,
        "differs": differs,
        "ignored": ignored,
        "tagged": tagged_value(&report.tagged),
    })
}

/// The tags for programs.
pub(super) fn tagged_value(tagged: &Tagged) -> Value {
    let refused: Vec<Value> = tagged
        .refused
        .iter()
        .map(|(address, id, why)| json!({"address": address, "instance_id": id, "why": why}))
        .collect();
    json!({"set": tagged.set, "refused": refused})
}

fn text(report: &ImportReport, sandbox: bool, console: Console) -> String {
    let mark = sandbox_mark(sandbox);
    let mut out = String::new();
    for (address, id) in &report.imported {
        let _ = writeln!(out, "  <- {address}  {id}");
    }
    let into = match &report.manifest {
        Some(path) => format!(" into state and {path}"),
        None => " into the state".to_owned(),
    };
    let heading = match report.imported.len() {
        0 => "Nothing to import.".to_owned(),
        n => format!("Imported {}{into}: {}.", count(n, "instance"), compact(report.imported.iter().map(|(a, _)| a))),
    };
    let _ = writeln!(out, "{}{mark}", console.stdout.paint(Label::Heading, &heading));
    for (id, name, why) in &report.left {
        let _ = writeln!(out, "left: {id} (`{name}`) {why}");
    }
    for (address, names) in &report.differs {
        let _ = writeln!(
            out,
            "note: `{address}` differs from the manifest in {}; `lhprov plan` shows it",
            names.join(", ")
        );
    }
    for (block, names) in &report.ignored {
        let _ = writeln!(
            out,
            "note: `defaults` would change {} of `{block}`; the new block ignores that, see its `ignore_changes`",
            names.join(", ")
        );
    }
    out.push_str(&tagged_text(&report.tagged));
    out
}

/// What is to be said of tags that were refused.
pub(super) fn tagged_text(tagged: &Tagged) -> String {
    let mut out = String::new();
    for (address, id, why) in &tagged.refused {
        let _ = writeln!(out, "warning: the ownership tags of `{address}` ({id}) could not be set: {why}");
    }
    if !tagged.refused.is_empty() {
        out.push_str("  Without them an instance is not found again if the state is lost. Keep the state, or allow\n");
        out.push_str("  tag:ModifyResourceTags, or write `ownership: name` into the manifest.\n");
    }
    out
}
