//! The JSON Schema of a manifest, for editors. Made of the tables that the decoder goes by, so that a key which one of the
//! two knows the other knows as well; a test compares what both accept.
//!
//! It describes one file. What several files have to have together (`stack`, `region`) is not required in each. What only
//! the whole tells (dependencies, names of zones) is for `lhprov validate`.

use super::keys::{
    CHARGE, CONTAINER, ENVIRONMENT, FILE, FREEZE, INIT_COMMAND, INSTANCE, Keys, LIMITS, LOGIN, MANIFEST, MOVED, POLICY,
    PUBLISH_PORT, TIMEOUTS, VARIABLE, VOLUME,
};
use super::limits::{
    ACTIONS, IGNORABLE, INIT_COMMAND_SECONDS_MAX, KEY_IDS_MAX, NAME_CHARACTERS_MAX, PERIODS_OVER_A_YEAR, PROTOCOLS,
    RATE_LIMIT_MAX,
};
use super::variable::KINDS;
use crate::model::{Ownership, Power, RenewFlag, Replace, Site, tag};
use serde_json::{Map, Value, json};

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    let mut schema = object(&MANIFEST, manifest, &[]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!("urn:lhprov:manifest:1");
    schema["title"] = json!("Manifest of lhprov");
    schema["description"] = json!("A fleet of Tencent Cloud Lighthouse instances: one file of it, or all.");
    schema["$defs"] = json!({
        "expression": {
            "description": "One whole expression: it keeps the type of what it names.",
            "type": "string",
            "pattern": r"^\$\{.*\}$",
        },
        "duration": {
            "description": "A number and its unit.",
            "type": "string",
            "pattern": r"^([0-9]+(ms|s|m|h|d)|\$\{.*\})$",
            "examples": ["90s", "10m", "1h"],
        },
        "file": object(&FILE, file, &["file"]),
        "instance": object(&INSTANCE, instance, &[]),
    });
    schema
}

/// A map with the keys of a table.
fn object(keys: &Keys, property: fn(&str) -> Option<(&'static str, Value)>, required: &[&str]) -> Value {
    let mut properties = Map::new();
    for key in keys.known {
        // A key without a line of its own takes anything; a test finds it.
        let (about, mut value) = property(key).unwrap_or(("", json!({})));
        value["description"] = json!(about);
        properties.insert((*key).to_owned(), value);
    }
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// What is named by one whole expression instead.
fn or_expression(value: &Value) -> Value {
    json!({"anyOf": [value, {"$ref": "#/$defs/expression"}]})
}

fn text() -> Value {
    json!({"type": "string"})
}

/// A text of this form, or one in which something is still to be worked out.
fn form(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!(r"^({pattern}|[\s\S]*\$\{{[\s\S]*)$")})
}

fn number(min: i128, max: i128) -> Value {
    or_expression(&json!({"type": "integer", "minimum": to_json(min), "maximum": to_json(max)}))
}

/// Our limits are small; JSON knows no 128 bits.
fn to_json(number: i128) -> Value {
    json!(i64::try_from(number).unwrap_or(i64::MAX))
}

fn boolean() -> Value {
    or_expression(&json!({"type": "boolean"}))
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    or_expression(&json!({"enum": words.collect::<Vec<_>>()}))
}

fn list(items: &Value) -> Value {
    or_expression(&json!({"type": "array", "items": items}))
}

fn texts_by_key() -> Value {
    or_expression(&json!({"type": "object", "additionalProperties": text()}))
}

/// Tags as the Tag service takes them. Reserved words are so in any case of their letters.
fn tags() -> Value {
    let escaped = |c: char| matches!(c, '-' | '[' | ']').then_some('\\').into_iter().chain([c]);
    let signs: String = tag::SIGNS.chars().flat_map(escaped).collect();
    let (end, inside) = (format!(r"[\p{{Alphabetic}}0-9{signs}]"), format!(r"[\p{{Alphabetic}}0-9 {signs}]"));
    let legal = format!("{end}({inside}*{end})?");
    let any_case = |word: &str| -> String {
        let one = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{c}{}]", c.to_ascii_uppercase()),
            false => c.to_string(),
        };
        word.chars().map(one).collect()
    };
    let reserved = tag::RESERVED.map(any_case).join("|");
    let key = json!({"maxLength": tag::KEY_MAX, "pattern": format!("^(?!{reserved}){legal}$")});
    or_expression(&json!({"type": "object", "propertyNames": key, "additionalProperties": form(&legal)}))
}

fn duration() -> Value {
    json!({"$ref": "#/$defs/duration"})
}

fn text_or_file() -> Value {
    json!({"anyOf": [text(), {"$ref": "#/$defs/file"}]})
}

