//! Asking the cloud: by id, or for all that the stack may own.

use super::state::observed;
use crate::cloud::limits::{DESCRIBE_BATCH_MAX, LISTED_INSTANCES_MAX};
use crate::cloud::port::{CloudRead, ReadAction};
use crate::cloud::reported::missing;
use crate::cloud::types::{DescribeInstancesReply, TAG_STACK};
use crate::cloud::{CloudError, ErrorClass};
use crate::model::{InstanceId, ObservedInstance, Ownership, StackName};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pages asked for at once. The pacer spaces them; more would only queue there.
pub(super) const PAGES_AT_ONCE: usize = 16;

/// How often a listing is read again because it moved while it was read.
const LISTING_TRIES: usize = 4;

/// A page of instances, and how many there are in all, where that is reported. It is read as it arrives, while the pacer
/// holds the next one back.
///
/// An instance without an id, or a page that is not reported, is an error: what it hides would be taken for gone.
async fn describe(cloud: &dyn CloudRead, body: Value) -> Result<(Option<u64>, Vec<ObservedInstance>), CloudError> {
    let action = ReadAction::DescribeInstances;
    let page: DescribeInstancesReply = cloud.read(action, body).await?.read(action.name())?;
    let set = match (page.instance_set, page.total_count) {
        (Some(set), _) => set,
        (None, Some(0)) => Vec::new(),
        (None, _) => return Err(missing(action.name(), "InstanceSet")),
    };
    let instances: Option<Vec<ObservedInstance>> = set.into_iter().map(observed).collect();
    let found = instances.ok_or_else(|| missing(action.name(), "InstanceId"))?;
    match found.iter().find(|instance| !instance.id.has_documented_shape()) {
        None => Ok((page.total_count, found)),
        Some(wrong) => {
            let what = format!("the response has `{}` where an instance id (lhins-…) should be", wrong.id);
            Err(CloudError::transport(ErrorClass::Ambiguous, action.name(), what))
        }
    }
}

/// Describes instances by id, 100 to a call, always with `Limit: 100` (its default is 20). An id that does not exist is
/// absent from the result; the service may also answer `ResourceNotFound` for the whole call, which is then asked one by one.
///
/// # Errors
/// When a call fails after its repetitions.
pub async fn by_ids(
    cloud: &dyn CloudRead,
    ids: &[InstanceId],
) -> Result<BTreeMap<InstanceId, ObservedInstance>, CloudError> {
    let chunks: Vec<Vec<InstanceId>> = ids.chunks(DESCRIBE_BATCH_MAX).map(<[InstanceId]>::to_vec).collect();
    let calls: Vec<_> = chunks.into_iter().map(|chunk| describe_chunk(cloud, chunk)).collect();
    let pages = stream::iter(calls).buffered(PAGES_AT_ONCE).try_collect::<Vec<_>>().await?;
    Ok(pages.into_iter().flatten().map(|instance| (instance.id.clone(), instance)).collect())
}

async fn describe_chunk(cloud: &dyn CloudRead, chunk: Vec<InstanceId>) -> Result<Vec<ObservedInstance>, CloudError> {
    let body = |ids: &[InstanceId]| json!({"InstanceIds": ids, "Limit": DESCRIBE_BATCH_MAX});
    match describe(cloud, body(&chunk)).await {
        Ok((_, found)) => Ok(found),
        Err(error) if error.is("ResourceNotFound") && chunk.len() > 1 => {
            let mut found = Vec::new();
            for id in &chunk {
                match describe(cloud, body(std::slice::from_ref(id))).await {
                    Ok((_, one)) => found.extend(one),
                    Err(error) if error.is("ResourceNotFound") => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        }
        Err(error) if error.is("ResourceNotFound") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Lists everything that the stack may own: by its tag, or, where there are no tags, everything in the region.
///
/// New instances come first in the listing and so shift its pages. It is read again until two counts agree and no page
/// repeated an id; what several tries saw is united, because nothing that exists may be missed.
///
/// # Errors
/// When a call fails after its repetitions, or the listing never stands still.
pub async fn owned(
    cloud: &dyn CloudRead,
    stack: &StackName,
    ownership: Ownership,
) -> Result<BTreeMap<InstanceId, ObservedInstance>, CloudError> {
    let mut seen: BTreeMap<InstanceId, ObservedInstance> = BTreeMap::new();
    let mut numbers = Vec::new();
    for _ in 0..LISTING_TRIES {
        let (total, first) = describe(cloud, page(stack, ownership, 0)).await?;
        let total = total.ok_or_else(|| missing(ReadAction::DescribeInstances.name(), "TotalCount"))?;
        let size = DESCRIBE_BATCH_MAX as u64;
        if total > LISTED_INSTANCES_MAX {
            let what =
                format!("the service counts {total} instances, more than the {LISTED_INSTANCES_MAX} that are read");
            return Err(CloudError::transport(ErrorClass::Ambiguous, ReadAction::DescribeInstances.name(), what));
        }
        // A page that is not full is the last, whatever the service counts.
        let pages = if (first.len() as u64) < size { 1 } else { total.div_ceil(size) };
        let calls: Vec<_> = (1..pages).map(|n| describe(cloud, page(stack, ownership, n * size))).collect();
        // Each page is put where it belongs when it comes: between two pages there is time for it.
        let (mut found, mut listed, mut steady) = (BTreeMap::new(), 0u64, true);
        let mut put = |count: Option<u64>, page: Vec<ObservedInstance>| {
            steady &= count == Some(total);
            listed += page.len() as u64;
            found.extend(page.into_iter().map(|instance| (instance.id.clone(), instance)));
        };
        put(Some(total), first);
        let mut rest = stream::iter(calls).buffered(PAGES_AT_ONCE);
        while let Some((count, page)) = rest.try_next().await? {
            put(count, page);
        }
        let whole = steady && found.len() as u64 == listed && listed == total;
        numbers.push((total, found.len()));
        seen.append(&mut found);
        if whole {
            return Ok(seen);
        }
    }
    Err(CloudError::transport(ErrorClass::Ambiguous, ReadAction::DescribeInstances.name(), moved(&numbers)))
}

/// Why no reading was whole: how many instances each counted and how many it listed.
fn moved(numbers: &[(u64, usize)]) -> String {
    let shown: Vec<String> = numbers.iter().map(|(total, listed)| format!("{listed} of {total}")).collect();
    match numbers {
        [(total, listed), rest @ ..] if rest.iter().all(|other| other == &(*total, *listed)) => format!(
            "the service counts {total} instances and lists {listed} of them, in each of {} readings: the two have to \
             agree before anything is decided",
            numbers.len()
        ),
        _ => format!(
            "the list of instances changed during each of {} readings, which listed {}",
            numbers.len(),
            shown.join(", ")
        ),
    }
}

fn page(stack: &StackName, ownership: Ownership, offset: u64) -> Value {
    let mut body = json!({"Offset": offset, "Limit": DESCRIBE_BATCH_MAX});
    if ownership == Ownership::Tags {
        body["Filters"] = json!([{"Name": format!("tag:{TAG_STACK}"), "Values": [stack]}]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_no_reading_was_whole() {
        assert_eq!(
            moved(&[(5, 4); 4]),
            "the service counts 5 instances and lists 4 of them, in each of 4 readings: the two have to agree before \
             anything is decided"
        );
        assert_eq!(
            moved(&[(5, 4), (6, 6), (7, 6), (7, 5)]),
            "the list of instances changed during each of 4 readings, which listed 4 of 5, 6 of 6, 6 of 7, 5 of 7"
        );
    }
}
