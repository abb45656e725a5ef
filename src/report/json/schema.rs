//! JSON Schemas (draft 2020-12) of what programs get: events, made from their types, and plans, written by hand beside their
//! writer. Tests hold every plan and every event of the sandbox to them.

use super::events::VERSION;
use super::plan::FORMAT_VERSION;
use crate::event::Event;
use crate::plan::{Action, Decision};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Counters of a plan's summary that no action has the name of.
const OTHER_COUNTERS: [&str; 2] = ["data_loss", "api_calls"];

/// One line of `--events`.
pub fn event() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>().to_value();
    let common = json!({
        "v": {"description": "Version of the format of events.", "const": VERSION},
        "ts": {
            "description": "When it happened, in UTC (RFC 3339).",
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$",
        },
        "seq": {"description": "Number of the event in its run, without gaps.", "type": "integer", "minimum": 0},
    });
    schema["$id"] = json!("urn:lhprov:event:1");
    schema["title"] = json!("Event of lhprov");
    schema["description"] = json!("One line of the file of --events. The last of a run is `summary`.");
    schema["properties"] = common;
    schema["required"] = json!(["v", "ts", "seq", "type"]);
    schema["unevaluatedProperties"] = json!(false);
    schema
}

/// The document of `plan --json`.
pub fn plan() -> Value {
    let text = || json!({"type": "string"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let address = || json!({"type": "string", "minLength": 1});
    let addresses = || json!({"type": "array", "items": {"type": "string", "minLength": 1}});
    let mut names: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    // Whichever comes first, a replacement is one word.
    names.dedup();
    let counters = names.iter().filter(|name| **name != "no-op").chain(&OTHER_COUNTERS);
    let counters: Map<String, Value> =
        counters.map(|name| ((*name).to_owned(), json!({"type": "integer", "minimum": 0}))).collect();
    let money = json!({"description": "A decimal number.", "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"});
    let change = closed(
        json!({
            "address": address(),
            "previous_address": address(),
            "instance_id": or_null("lhins-… of the instance that it happens to", text()),
            "source": or_null("Where the manifest has it", json!({"$ref": "#/$defs/place"})),
            "change": closed(
                json!({
                    "actions": {"type": "array", "items": {"enum": names}, "minItems": 1, "uniqueItems": true},
                    "before": {"type": ["object", "null"]},
                    "after": {"type": ["object", "null"]},
                    "after_unknown": {"type": "object", "additionalProperties": {"const": true}},
                }),
                &[],
            ),
            "reason": text(),
            "forces_replace": texts(),
            "forced_by": {
                "type": "array",
                "items": closed(json!({"attribute": text(), "source": {"$ref": "#/$defs/place"}}), &[]),
            },
            "data_loss": {"type": "boolean"},
            "batch": {"description": "Number of its purchase in the plan.", "type": ["integer", "null"], "minimum": 0},
            "price": or_null("What it costs", json!({
                "type": "object",
                "properties": {
                    "now": money, "currency": text(), "per_month": or_null("What a renewal costs", money.clone()),
                    "discount": or_null("Percent of the list price that is paid", money.clone()),
                },
                "required": ["now", "currency"],
            })),
            "refund": or_null("What the service says of its return", closed(
                json!({"returnable": {"type": "boolean"}, "code": {}, "reason": text()}),
                &[],
            )),
            "notes": texts(),
            "unconfirmed": {
                "description": "Set for an instance that only this tag, or only this name, assigns to the stack.",
                "oneOf": [closed(json!({"tag": text()}), &[]), closed(json!({"name": text()}), &[])],
            },
        }),
        &["previous_address", "unconfirmed"],
    );
    let decisions = Decision::ALL.map(Decision::as_str);
    let drift = closed(
        json!({
            "address": address(),
            "instance_id": text(),
            "attribute": text(),
            "applied": {},
            "live": {},
            "decision": {"enum": decisions},
            "what": {"type": ["string", "null"]},
        }),
        &[],
    );
    let open = closed(
        json!({
            "token": text(), "members": addresses(), "attempts": {"type": "integer"}, "answered": {"type": "boolean"},
        }),
        &[],
    );
    let order =
        closed(json!({"order": text(), "to": text(), "members": addresses(), "answered": {"type": "boolean"}}), &[]);
    let diagnostic = closed(
        json!({
            "severity": {"enum": ["error", "warning"]},
            "code": {"description": "`lhprov explain CODE` says more.", "type": "string", "pattern": "^[a-z][a-z0-9-]*$"},
            "summary": text(),
            "source": or_null("Where it is", json!({"$ref": "#/$defs/place"})),
            "label": {"type": ["string", "null"]},
            "related": {
                "type": "array",
                "items": closed(json!({"source": {"$ref": "#/$defs/place"}, "note": text()}), &[]),
            },
            "detail": {"type": ["string", "null"]},
            "help": texts(),
        }),
        &[],
    );
    // What a plan was made from grows with what is looked at; programs take what they know.
    let inputs = json!({
        "type": "object",
        "properties": {
            "manifest": texts(), "variables": {"type": "object"}, "state": text(), "serial": {"type": "integer"},
            "site": text(), "endpoint": text(), "sandbox": {"type": "boolean"}, "refreshed": {"type": "boolean"},
            "only": texts(), "skip": texts(), "selected": or_null("The addresses of --only and --skip", addresses()),
        },
        "required": ["manifest", "variables", "state", "serial", "site", "endpoint", "sandbox", "refreshed"],
    });
    let price = closed(
        json!({
            "now": money, "per_month": money, "currency": text(), "complete": {"type": "boolean"}, "unknown": {},
            "quota_left": {
                "type": "array",
                "items": closed(
                    json!({"type": text(), "left": {"type": "integer"}, "total": {"type": "integer"}}),
                    &[],
                ),
            },
        }),
        &[],
    );
    let check = json!({
        "type": "object",
        "properties": {"check": text(), "status": text(), "detail": {}},
        "required": ["check", "status", "detail"],
    });
    let list = |items: Value| json!({"type": "array", "items": items});
    let mut schema = closed(
        json!({
            "format_version": {"const": FORMAT_VERSION},
            "stack": text(),
            "region": text(),
            "inputs": inputs,
            "resource_changes": list(change),
            "drift": list(drift),
            "resume": list(json!({"oneOf": [open, order]})),
            "consents": list(closed(json!({"flag": text(), "for": text()}), &[])),
            "preflight": list(check),
            "price": or_null("What all of it costs", price),
            "blocked": list(closed(
                json!({
                    "what": text(), "help": texts(), "code": text(),
                    "source": or_null("Where the limit is", json!({"$ref": "#/$defs/place"})),
                }),
                &["source"],
            )),
            "adopted": addresses(),
            "diagnostics": list(diagnostic),
            "summary": closed(Value::Object(counters), &[]),
            "seal": {"description": "What a saved plan is bound to.", "type": "object"},
        }),
        &["seal"],
    );
    schema["$schema"] = json!(DRAFT);
    schema["$id"] = json!("urn:lhprov:plan:1");
    schema["title"] = json!("Plan of lhprov");
    schema["$defs"] = json!({
        "place": closed(
            json!({
                "file": text(),
                "line": {"type": "integer", "minimum": 1},
                "column": {"type": "integer", "minimum": 1},
            }),
            &[],
        ),
    });
    schema
}

/// An object with these keys and no others; all are there but the `optional` ones.
fn closed(properties: Value, optional: &[&str]) -> Value {
    let keys = properties.as_object().into_iter().flat_map(Map::keys);
    let required: Vec<&String> = keys.filter(|key| !optional.contains(&key.as_str())).collect();
    let required = json!(required);
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn or_null(about: &str, value: Value) -> Value {
    json!({"description": about, "anyOf": [value, {"type": "null"}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one() {
        for schema in [event(), plan()] {
            assert!(jsonschema::meta::is_valid(&schema), "{schema:#}");
            assert_eq!(schema["$schema"], DRAFT);
        }
    }

    #[test]
    fn what_is_not_an_event_is_refused() {
        let validator = jsonschema::validator_for(&event()).expect("a schema");
        let note = json!({"v": 1, "ts": "2023-11-14T22:13:20.123Z", "seq": 0, "type": "note", "text": "x"});
        assert!(
            validator.is_valid(&note),
            "{:?}",
            validator.iter_errors(&note).map(|e| e.to_string()).collect::<Vec<_>>()
        );
        for (key, value) in
            [("v", json!(2)), ("seq", json!(-1)), ("type", json!("other")), ("text", json!(1)), ("more", json!(1))]
        {
            let mut wrong = note.clone();
            wrong[key] = value;
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }
}
