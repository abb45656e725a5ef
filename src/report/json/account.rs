//! The end of a run as one JSON document.

use crate::event::Item;
use crate::report::human::account::counts;
use serde_json::{Map, Value, json};

/// The document: every item, how many of each kind, and the exit code.
pub fn document(command: &str, stack: &str, region: &str, items: &[Item], exit_code: u8) -> Value {
    let counts: Map<String, Value> =
        counts(items).into_iter().map(|(status, number)| (word(status), json!(number))).collect();
    json!({
        "format_version": "1.0",
        "command": command,
        "stack": stack,
        "region": region,
        "items": items,
        "counts": counts,
        "exit_code": exit_code,
    })
}

/// A status as the events write it.
fn word(status: crate::event::ItemStatus) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}
