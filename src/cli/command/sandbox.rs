//! `lhprov sandbox serve`, `status` and `reset`.

use crate::cli::args::{Global, SandboxArgs, SandboxCommand, SandboxFlags};
use crate::cli::connect::{faults, settings};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host::{self, SystemClock};
use crate::cli::signals::Signals;
use crate::clock::Clock as _;
use crate::disk::suffixed;
use crate::report::console::Console;
use crate::report::human::table::table;
use crate::report::style::Label;
use crate::sandbox::port::ENDPOINT;
use crate::sandbox::server::{ServeOptions, bind};
use crate::sandbox::store::{Status, Store, reset};
use crate::state::codec;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Runs a command of `sandbox`.
pub fn run(global: &Global, own: &SandboxArgs, console: Console) -> Result<Exit, Failure> {
    match &own.command {
        SandboxCommand::Serve { listen, tls, data, flags } => {
            serve(&data.folder(global), *listen, *tls, flags, console)
        }
        SandboxCommand::Status { data, format } => status(&data.folder(global), format.is_json(), console),
        SandboxCommand::Reset { data } => forget(&data.folder(global), console),
    }
}

/// Serves until a signal comes. A server that was told to end has done what it was for.
fn serve(
    folder: &Path,
    listen: SocketAddr,
    tls: bool,
    flags: &SandboxFlags,
    console: Console,
) -> Result<Exit, Failure> {
    let settings = settings(folder, flags, None)?;
    let faults = faults(&settings, flags)?;
    let options = ServeOptions { listen, data: Some(folder.to_owned()), tls, settings, faults };
    let runtime = host::serving_runtime()?;
    runtime.block_on(async {
        let signals = Signals::listen()?;
        let server = bind(options, Arc::new(SystemClock)).await?;
        console.result(&server.announce()).map_err(|error| Failure::output(&error))?;
        console.say("The sandbox serves until Ctrl-C.\n");
        let shutdown = async move {
            signals.early().await;
        };
        server.run(shutdown).await?;
        Ok(Exit::Done)
    })
}

fn status(folder: &Path, as_json: bool, console: Console) -> Result<Exit, Failure> {
    let status = match folder.exists() {
        true => Store::open(folder, settings(folder, &SandboxFlags::default(), None)?)?.status(SystemClock.now())?,
        false => Status::default(),
    };
    let text = match as_json {
        true => format!(
            "{:#}\n",
            json!({
                "format_version": "1.0",
                "folder": folder,
                "instances": status.instances,
                "calls": status.counts.calls,
                "faults": status.counts.faults,
            })
        ),
        false => overview(folder, &status, console),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn overview(folder: &Path, status: &Status, console: Console) -> String {
    let heading = format!("Sandbox in {}.", folder.display());
    let mut out = format!("{}\n", console.stdout.paint(Label::Heading, &heading));
    let parts: [(&str, &BTreeMap<String, u64>); 3] =
        [("Instances", &status.instances), ("Calls", &status.counts.calls), ("Faults", &status.counts.faults)];
    for (title, counts) in parts {
        if counts.is_empty() {
            continue;
        }
        let rows: Vec<Vec<String>> =
            counts.iter().map(|(what, number)| vec![what.clone(), number.to_string()]).collect();
        out.push_str(&format!("\n{title}:\n{}", table(&[], &rows, 2, console.stdout)));
    }
    if status.instances.is_empty() {
        out.push_str("\nIt has no instance.\n");
    }
    out
}

/// Forgets the account, and with it the states that speak of it: beside an empty account they would be untrue.
fn forget(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let mut any = reset(folder)?;
    any |= forget_states(folder)
        .map_err(|error| Failure::new(Exit::Error, format!("failed to clear {}: {error}", folder.display())))?;
    let text = match any {
        true => format!("The sandbox in {} is as new.\n", folder.display()),
        false => format!("There is no sandbox in {}.\n", folder.display()),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// Removes states of the sandbox and the files beside them; whatever else is in the folder is not ours.
fn forget_states(folder: &Path) -> std::io::Result<bool> {
    let mut any = false;
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let state = match name.strip_suffix(".journal") {
            Some(state) if state.ends_with(".json") => path.with_file_name(state),
            // The name that older versions gave a journal.
            Some(_) => path.with_extension("json"),
            None if name.ends_with(".json") => path.clone(),
            None => continue,
        };
        let is_ours = match std::fs::read(&state) {
            Ok(bytes) => codec::decode(&bytes).is_ok_and(|state| state.binding.endpoint == ENDPOINT),
            // The journal of a first run that was cut short.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if is_ours {
            let beside =
                [".backup", ".journal", ".lock", ".begun", ".unfinished"].map(|suffix| suffixed(&state, suffix));
            let old = ["journal", "lock", "begun"].map(|extension| state.with_extension(extension));
            for file in [state].into_iter().chain(beside).chain(old) {
                match std::fs::remove_file(&file) {
                    Ok(()) => any = true,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(any)
}