fn file(key: &str) -> Option<(&'static str, Value)> {
    match key {
        "file" => {
            Some(("Path of the file, relative to the manifest that names it. Its text is taken as it is.", text()))
        }
        _ => None,
    }
}

fn manifest(key: &str) -> Option<(&'static str, Value)> {
    let actions: Map<String, Value> =
        ACTIONS.iter().map(|action| ((*action).to_owned(), number(1, RATE_LIMIT_MAX))).collect();
    Some(match key {
        "version" => ("Version of the manifest's format.", json!({"const": 1})),
        "stack" => {
            ("Identity of the fleet: part of every token and of the ownership tags.", form("[a-z0-9][a-z0-9._-]{0,62}"))
        }
        "site" => (
            "Which Tencent Cloud: cloud.tencent.com (the default) or tencentcloud.com.",
            words([Site::China, Site::International].map(Site::as_str).into_iter()),
        ),
        "region" => ("The region of all instances, such as ap-guangzhou.", form("[a-z0-9]+(-[a-z0-9]+)+")),
        "ownership" => (
            "How instances are recognised in the cloud: by tags (the default on site china) or by name.",
            words([Ownership::Tags, Ownership::Name].map(Ownership::as_str).into_iter()),
        ),
        "allowed_accounts" => (
            "The accounts (UIN) that may be used; any unless given.",
            or_expression(&json!({
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [form("[0-9]+"), {"type": "integer", "minimum": 0}]},
            })),
        ),
        "defaults" => (
            "Merged under every instance, key by key.",
            json!({"$ref": "#/$defs/instance", "not": {"required": ["for_each"]}}),
        ),
        "instances" => (
            "The instances by name; with `count` or `for_each` a name stands for several.",
            json!({
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$"},
                "additionalProperties": {"$ref": "#/$defs/instance"},
            }),
        ),
        "rate_limits" => (
            "Requests a second by action of the API.",
            json!({"type": "object", "properties": actions, "additionalProperties": false}),
        ),
        "token_ttl" => ("How long an unanswered purchase is repeated under its token (5m).", duration()),
        "visibility_grace" => ("After how long a purchase is certainly listed (10m).", duration()),
        "variables" => (
            "Variables by name; `${var.x}` stands for their values.",
            json!({
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
                "additionalProperties": {"anyOf": [object(&VARIABLE, variable, &[]), {"type": "null"}]},
            }),
        ),
        "outputs" => (
            "Values that are told after an apply, such as \"${instances.web[*].public_addresses[0]}\".",
            json!({"type": "object"}),
        ),
        "include" => {
            ("Files and folders to read as well, relative to this file.", json!({"type": "array", "items": text()}))
        }
        "moved" => (
            "What stands at another address than before; nothing is bought or returned for it.",
            list(&object(&MOVED, moved, &["from", "to"])),
        ),
        "limits" => ("How far a plan may go; what is beyond is refused.", or_expression(&object(&LIMITS, limits, &[]))),
        "policy" => {
            ("What a manifest may want; what breaks it is refused.", or_expression(&object(&POLICY, policy, &[])))
        }
        "forget" => ("Addresses to drop from the state; the instances stay in the cloud.", list(&text())),
        _ => return None,
    })
}

fn limits(key: &str) -> Option<(&'static str, Value)> {
    let instances = or_expression(&json!({"type": "integer", "minimum": 0}));
    Some(match key {
        "max_instances" => ("Most instances of the stack.", instances),
        "max_per_month" => (
            "Most that all instances cost a month at list price, in the currency of the site.",
            json!({"anyOf": [{"type": "number", "minimum": 0}, form(r"[0-9]+(\.[0-9]+)?")]}),
        ),
        "max_destroy" => ("Most instances that one plan returns or replaces.", instances),
        _ => return None,
    })
}

fn policy(key: &str) -> Option<(&'static str, Value)> {
    let patterns = or_expression(&json!({"type": "array", "items": text(), "minItems": 1}));
    Some(match key {
        "allowed_bundles" => ("Bundles that may be written: ids, or patterns such as bundle_starter_*.", patterns),
        "allowed_blueprints" => ("Blueprints that may be written: ids or patterns.", patterns),
        "allowed_regions" => ("Regions that the stack may be in: ids or patterns.", patterns),
        "allowed_zones" => ("Zones that instances may be in: ids or patterns.", patterns),
        "required_tags" => ("Tags that every instance must have.", list(&text())),
        "freeze" => (
            "Why nothing may change now, and until when.",
            json!({"anyOf": [text(), object(&FREEZE, freeze, &["reason"])]}),
        ),
        _ => return None,
    })
}

fn freeze(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "reason" => ("Why.", text()),
        "until" => ("The day, or the moment in UTC, from which on changes are allowed again.", text()),
        _ => return None,
    })
}

