//! The text of a saved plan: the plan document, and behind it the seal with a digest of each key.
//!
//! Digests are over what the JSON means, so a plan may be printed in another layout. They tell an edit, and where it is.

use super::shown::plan;
use super::{FORMAT, Seal};
use crate::diag::did_you_mean;
use crate::model::Address;
use crate::model::digest::{canonical, sha256_hex};
use crate::model::json_keys::find_duplicate_key;
use crate::plan::change::Plan;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The version of the plan document that is read, up to its minor number.
const MAJOR: &str = "1.";

/// A saved plan.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The document, seal and all.
    pub document: Value,
    /// The seal.
    pub seal: Seal,
    /// Stands for this plan and no other.
    pub checksum: String,
    /// The plan as it is shown. What only carrying it out needs is not in it: that is planned again.
    pub plan: Plan,
    /// Addresses found again without our tags.
    pub adopted: Vec<Address>,
    /// Warnings, a line each.
    pub warnings: Vec<String>,
}

/// Why a text is not a saved plan.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// Not JSON, or a seal that makes no sense.
    #[error("it is damaged at line {line}, column {column}: {message}")]
    Damaged {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What the reader did not understand.
        message: String,
    },
    /// JSON of something else.
    #[error("it is no plan of lhprov")]
    Foreign,
    /// A plan document without a seal.
    #[error("it is a plan that was printed, not saved: nothing binds it to its inputs")]
    Unsealed,
    /// A later version wrote it.
    #[error("it has {what} {found}, and this version of lhprov knows {known}")]
    Newer {
        /// `plan format` or `seal format`.
        what: &'static str,
        /// What it has.
        found: String,
        /// What is known.
        known: String,
    },
    /// Somebody changed it.
    #[error("it was edited since it was made: {}", list.join(", "))]
    Edited {
        /// Where, in words.
        list: Vec<String>,
    },
}

impl SavedError {
    /// The way out.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Damaged { .. } | Self::Foreign => "make one with `lhprov plan --out FILE`",
            Self::Unsealed => "`plan --json` is for programs to read; save a plan with `lhprov plan --out FILE`",
            Self::Newer { .. } => "use the version of lhprov that made it, or make another with this one",
            Self::Edited { .. } => {
                "a plan is not edited: change the manifest and make another with `lhprov plan --out FILE`"
            }
        }
    }
}

/// Puts the seal behind a plan document. The checksum comes along.
///
/// # Errors
/// When the document is no JSON object: a defect.
pub fn seal_document(document: &str, seal: &Seal) -> Result<String, serde_json::Error> {
    let keys: Map<String, Value> = serde_json::from_str(document)?;
    let seal = serde_json::to_value(seal)?;
    let digests = digests(&keys, &seal);
    let mut text = document.trim_end().strip_suffix('}').unwrap_or(document).to_owned();
    text.push_str(",\n\"seal\":{\n");
    for key in ["format", "asked", "bound", "made"] {
        if let Some(value) = seal.get(key) {
            let _ = write!(text, "{}:", json!(key));
            one_key_a_line(value, &mut text);
            text.push_str(",\n");
        }
    }
    text.push_str("\"actions\":{");
    for (number, (key, value)) in seal["actions"].as_object().into_iter().flatten().enumerate() {
        let _ = write!(text, "{}{}:[", if number == 0 { "\n" } else { ",\n" }, json!(key));
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            let _ = write!(text, "{}{item}", if number == 0 { "\n" } else { ",\n" });
        }
        text.push(']');
    }
    text.push_str("},\n\"digests\":");
    one_key_a_line(&json!(digests), &mut text);
    let _ = writeln!(text, ",\n\"checksum\":{}}}}}", json!(checksum(&digests)));
    Ok(text)
}

fn one_key_a_line(value: &Value, text: &mut String) {
    let Value::Object(map) = value else {
        let _ = write!(text, "{value}");
        return;
    };
    text.push('{');
    for (number, (key, value)) in map.iter().enumerate() {
        let _ = write!(text, "{}{}:{value}", if number == 0 { "\n" } else { ",\n" }, json!(key));
    }
    text.push('}');
}

/// A digest for each key of the document, and for each of the seal.
fn digests(keys: &Map<String, Value>, seal: &Value) -> BTreeMap<String, String> {
    let one = |value: &Value| sha256_hex(canonical(value).as_bytes())[..32].to_owned();
    let mut digests: BTreeMap<String, String> =
        keys.iter().filter(|(key, _)| *key != "seal").map(|(key, value)| (key.clone(), one(value))).collect();
    let own =
        seal.as_object().into_iter().flatten().filter(|(key, _)| !["digests", "checksum"].contains(&key.as_str()));
    digests.extend(own.map(|(key, value)| (format!("seal.{key}"), one(value))));
    digests
}

