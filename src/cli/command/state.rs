//! `lhprov show`, `lhprov state list` and `lhprov state show`: what the state records. Nothing is asked of the cloud.

use super::state_work::{self, Work};
use crate::cli::args::{Global, StateArgs, StateCommand};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load;
use crate::diag::did_you_mean;
use crate::model::{Address, Timestamp};
use crate::report::console::Console;
use crate::report::human::table::table;
use crate::report::style::Label;
use crate::report::text::{count, members, sandbox_mark, wrap};
use crate::state::{PriorState, RecordedInstance, Store};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Shows everything.
pub fn show(global: &Global, address: Option<&str>, as_json: bool, console: Console) -> Result<Exit, Failure> {
    let (store, state) = read(global, console)?;
    if let Some(address) = address {
        return show_one(&store, state.as_ref(), address, as_json, console);
    }
    let text = match as_json {
        true => format!("{:#}\n", document(state.as_ref())),
        false => overview(&store, state.as_ref(), console),
    };
    print(&text, console)
}

/// Whether the state can be read and has an instance there.
pub(super) fn knows(global: &Global, address: &str, console: Console) -> bool {
    read(global, console).is_ok_and(|(store, state)| find(&store, state.as_ref(), address).is_ok())
}

/// Runs a command of `state`.
pub fn run(global: &Global, own: &StateArgs, console: Console) -> Result<Exit, Failure> {
    match &own.command {
        StateCommand::List => {
            let (_, state) = read(global, console)?;
            // The result is a list of addresses for programs, so the mark goes to people beside it.
            if let Some(note) = state.as_ref().and_then(unconfirmed_note) {
                console.say(&format!("{note}\n"));
            }
            let lines = state.iter().flat_map(|state| state.instances.keys()).map(|address| format!("{address}\n"));
            print(&lines.collect::<String>(), console)
        }
        StateCommand::Show { address, format } => {
            let (store, state) = read(global, console)?;
            show_one(&store, state.as_ref(), address, format.is_json(), console)
        }
        StateCommand::Move { from, to, work } => state_work::run(global, &Work::Move(from, to), work, console),
        StateCommand::Remove { address, work } => state_work::run(global, &Work::Remove(address), work, console),
        StateCommand::Rebuild { work } => state_work::run(global, &Work::Rebuild, work, console),
    }
}

fn show_one(
    store: &Store,
    state: Option<&PriorState>,
    address: &str,
    as_json: bool,
    console: Console,
) -> Result<Exit, Failure> {
    let (address, recorded) = find(store, state, address)?;
    let one = recorded.to_json();
    let text = match as_json {
        true => format!("{one:#}\n"),
        false => details(address, &one, console),
    };
    print(&text, console)
}

