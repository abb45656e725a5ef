//! The end of a run as one JSON document.

use crate::event::{Item, ItemStatus};
use crate::report::human::account::counts;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How a run ended, beside its items.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Exit code of the process.
    pub exit_code: u8,
    /// What ended the run before its end.
    pub error: Option<&'a str>,
    /// The command that goes on, where there is something to go on with.
    pub next: Option<&'a str>,
}

/// The document: every item, how many of each kind, and how it ended.
pub fn document(command: &str, stack: &str, region: &str, items: &[Item], end: End<'_>) -> Value {
    let counts: Map<String, Value> =
        counts(items).into_iter().map(|(status, number)| (word(status).to_owned(), json!(number))).collect();
    json!({
        "format_version": "1.0",
        "command": command,
        "stack": stack,
        "region": region,
        "items": items,
        "counts": counts,
        "exit_code": end.exit_code,
        "error": end.error,
        "next": end.next,
    })
}

/// How many items are in which status, for the last event.
pub fn event_counts(items: &[Item]) -> BTreeMap<&'static str, usize> {
    counts(items).into_iter().map(|(status, number)| (word(status), number)).collect()
}

/// A status as the events write it.
fn word(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Running => "running",
        ItemStatus::Updated => "updated",
        ItemStatus::Renewed => "renewed",
        ItemStatus::Imported => "imported",
        ItemStatus::Isolated => "isolated",
        ItemStatus::Purged => "purged",
        ItemStatus::Forgotten => "forgotten",
        ItemStatus::Moved => "moved",
        ItemStatus::Kept => "kept",
        ItemStatus::Pending => "pending",
        ItemStatus::Failed => "failed",
        ItemStatus::NotStarted => "not_started",
        ItemStatus::Unknown => "unknown",
        ItemStatus::Unclear => "unclear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn words_are_those_of_the_items() {
        use ItemStatus::{
            Failed, Forgotten, Imported, Isolated, NotStarted, Pending, Purged, Renewed, Running, Unclear, Unknown,
            Updated,
        };
        let all = [
            Running, Updated, Renewed, Imported, Isolated, Purged, Forgotten, Pending, Failed, NotStarted, Unknown,
            Unclear,
        ];
        for status in all {
            assert_eq!(json!(status), json!(word(status)));
        }
        let item = |status| Item {
            address: Address::single("db"),
            status,
            instance_id: None,
            public_addresses: Vec::new(),
            created: false,
            detail: None,
            request_id: None,
        };
        let document = document(
            "apply",
            "shop",
            "ap-guangzhou",
            &[item(Running), item(NotStarted)],
            End { exit_code: 6, error: None, next: Some("lhprov apply") },
        );
        assert_eq!((&document["exit_code"], &document["next"]), (&json!(6), &json!("lhprov apply")));
        assert_eq!(document["counts"], json!({"running": 1, "not_started": 1}));
        assert_eq!(document["items"][1], json!({"address": "db", "status": "not_started"}));
    }
}
