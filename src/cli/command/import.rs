//! `lhprov import`: takes over what lhprov did not buy.

use crate::cli::args::{Global, ImportArgs, ReportArgs};
use crate::cli::env;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host;
use crate::cli::load::{self, Loaded};
use crate::cli::session::{self, Ended};
use crate::diag::SourceId;
use crate::event::EventSink;
use crate::manifest::Sources;
use crate::manifest::edit::{Editor, Yaml};
use crate::manifest::source::MANIFEST_DEFAULT;
use crate::model::address::compact;
use crate::model::{Address, InstanceId};
use crate::ops::{self, ImportReport, ImportWhat, OnDisk, Tagged, Texts};
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
    let (loaded, written) = load_to_complete(global, own, console)?;
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open("import", global, &run, loaded, sinks)?;
        let sources = Arc::clone(&session.loaded.sources);
        let given = load::given(global);
        let on_disk = match &written {
            Written::AsLoaded => OnDisk::Same,
            Written::WithoutInstances(written) => OnDisk::Without(written),
            Written::NotYet => OnDisk::Absent,
        };
        let texts = Texts { sources: &sources, given: &given, environment: &env::variable, on_disk };
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

/// How the manifest of an import is on disk.
enum Written {
    AsLoaded,
    /// Without `instances`, which the import adds.
    WithoutInstances(Sources),
    /// Not at all: the import creates it.
    NotYet,
}

/// Loads the manifest that gets the blocks. One without `instances` will do, and where there is none, it begins with what the
/// command line says.
fn load_to_complete(global: &Global, own: &ImportArgs, console: Console) -> Result<(Loaded, Written), Failure> {
    if !load::has_manifest(global) {
        let (loaded, text) = (own.stack.as_deref(), own.all || own.address.is_none());
        let Some(stack) = loaded.filter(|_| text) else {
            return Err(Failure::new(
                Exit::Error,
                format!("there is no {MANIFEST_DEFAULT} here, and no stack is named"),
            )
            .help("to create it: `lhprov import --all --stack NAME --region REGION`")
            .help("or say where the manifest is with --file"));
        };
        let Some(region) = global.region.as_deref() else {
            return Err(
                Failure::usage("no region given for the new manifest").help("add --region, such as ap-guangzhou")
            );
        };
        let text = format!(
            "version: 1\nstack: {}\nregion: {}\ninstances: {{}}\n",
            Yaml::Text(stack.to_owned()).to_text(),
            Yaml::Text(region.to_owned()).to_text()
        );
        let loaded = load::of_sources(global, Sources::from_texts([(MANIFEST_DEFAULT, text)]), console)?;
        return Ok((loaded, Written::NotYet));
    }
    let (desired, sources, diagnostics) = load::read(global);
    let has_instances =
        |id: &SourceId| Editor::new(sources.text(*id), *id).is_none_or(|editor| editor.has("instances"));
    let lacks_instances =
        desired.is_none() && !sources.files().is_empty() && !sources.files().iter().any(has_instances);
    let loaded = match sources.ids().first().copied().filter(|_| lacks_instances) {
        None => (load::finished(global, (desired, sources, diagnostics), console)?, Written::AsLoaded),
        Some(id) => {
            let text = sources.text(id);
            let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
            let completed = sources.with_text(id, &format!("{text}{newline}instances: {{}}\n"));
            (load::of_sources(global, completed, console)?, Written::WithoutInstances(sources))
        }
    };
    if let Some(stack) = own.stack.as_deref().filter(|stack| *stack != loaded.0.desired.stack.as_str()) {
        return Err(Failure::usage(format!("--stack {stack} is not the manifest's stack, {}", loaded.0.desired.stack))
            .help("leave --stack out, or run this in a folder of its own"));
    }
    Ok(loaded)
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
        "unconfirmed": report.unconfirmed,
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
            "note: `defaults` would change {} of `{block}`, or its instances differ in that; the new block ignores it, see its \
             `ignore_changes`",
            names.join(", ")
        );
    }
    if !report.unconfirmed.is_empty() {
        let _ = writeln!(
            out,
            "note: unconfirmed: {}. Only their tags say that this stack owns them, and another repository with this stack \
             name may; `lhprov apply --adopt` confirms them",
            compact(&report.unconfirmed)
        );
    }
    if report.tagged.set > 0 {
        let _ = writeln!(out, "Ownership tags: {} with those of this stack.", count(report.tagged.set, "instance"));
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
