//! `lhprov state mv`, `rm` and `rebuild`: what puts a state right.

use super::import::{tagged_text, tagged_value};
use crate::cli::args::{Global, ReportArgs, WorkArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hints;
use crate::cli::host;
use crate::cli::session::{self, Session};
use crate::model::address::compact;
use crate::model::{Address, InstanceId};
use crate::ops::{self, OpsError, RebuildReport};
use crate::report::console::Console;
use crate::report::style::Label;
use crate::report::text::{count, sandbox_mark};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What to do with the state.
pub enum Work<'a> {
    /// Another address.
    Move(&'a str, &'a str),
    /// No address.
    Remove(&'a str),
    /// Made again.
    Rebuild,
}

/// Does it.
pub fn run(global: &Global, work: &Work<'_>, own: &WorkArgs, console: Console) -> Result<Exit, Failure> {
    let parse =
        |text: &str| -> Result<Address, Failure> { text.parse().map_err(|error| Failure::of(Exit::Usage, error)) };
    let (command, addresses) = match work {
        Work::Move(from, to) => ("state mv", vec![parse(from)?, parse(to)?]),
        Work::Remove(address) => ("state rm", vec![parse(address)?]),
        Work::Rebuild => ("state rebuild", Vec::new()),
    };
    session::with_events(own.cloud.events.as_ref(), session::Nature::Changes, console, |sinks| {
        let run = own.cloud.as_run(ReportArgs::default());
        let loaded = session::load(global, &run, console)?;
        let runtime = host::runtime()?;
        let ended = runtime.block_on(async {
            let session = session::open(command, global, &run, loaded, sinks)?;
            let working = async {
                match &addresses[..] {
                    [from, to] => moved(&session, from, to).await,
                    [address] => removed(&session, address).await,
                    _ => rebuilt(&session).await,
                }
            };
            let done = match session.perform(working).await? {
                Ok(done) => done,
                Err(exit) => return Ok(exit.into()),
            };
            let text = match own.format.is_json() {
                true => format!("{:#}\n", done.document),
                false => {
                    let mark = sandbox_mark(session.sandbox);
                    format!(
                        "{}{mark}\n{}",
                        console.stdout.paint(Label::Heading, &done.heading),
                        hints::with_flags(&done.notes)
                    )
                }
            };
            console.result(&text).map_err(|error| Failure::output(&error))?;
            Ok(done.exit.into())
        });
        runtime.shutdown_background();
        ended
    })
}

/// What is to be said.
struct Done {
    heading: String,
    notes: String,
    document: Value,
    exit: Exit,
}

async fn moved(session: &Session, from: &Address, to: &Address) -> Result<Done, OpsError> {
    let moved = ops::move_address(&session.context, &session.loaded.desired, from, to).await?;
    let mut notes = String::new();
    if moved.is_wanted_still {
        let _ = writeln!(notes, "note: the manifest still has `{from}`: the next apply buys another instance for it");
    }
    if !moved.is_wanted_there {
        let _ = writeln!(notes, "note: the manifest does not have `{to}`: the next apply returns the instance");
    }
    notes.push_str(&tagged_text(&moved.tagged));
    let document = json!({
        "format_version": "1.0", "from": from, "to": to, "instance_id": moved.instance_id,
        "tagged": tagged_value(&moved.tagged),
    });
    let heading = format!("Moved {} from `{from}` to `{to}`.", moved.instance_id);
    Ok(Done { heading, notes, document, exit: Exit::Done })
}

async fn removed(session: &Session, address: &Address) -> Result<Done, OpsError> {
    let gone = ops::forget(&session.context, &session.loaded.desired, address).await?;
    let ids: Vec<&str> = gone.instance_ids.iter().map(InstanceId::as_str).collect();
    let mut notes = format!(
        "It is only forgotten: {} still runs and costs what it did. Back with `lhprov import {} {}`.\n",
        if ids.len() == 1 { "the instance" } else { "each instance" },
        address.quoted(),
        ids.first().unwrap_or(&"ID"),
    );
    if gone.is_wanted_still {
        let _ = writeln!(
            notes,
            "note: the manifest still has `{address}`: the next apply takes it over again, if it is found by its tags or name"
        );
    }
    let document = json!({"format_version": "1.0", "address": address, "instance_ids": gone.instance_ids});
    Ok(Done { heading: format!("Forgot {} at `{address}`.", ids.join(", ")), notes, document, exit: Exit::Done })
}

async fn rebuilt(session: &Session) -> Result<Done, OpsError> {
    let report = ops::rebuild(&session.context, &session.loaded.desired).await?;
    // What is known is written; what is not is for people to say.
    let exit = if report.unclear.is_empty() { Exit::Done } else { Exit::Refused };
    let unclear: Vec<Value> = report
        .unclear
        .iter()
        .map(|(id, name, why)| json!({"instance_id": id, "instance_name": name, "why": why}))
        .collect();
    let found: Vec<Value> =
        report.found.iter().map(|(address, id)| json!({"address": address, "instance_id": id})).collect();
    let document = json!({
        "format_version": "1.0", "known": report.known, "found": found, "unclear": unclear,
        "unwanted": report.unwanted, "missing": report.missing, "exit_code": exit.code(),
    });
    let path = session.context.store.path().display();
    let heading = match report.found.len() {
        0 => format!("Found nothing that {path} does not record."),
        n => format!("Found {} for {path}: {}.", count(n, "instance"), compact(report.found.iter().map(|(a, _)| a))),
    };
    Ok(Done { heading, notes: rebuilt_notes(&report), document, exit })
}

fn rebuilt_notes(report: &RebuildReport) -> String {
    let mut notes = String::new();
    for (address, id) in &report.found {
        let _ = writeln!(notes, "  <- {address}  {id}");
    }
    if !report.found.is_empty() {
        notes.push_str("Unconfirmed: another repository with this stack name may own what was found.\n");
        notes.push_str("  help: if this stack owns it, `lhprov apply --adopt` confirms that\n");
    }
    if report.known > 0 {
        let _ = writeln!(notes, "Recorded already, and left as it was: {}.", count(report.known, "instance"));
    }
    for (id, name, why) in &report.unclear {
        let _ = writeln!(notes, "unclear: {id} (`{name}`): {why}");
        let _ = writeln!(notes, "  help: say where it belongs with `lhprov import ADDRESS {id}`");
    }
    if !report.missing.is_empty() {
        let _ = writeln!(notes, "Not found: {}; the next apply buys what is missing.", compact(&report.missing));
    }
    if !report.unwanted.is_empty() {
        let _ = writeln!(notes, "Not in the manifest, and protected until it is: {}.", compact(&report.unwanted));
        notes.push_str("  help: `lhprov import --all` writes the blocks\n");
    }
    notes
}
