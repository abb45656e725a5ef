//! Listings that come in pages.

use crate::cloud::limits::{DESCRIBE_BATCH_MAX, LISTED_ROWS_MAX};
use crate::cloud::port::{CloudRead, ReadAction};
use crate::cloud::reported::{missing, number};
use crate::cloud::{CloudError, ErrorClass};
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
        let page = match (response[set].take(), total) {
            (Value::Array(page), _) => page,
            (Value::Null, Some(0)) => Vec::new(),
            _ => return Err(missing(action.name(), set)),
        };
        // Where the whole number is not reported, a page that is not full is the last.
        if rows.len() + page.len() > LISTED_ROWS_MAX {
            let what = format!("the listing `{set}` has more than {LISTED_ROWS_MAX} rows");
            return Err(CloudError::transport(ErrorClass::Ambiguous, action.name(), what));
        }
        let over = page.is_empty() || total.is_none() && page.len() < DESCRIBE_BATCH_MAX;
        rows.extend(page);
        if over || total.is_some_and(|total| rows.len() as u64 >= total) {
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