fn variable(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "default" => ("Its value where none is given.", json!({})),
        "type" => ("What it holds; that of the default unless given.", words(KINDS.iter().map(|(word, _)| *word))),
        "allowed" => ("The values that it may have.", json!({"type": "array"})),
        "description" => ("What it is for.", text()),
        _ => return None,
    })
}

fn moved(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "from" => ("Where it stood: a block or an address.", text()),
        "to" => ("Where it stands.", text()),
        _ => return None,
    })
}

fn instance(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "bundle_id" => ("Package; `lhprov catalog bundles` lists them. A larger one is an upgrade in place.", text()),
        "blueprint_id" => ("Image; `lhprov catalog blueprints` lists them. Another one wipes the system disk.", text()),
        "charge" => ("What is bought, and what happens at its end.", or_expression(&object(&CHARGE, charge, &[]))),
        "instance_name" => (
            "Display name; by default the block's name, with the index or key where there are several.",
            json!({"anyOf": [
                {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX},
                {"type": "string", "pattern": r"\$\{"},
            ]}),
        ),
        "zones" => ("Zones to choose from; any of the region unless given.", list(&text())),
        "count" => (
            "How many; `${count.index}` is the number of each.",
            or_expression(&json!({"type": "integer", "minimum": 0})),
        ),
        "for_each" => (
            "An instance for each key; `${each.key}` and `${each.value.x}` are its own.",
            or_expression(&json!({"type": "object"})),
        ),
        "depends_on" => ("Blocks and addresses that have to run before it is bought.", list(&text())),
        "tags" => ("Tags, at most 8 beside those of lhprov.", tags()),
        "login" => ("The first way to log in: one of three.", or_expression(&login())),
        "containers" => (
            "Containers on a Docker image, started at creation.",
            list(&or_expression(&object(&CONTAINER, container, &["container_image"]))),
        ),
        "init_command" => {
            ("Script to run after creation: its text, or how to run it.", json!({"anyOf": [text(), init_command()]}))
        }
        "firewall_template_id" => ("Firewall template.", text()),
        "auto_voucher" => ("Whether vouchers pay.", boolean()),
        "domain_name" => ("Main domain to bind.", text()),
        "subdomain" => ("Sub domain to bind.", text()),
        "protect" => ("Never returned, replaced or wiped while this stands.", boolean()),
        "ignore_changes" => ("Attributes whose differences are left alone.", list(&words(IGNORABLE.iter().copied()))),
        "replace" => (
            "Whether a replacement buys the new instance before the old one is returned (the default).",
            words(Replace::ALL.iter().map(|(word, _)| *word)),
        ),
        "power" => ("Running or stopped; not looked at unless given.", words(Power::ALL.iter().map(|(word, _)| *word))),
        "timeouts" => {
            ("How long to wait before it is left to the next apply.", or_expression(&object(&TIMEOUTS, timeouts, &[])))
        }
        _ => return None,
    })
}

fn charge(key: &str) -> Option<(&'static str, Value)> {
    let months: Vec<Value> = (1..=12).chain(PERIODS_OVER_A_YEAR).map(to_json).collect();
    Some(match key {
        "period" => (
            "Months to buy. Changing it changes nothing: `lhprov renew` buys more.",
            or_expression(&json!({"enum": months})),
        ),
        "renew_flag" => ("What happens when the paid time ends.", words(RenewFlag::ALL.iter().map(|(word, _)| *word))),
        _ => return None,
    })
}

fn login() -> Value {
    let mut login = object(&LOGIN, way_of_login, &[]);
    login["not"] = json!({"required": ["key_ids", "password"]});
    login
}

fn way_of_login(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "key_ids" => ("Key pairs.", or_expression(&json!({"type": "array", "items": text(), "maxItems": KEY_IDS_MAX}))),
        "password" => (
            "Where the password comes from: the environment or a file. It never stands in a manifest.",
            json!({"anyOf": [
                {"type": "string", "pattern": r"^\$\{env:[A-Za-z_][A-Za-z0-9_]*\}$"},
                {"$ref": "#/$defs/file"},
            ]}),
        ),
        "auto_generate_password" => ("The service makes a password.", boolean()),
        _ => return None,
    })
}

fn container(key: &str) -> Option<(&'static str, Value)> {
    let pairs = json!({"type": "array", "items": object(&ENVIRONMENT, environment, &["key", "value"])});
    Some(match key {
        "container_image" => ("Image address.", text()),
        "container_name" => ("Name.", text()),
        "envs" => ("Environment: a map, or a list of key and value.", json!({"anyOf": [texts_by_key(), pairs]})),
        "publish_ports" => ("Ports.", list(&object(&PUBLISH_PORT, publish_port, &["host_port", "container_port"]))),
        "volumes" => ("Volumes.", list(&object(&VOLUME, volume, &["container_path"]))),
        "command" => ("Command to run.", text_or_file()),
        "restart_policy" => ("When to start it again.", form("no|always|on-failure(:[0-9]+)?")),
        _ => return None,
    })
}