fn print(text: &str, console: Console) -> Result<Exit, Failure> {
    console.result(text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// The state that the command line names, or that of the manifest's stack. With a journal of its own it is not the whole
/// truth, and says so.
pub(super) fn read(global: &Global, console: Console) -> Result<(Store, Option<PriorState>), Failure> {
    let store = match &global.state {
        Some(_) => load::store(global, "")?,
        None => load::store(global, load::load(global, console)?.desired.stack.as_str())?,
    };
    let state = store.load()?;
    if global.state.is_some() && state.is_none() {
        return Err(Failure::new(Exit::Error, format!("there is no state {}", store.path().display())));
    }
    let open = std::fs::metadata(store.journal_path()).is_ok_and(|journal| journal.len() > 0);
    if open {
        console.say(
            "note: an earlier run was cut short; the next apply settles what it left open. `lhprov plan` shows it.\n",
        );
    }
    Ok((store, state))
}

fn find<'a>(
    store: &Store,
    state: Option<&'a PriorState>,
    text: &str,
) -> Result<(&'a Address, &'a RecordedInstance), Failure> {
    let address: Address = text.parse().map_err(|error| Failure::of(Exit::Usage, error))?;
    let found = state.and_then(|state| state.instances.get_key_value(&address));
    found.ok_or_else(|| {
        let failure = Failure::new(Exit::Error, format!("{} has no `{address}`", store.path().display()));
        let known: Vec<String> =
            state.iter().flat_map(|state| state.instances.keys()).map(ToString::to_string).collect();
        match did_you_mean(text, known.iter().map(String::as_str)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("`lhprov state list` prints every address"),
        }
    })
}

fn document(state: Option<&PriorState>) -> Value {
    let Some(state) = state else {
        return json!({"format_version": "1.0", "instances": {}, "deposed": [], "outputs": {}});
    };
    let instances: Map<String, Value> =
        state.instances.iter().map(|(address, recorded)| (address.to_string(), recorded.to_json())).collect();
    let deposed: Vec<Value> = state
        .deposed
        .iter()
        .map(|left| json!({"address": left.address, "instance_id": left.instance_id, "why": left.reason.to_string()}))
        .collect();
    json!({
        "format_version": "1.0",
        "stack": state.binding.stack,
        "site": state.binding.site,
        "region": state.binding.region,
        "endpoint": state.binding.endpoint,
        "account": state.binding.account,
        "lineage": state.lineage,
        "serial": state.serial,
        "instances": instances,
        "deposed": deposed,
        "outputs": state.outputs,
    })
}

/// The unconfirmed instances of a state, and how to confirm them.
fn unconfirmed_note(state: &PriorState) -> Option<String> {
    let unconfirmed: Vec<&Address> =
        state.instances.iter().filter(|(_, recorded)| recorded.unconfirmed).map(|(address, _)| address).collect();
    if unconfirmed.is_empty() {
        return None;
    }
    let text = format!(
        "note: unconfirmed: {}. Only tags or names say that this stack owns what is there, and another repository with this \
         stack name may own it. `lhprov apply --adopt` confirms it; until then it is neither changed nor destroyed.",
        members(unconfirmed)
    );
    Some(wrap(&text, 0, 2))
}

fn overview(store: &Store, state: Option<&PriorState>, console: Console) -> String {
    let palette = console.stdout;
    let Some(state) = state.filter(|state| !state.is_empty()) else {
        return format!("{} records no instance.\n", store.path().display());
    };
    let sandbox = sandbox_mark(state.binding.endpoint == "sandbox");
    let heading = format!(
        "Stack {}, {}: {}.",
        state.binding.stack,
        state.binding.region,
        count(state.instances.len(), "instance")
    );
    let mut out = format!("{}{sandbox}\n\n", palette.paint(Label::Heading, &heading));
    let rows: Vec<Vec<String>> = state
        .instances
        .iter()
        .map(|(address, recorded)| {
            let seen = &recorded.attributes;
            let until = seen.expired_time.map(Timestamp::date).unwrap_or_default();
            let mut state = if seen.state.is_empty() { "not seen yet".to_owned() } else { seen.state.clone() };
            if recorded.unconfirmed {
                state.push_str(", unconfirmed");
            }
            let renews = match seen.renew_flag.as_str() {
                "" => "",
                "NOTIFY_AND_AUTO_RENEW" => "automatically",
                _ => "not by itself",
            };
            let public = seen.public_addresses.join(", ");
            vec![address.to_string(), recorded.instance_id.to_string(), state, public, until, renews.to_owned()]
        })
        .collect();
    out.push_str(&table(&["ADDRESS", "ID", "STATE", "PUBLIC", "PAID UNTIL", "RENEWS"], &rows, 2, palette));
    if let Some(note) = unconfirmed_note(state) {
        let _ = writeln!(out, "\n{note}");
    }
    if !state.deposed.is_empty() {
        let _ = writeln!(out, "\nLeft over, returned by the next apply:");
        let rows: Vec<Vec<String>> = state
            .deposed
            .iter()
            .map(|left| vec![left.address.to_string(), left.instance_id.to_string(), left.reason.to_string()])
            .collect();
        out.push_str(&table(&[], &rows, 2, palette));
    }
    out
}

/// Every value of one instance, one a line.
fn details(address: &Address, one: &Value, console: Console) -> String {
    let mut rows = Vec::new();
    flatten("", one, &mut rows);
    format!("{}\n{}", console.stdout.paint(Label::Heading, &address.to_string()), table(&[], &rows, 2, console.stdout))
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                flatten(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, inner, rows);
            }
        }
        Value::String(text) => rows.push(vec![prefix.to_owned(), text.clone()]),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            rows.push(vec![prefix.to_owned(), items.join(", ")]);
        }
        other => rows.push(vec![prefix.to_owned(), other.to_string()]),
    }
}