fn checksum(digests: &BTreeMap<String, String>) -> String {
    sha256_hex(canonical(&json!(digests)).as_bytes())
}

/// Reads a saved plan. Keys that are not known are left alone, as long as the plan was made with them.
///
/// # Errors
/// Says what it is instead, where it is damaged, or what was edited.
pub fn read(text: &str) -> Result<Saved, SavedError> {
    if let Some(twice) = find_duplicate_key(text.as_bytes()) {
        let message = twice.to_string();
        return Err(SavedError::Damaged { line: twice.line, column: twice.column, message });
    }
    let document: Value = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    let keys = document.as_object().ok_or(SavedError::Foreign)?;
    let version = keys.get("format_version").and_then(Value::as_str).ok_or(SavedError::Foreign)?;
    if !keys.contains_key("resource_changes") || !keys.contains_key("stack") {
        return Err(SavedError::Foreign);
    }
    if !version.starts_with(MAJOR) {
        let known = format!("{MAJOR}x");
        return Err(SavedError::Newer { what: "plan format", found: version.to_owned(), known });
    }
    let seal = keys.get("seal").ok_or(SavedError::Unsealed)?;
    match seal["format"].as_u64() {
        Some(found) if found > FORMAT => {
            return Err(SavedError::Newer {
                what: "seal format",
                found: found.to_string(),
                known: format!("up to {FORMAT}"),
            });
        }
        _ => {}
    }
    let checksum = check(text, keys, seal)?;
    #[derive(Deserialize)]
    struct Sealed {
        seal: Seal,
    }
    // Out of the text once more, for its lines and columns.
    let Sealed { seal } = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    let plan = plan(&document, &seal.actions).ok_or_else(|| SavedError::Edited {
        list: vec!["`resource_changes` and `seal` do not belong together".to_owned()],
    })?;
    let adopted =
        document["adopted"].as_array().into_iter().flatten().filter_map(|address| address.as_str()?.parse().ok());
    let warnings = document["diagnostics"].as_array().into_iter().flatten().filter_map(warning).collect();
    Ok(Saved { adopted: adopted.collect(), warnings, seal, checksum, plan, document })
}

fn damaged(error: &serde_json::Error) -> SavedError {
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]).to_owned();
    SavedError::Damaged { line: error.line(), column: error.column(), message }
}

/// Compares the digests.
fn check(text: &str, keys: &Map<String, Value>, seal: &Value) -> Result<String, SavedError> {
    let written: BTreeMap<String, String> = seal["digests"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, digest)| Some((key.clone(), digest.as_str()?.to_owned())))
        .collect();
    let place = |key: &str| {
        let key = key.rsplit('.').next().unwrap_or(key);
        let line = text.lines().position(|line| line.trim_start_matches(['{', ' ']).starts_with(&format!("\"{key}\"")));
        line.map_or_else(String::new, |line| format!(" (line {})", line + 1))
    };
    let now = digests(keys, seal);
    let mut list = Vec::new();
    for (key, digest) in &now {
        match written.get(key) {
            Some(written) if written == digest => {}
            Some(_) => list.push(format!("`{key}`{} is not as it was", place(key))),
            None => list.push(format!("`{key}`{} was added", place(key))),
        }
    }
    for key in written.keys().filter(|key| !now.contains_key(*key)) {
        let near = did_you_mean(key, now.keys().filter(|key| !written.contains_key(*key)).map(String::as_str));
        let near = near.map(|near| format!("; is it `{near}` now?")).unwrap_or_default();
        list.push(format!("`{key}` is missing{near}"));
    }
    let checksum = checksum(&now);
    if list.is_empty() && seal["checksum"].as_str() != Some(&checksum) {
        list.push(format!("`checksum`{} is not as it was", place("checksum")));
    }
    if list.is_empty() { Ok(checksum) } else { Err(SavedError::Edited { list }) }
}