fn environment(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "key" => ("Name of the variable.", text()),
        "value" => ("Its value.", text()),
        _ => return None,
    })
}

fn publish_port(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "host_port" => ("Port of the host.", number(1, 65_535)),
        "container_port" => ("Port of the container.", number(1, 65_535)),
        "ip" => ("Address of the host.", text()),
        "protocol" => ("Transport protocol.", words(PROTOCOLS.into_iter())),
        _ => return None,
    })
}

fn volume(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "container_path" => ("Path in the container.", text()),
        "host_path" => ("Path on the host.", text()),
        _ => return None,
    })
}

fn init_command() -> Value {
    let mut command = object(&INIT_COMMAND, of_init_command, &[]);
    command["oneOf"] = json!([{"required": ["content"]}, {"required": ["file"]}]);
    command
}

fn of_init_command(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "content" => ("The script.", text_or_file()),
        "file" => ("File of the script, relative to this manifest.", text()),
        "timeout" => ("Seconds that it may take.", number(1, INIT_COMMAND_SECONDS_MAX)),
        "working_directory" => ("Folder to run it in.", text()),
        "username" => ("User to run it as.", text()),
        _ => return None,
    })
}

fn timeouts(key: &str) -> Option<(&'static str, Value)> {
    Some(match key {
        "create" => ("Until it runs.", duration()),
        "update" => ("For a change in place.", duration()),
        "delete" => ("For its return.", duration()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired;
    use crate::manifest::{Given, Sources};

    /// Every key of every table has a line of its own here.
    #[test]
    fn every_key_is_described() {
        fn look(value: &Value, path: &str, missing: &mut Vec<String>) {
            let Value::Object(map) = value else { return };
            if let Some(Value::Object(properties)) = map.get("properties") {
                for (key, property) in properties {
                    let is_action = path.ends_with("rate_limits");
                    if !is_action && property["description"].as_str().is_none_or(str::is_empty) {
                        missing.push(format!("{path}.{key}"));
                    }
                }
            }
            for (key, inner) in map {
                look(inner, &format!("{path}/{key}"), missing);
                if let Value::Array(items) = inner {
                    items.iter().for_each(|item| look(item, &format!("{path}/{key}"), missing));
                }
            }
        }
        let mut missing = Vec::new();
        look(&schema(), "", &mut missing);
        assert!(missing.is_empty(), "{missing:#?}");
    }

    /// For every key of an instance and of a manifest, and values of every type: the schema and the decoder agree on which
    /// types it takes.
    #[test]
    fn schema_and_decoder_take_the_same_types() {
        let validator = jsonschema::validator_for(&schema()).expect("a schema");
        let values = ["\"a text\"", "7", "true", "[a]", "[]", "{ a: b }", "{}", "~", "1.5", "[{}]", "[7]"];
        let head = "version: 1\nstack: s\nregion: ap-guangzhou\n";
        let base = ["bundle_id: b", "blueprint_id: c", "charge: { period: 1 }"];
        let mut cases: Vec<(String, String)> = Vec::new();
        for value in values {
            for key in MANIFEST
                .known
                .iter()
                .filter(|key| !["version", "stack", "region", "instances", "include"].contains(key))
            {
                cases.push((format!("{key}: {value}"), format!("{head}instances: {{}}\n{key}: {value}\n")));
            }
            for key in INSTANCE.known {
                let others = base.iter().filter(|line| line.split(':').next() != Some(key));
                let others: String = others.map(|line| format!("    {line}\n")).collect();
                cases.push((
                    format!("instance {key}: {value}"),
                    format!("{head}instances:\n  x:\n{others}    {key}: {value}\n"),
                ));
            }
        }
        // What only the values of a key, or the whole manifest, can tell is not compared.
        let structural =
            ["wrong-type", "unknown-key", "missing-key", "literal-password", "init-command-source", "amount"];
        let mut different = Vec::new();
        for (what, text) in cases {
            let json: Value = serde_yaml::from_str(&text).expect("YAML");
            let (_, _, found) =
                desired::load_sources(Sources::from_texts([("m.yaml", text)]), &Given::default(), &|_| None);
            let refused = found.iter().find(|one| structural.contains(&one.code));
            let any = found.has_errors();
            let valid = validator.is_valid(&json);
            if valid && refused.is_some() || !valid && !any {
                different.push(format!("{what}: schema {valid}, decoder {:?}", refused.map(|one| &one.summary)));
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
    }
}
