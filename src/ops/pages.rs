//! Listings that come in pages, and the fields of their rows.

use crate::cloud::CloudError;
use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use crate::cloud::port::{CloudRead, ReadAction};
use serde_json::{Value, json};

/// Reads all pages of the listing `set` that `filter` asks for.
pub(super) async fn all_pages(
    cloud: &dyn CloudRead,
    action: ReadAction,
    set: &str,
    filter: &Value,
) -> Result<Vec<Value>, CloudError> {
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let mut body = filter.clone();
        body["Offset"] = json!(rows.len());
        body["Limit"] = json!(DESCRIBE_BATCH_MAX);
        let mut response: Value = cloud.read(action, body).await?.read(action.name())?;
        let total = number(&response, "TotalCount");
        let Value::Array(page) = response[set].take() else { return Ok(rows) };
        let over = page.is_empty();
        rows.extend(page);
        if over || rows.len() as u64 >= total {
            return Ok(rows);
        }
    }
}

/// Reads a listing that comes whole.
pub(super) async fn rows(
    cloud: &dyn CloudRead,
    action: ReadAction,
    body: Value,
    set: &str,
) -> Result<Vec<Value>, CloudError> {
    cloud.read(action, body).await?.rows(action.name(), set)
}

/// A text of a row; empty where there is none.
pub(super) fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

/// A number of a row; 0 where there is none.
pub(super) fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_default()
}