fn warning(diagnostic: &Value) -> Option<String> {
    (diagnostic["severity"] == "warning").then(|| diagnostic["summary"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::super::{Actions, Asked, Bound, BoundState};
    use super::*;
    use crate::model::Site;
    use crate::observe::catalogue::Returnable;
    use crate::plan::change::{Action, After, AttributeDiff, Change, Reason};

    fn seal(plan: &Plan) -> Seal {
        Seal {
            format: FORMAT,
            bound: Bound {
                tool: "0.1.0".into(),
                plan_format: "1.0".into(),
                stack: "shop".into(),
                site: Site::China,
                region: "ap-guangzhou".into(),
                endpoint: "sandbox".into(),
                account: None,
                manifest: [("a.yaml".to_owned(), "11".to_owned())].into(),
                files: BTreeMap::new(),
                secrets: BTreeMap::new(),
                variables: BTreeMap::new(),
                state: BoundState::default(),
            },
            asked: Asked::default(),
            made: None,
            actions: Actions::of(plan),
        }
    }

    fn sample() -> (Plan, String) {
        let diffs = vec![AttributeDiff {
            kind: crate::plan::attribute::Kind::InstanceName,
            before: json!("a"),
            after: json!("b"),
        }];
        let changes = vec![
            Change {
                after: Some(After::Words(json!({"bundle_id": "b"}))),
                ..Change::new(&Address::single("db"), Action::Create, Reason::New)
            },
            Change {
                instance_id: Some("lhins-1".into()),
                diffs,
                after: Some(After::Words(json!({"bundle_id": "b"}))),
                notes: vec!["a note".into()],
                ..Change::new(&Address::named("edge", "a"), Action::Update, Reason::Differs)
            },
            Change {
                instance_id: Some("lhins-2".into()),
                refund: Some(Returnable { is_returnable: false, code: 3, message: String::new() }),
                ..Change::new(&Address::single("old"), Action::Isolate, Reason::Gone("lhins-2".into()))
            },
        ];
        let plan = Plan { changes, ..Plan::default() };
        let rows: Vec<String> = plan
            .changes
            .iter()
            .map(|change| {
                json!({"address": change.address, "change": {"after": change.after.as_ref().map(After::to_json)}, "notes": change.notes}).to_string()
            })
            .collect();
        let document = format!(
            "{{\"format_version\":\"1.0\",\"stack\":\"shop\",\n\"resource_changes\":[\n{}],\n\"summary\":{{}}}}\n",
            rows.join(",\n")
        );
        let text = seal_document(&document, &seal(&plan)).unwrap();
        (plan, text)
    }

    #[test]
    fn comes_back_as_it_was() {
        let (plan, text) = sample();
        let saved = read(&text).unwrap();
        assert_eq!(saved.plan, plan);
        assert_eq!(saved.seal, seal(&plan));
        assert!(text.ends_with("\"}}\n"), "{text}");
        // Another layout is the same plan.
        let pretty = format!("{:#}", saved.document);
        assert_eq!(read(&pretty).unwrap().checksum, saved.checksum);
    }

    #[test]
    fn what_is_no_saved_plan_is_told_apart() {
        let (_, text) = sample();
        let error = |text: &str| read(text).unwrap_err().to_string();
        let mut all = vec![
            error(""),
            error(&text[..text.len() / 2]),
            error("[1, 2]"),
            error("{\"format_version\":\"1.2\",\"terraform_version\":\"1.9\"}"),
            error("{\"format_version\":\"1.0\",\"stack\":\"shop\",\"resource_changes\":[]}"),
            error(&text.replace("\"format_version\":\"1.0\"", "\"format_version\":\"2.0\"")),
            error(&text.replace("\"format\":1", "\"format\":2")),
        ];
        // Edits, each told where it is.
        for (from, to) in [
            ("\"notes\":[\"a note\"]", "\"notes\":[]"),
            ("\"endpoint\":\"sandbox\"", "\"endpoint\":\"https://example.com\""),
            ("\"action\":\"isolate\"", "\"action\":\"forget\""),
            ("\"summary\":{}", "\"sumary\":{}"),
            ("\"summary\":{}", "\"summary\":{},\"extra\":1"),
        ] {
            assert!(text.contains(from), "{from}");
            all.push(error(&text.replacen(from, to, 1)));
        }
        insta::assert_snapshot!(all.join("\n"), @"
        it is damaged at line 1, column 0: EOF while parsing a value
        it is damaged at line 37, column 7: EOF while parsing a string
        it is no plan of lhprov
        it is no plan of lhprov
        it is a plan that was printed, not saved: nothing binds it to its inputs
        it has plan format 2.0, and this version of lhprov knows 1.x
        it has seal format 2, and this version of lhprov knows up to 1
        it was edited since it was made: `resource_changes` (line 2) is not as it was
        it was edited since it was made: `seal.bound` (line 25) is not as it was
        it was edited since it was made: `seal.actions` (line 38) is not as it was
        it was edited since it was made: `sumary` (line 6) was added, `summary` is missing; is it `sumary` now?
        it was edited since it was made: `extra` was added
        ");
    }

    #[test]
    fn a_seal_of_another_shape_has_its_place() {
        let (_, text) = sample();
        // Made by somebody who can count digests, and still not what this version reads.
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["seal"]["bound"]["region"] = json!(7);
        let keys = document.as_object().unwrap().clone();
        let all = digests(&keys, &keys["seal"]);
        document["seal"]["digests"] = json!(all);
        document["seal"]["checksum"] = json!(checksum(&all));
        let error = read(&format!("{document:#}")).unwrap_err();
        assert!(matches!(&error, SavedError::Damaged { line, .. } if *line > 1), "{error}");
        assert!(error.to_string().contains("invalid type: integer `7`"), "{error}");
    }
}
