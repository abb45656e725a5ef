//! Records of a journal of format 1 as the records of today.
//!
//! Format 1 had two things as text that are enums since: predecessors, and why an instance left its address.

use super::departure::DepartureReason;
use super::journal::Record;
use crate::model::Predecessor;
use serde_json::Value;

/// Reads a record of format 1.
pub(super) fn record_from_v1(mut record: Value) -> Result<Record, serde_json::Error> {
    match record["type"].as_str() {
        Some("intent") => {
            for member in record["members"].as_array_mut().into_iter().flatten() {
                predecessor_from_text(member)?;
            }
        }
        Some("adopted") => predecessor_from_text(&mut record)?,
        Some("gone") => {
            if let Some(map) = record.as_object_mut()
                && let Some(Value::String(why)) = map.remove("why")
            {
                map.insert("reason".into(), serde_json::to_value(DepartureReason::from_text(&why))?);
            }
        }
        _ => {}
    }
    serde_json::from_value(record)
}

fn predecessor_from_text(value: &mut Value) -> Result<(), serde_json::Error> {
    if let Some(Value::String(text)) = value.get("predecessor") {
        value["predecessor"] = serde_json::to_value(Predecessor::from_text(text))?;
    }
    Ok(())
}
