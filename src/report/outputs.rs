//! Outputs for people and shells, and the fleet as files that other programs read.

use crate::model::{Address, Key};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One host of the fleet.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its address in the manifest.
    pub address: Address,
    /// Its id.
    pub instance_id: String,
    /// Its display name.
    pub instance_name: String,
    /// Its zone.
    pub zone: String,
    /// Where it is reached: its first public address, else its first private one; none if it has neither yet.
    pub reached_at: Option<String>,
    /// Its first private address.
    pub private_address: Option<String>,
    /// Its tags, without lhprov's own.
    pub tags: BTreeMap<String, String>,
}

/// `name = value`, one a line, values as JSON.
pub fn text(outputs: &BTreeMap<String, Value>) -> String {
    let width = outputs.keys().map(String::len).max().unwrap_or(0);
    outputs.iter().fold(String::new(), |mut out, (name, value)| {
        let value = if value.is_null() { "(not known yet)".to_owned() } else { value.to_string() };
        let _ = writeln!(out, "{name:width$} = {value}");
        out
    })
}

/// One value: a text as it is, all else as JSON.
pub fn one(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        other => format!("{other:#}\n"),
    }
}

/// `name='value'`, one a line, as a shell reads it. What is not known is a comment: an empty variable would look like a value.
pub fn env(outputs: &BTreeMap<String, Value>) -> String {
    outputs.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = match value {
            Value::Null => writeln!(out, "# {name} is not known yet"),
            Value::String(text) => writeln!(out, "{name}={}", quoted(text)),
            other => writeln!(out, "{name}={}", quoted(&other.to_string())),
        };
        out
    })
}

/// A word as a shell reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Each host with a name that is one word everywhere: `web-0`, `edge-a`, and its id behind it where two would share one.
fn named(hosts: &[Host]) -> Vec<(String, &Host)> {
    let mut taken = BTreeSet::new();
    hosts
        .iter()
        .map(|host| {
            let key = match &host.address.key {
                Key::Single => String::new(),
                Key::Index(index) => format!("-{index}"),
                Key::Name(name) => format!("-{name}"),
            };
            let plain = word(&format!("{}{key}", host.address.block), "-._");
            let name = if taken.contains(&plain) { format!("{plain}-{}", host.instance_id) } else { plain };
            taken.insert(name.clone());
            (name, host)
        })
        .collect()
}

fn word(text: &str, also: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || also.contains(c) { c } else { '_' }).collect()
}

/// An inventory of Ansible in YAML: a group for each block, and `ansible_host` and what is known for each host.
pub fn ansible_inventory(stack: &str, hosts: &[Host]) -> String {
    let mut groups: BTreeMap<String, Vec<(String, &Host)>> = BTreeMap::new();
    let mut out = format!("# The instances of stack {stack}. Made by lhprov; do not edit.\nall:\n");
    for (name, host) in named(hosts) {
        if host.reached_at.is_none() {
            let _ = writeln!(out, "  # {name} has no address yet");
            continue;
        }
        let group = word(&host.address.block, "_");
        // A group's name may not begin with a digit.
        let group = if group.starts_with(|c: char| c.is_ascii_digit()) { format!("_{group}") } else { group };
        groups.entry(group).or_default().push((name, host));
    }
    if groups.is_empty() {
        out.push_str("  hosts: {}\n");
        return out;
    }
    out.push_str("  children:\n");
    for (group, hosts) in groups {
        let _ = writeln!(out, "    {group}:\n      hosts:");
        for (name, host) in hosts {
            let _ = writeln!(out, "        {}:", json!(name));
            let variables = [
                ("ansible_host", json!(host.reached_at)),
                ("lhprov_address", json!(host.address)),
                ("lhprov_instance_id", json!(host.instance_id)),
                ("lhprov_instance_name", json!(host.instance_name)),
                ("lhprov_private_address", json!(host.private_address)),
                ("lhprov_tags", json!(host.tags)),
                ("lhprov_zone", json!(host.zone)),
            ];
            for (key, value) in variables {
                // A JSON value is a YAML value.
                let _ = writeln!(out, "          {key}: {value}");
            }
        }
    }
    out
}

/// A configuration of OpenSSH, to be included: a `Host` for each instance. The host key is kept by the instance's id, since
/// addresses are given to others again.
pub fn ssh_config(stack: &str, hosts: &[Host]) -> String {
    let mut out = format!("# The instances of stack {stack}. Made by lhprov; do not edit.\n");
    for (name, host) in named(hosts) {
        let _ = match &host.reached_at {
            None => writeln!(out, "\n# {name} has no address yet"),
            Some(reached_at) => {
                writeln!(out, "\nHost {name}\n  HostName {reached_at}\n  HostKeyAlias {}", host.instance_id)
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: Address, reached_at: Option<&str>) -> Host {
        Host {
            instance_id: format!("lhins-{}", address.block.len()),
            instance_name: "a \"name\"".into(),
            zone: "ap-guangzhou-3".into(),
            reached_at: reached_at.map(str::to_owned),
            private_address: None,
            tags: BTreeMap::from([("tier".to_owned(), "front: 1".to_owned())]),
            address,
        }
    }

    #[test]
    fn shells_read_what_was_meant() {
        let outputs = BTreeMap::from([
            ("a".to_owned(), json!("it's $HOME")),
            ("bc".to_owned(), json!(["1.2.3.4", null])),
            ("d".to_owned(), Value::Null),
        ]);
        assert_eq!(env(&outputs), "a='it'\\''s $HOME'\nbc='[\"1.2.3.4\",null]'\n# d is not known yet\n");
        assert_eq!(text(&outputs), "a  = \"it's $HOME\"\nbc = [\"1.2.3.4\",null]\nd  = (not known yet)\n");
        assert_eq!((one(&json!("x y")).as_str(), one(&json!(3)).as_str()), ("x y\n", "3\n"));
    }

    #[test]
    fn other_programs_read_the_fleet() {
        let hosts = [
            host(Address::named("my-edge", "a b"), Some("1.1.1.1")),
            host(Address::single("web-0"), Some("1.1.1.2")),
            host(Address::indexed("web", 0), Some("1.1.1.3")),
            host(Address::single("db"), None),
        ];
        insta::assert_snapshot!(ssh_config("shop", &hosts), @"
        # The instances of stack shop. Made by lhprov; do not edit.

        Host my-edge-a_b
          HostName 1.1.1.1
          HostKeyAlias lhins-7

        Host web-0
          HostName 1.1.1.2
          HostKeyAlias lhins-5

        Host web-0-lhins-3
          HostName 1.1.1.3
          HostKeyAlias lhins-3

        # db has no address yet
        ");
        let inventory = ansible_inventory("shop", &hosts);
        assert!(
            inventory.contains(
                "    my_edge:\n      hosts:\n        \"my-edge-a_b\":\n          ansible_host: \"1.1.1.1\"\n"
            ),
            "{inventory}"
        );
        assert!(inventory.contains("# db has no address yet"));
    }
}
