//! `lhprov output`: what the last apply told, and the fleet in the words of other programs. Nothing is asked of the cloud.

use super::state::read;
use crate::cli::args::{Global, OutputArgs, OutputFormat};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::diag::did_you_mean;
use crate::report::console::Console;
use crate::report::outputs::{self, Host};
use crate::state::PriorState;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tags that lhprov sets begin so.
const OWN_TAG_PREFIX: &str = "lhprov-";

/// Prints outputs, or the fleet.
pub fn run(global: &Global, own: &OutputArgs, console: Console) -> Result<Exit, Failure> {
    let format = own.format();
    if let (Some(name), OutputFormat::AnsibleInventory | OutputFormat::SshConfig) = (&own.name, format) {
        return Err(Failure::usage(format!("`{name}` is one output, and this format is for the whole fleet"))
            .help("leave the name out, or the format"));
    }
    let (store, state) = read(global, console)?;
    let told = state.as_ref().map(|state| state.outputs.clone()).unwrap_or_default();
    let text = match (&own.name, format) {
        (_, OutputFormat::AnsibleInventory | OutputFormat::SshConfig) => {
            let stack = state.as_ref().map_or("", |state| state.binding.stack.as_str());
            let hosts = hosts(state.as_ref());
            match format {
                OutputFormat::AnsibleInventory => outputs::ansible_inventory(stack, &hosts),
                _ => outputs::ssh_config(stack, &hosts),
            }
        }
        (Some(name), format) => {
            let Some(value) = told.get(name) else {
                return Err(unknown(name, &told, &store.path().display().to_string()));
            };
            match format {
                OutputFormat::Json => format!("{value:#}\n"),
                OutputFormat::Env => outputs::env(&BTreeMap::from([(name.clone(), value.clone())])),
                _ if value.is_null() => {
                    return Err(Failure::new(Exit::Error, format!("the output `{name}` is not known yet"))
                        .help("it is once all of its instances run: apply again"));
                }
                _ => outputs::one(value),
            }
        }
        (None, OutputFormat::Json) => format!("{:#}\n", json!(told)),
        (None, OutputFormat::Env) => outputs::env(&told),
        (None, _) if told.is_empty() => {
            console.say(&format!("{} has no outputs.\n", store.path().display()));
            String::new()
        }
        (None, _) => outputs::text(&told),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn unknown(name: &str, told: &BTreeMap<String, Value>, path: &str) -> Failure {
    let failure = Failure::new(Exit::Error, format!("{path} has no output `{name}`"));
    match did_you_mean(name, told.keys().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help("outputs are written under `outputs` of the manifest, and recorded by the next apply"),
    }
}

fn hosts(state: Option<&PriorState>) -> Vec<Host> {
    let instances = state.iter().flat_map(|state| &state.instances);
    instances
        .map(|(address, recorded)| {
            let seen = &recorded.attributes;
            let private_address = seen.private_addresses.first().cloned();
            Host {
                address: address.clone(),
                instance_id: recorded.instance_id.to_string(),
                instance_name: seen.instance_name.clone(),
                zone: seen.zone.clone(),
                reached_at: seen.public_addresses.first().cloned().or_else(|| private_address.clone()),
                private_address,
                tags: seen
                    .tags
                    .iter()
                    .filter(|(key, _)| !key.starts_with(OWN_TAG_PREFIX))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            }
        })
        .collect()
}
