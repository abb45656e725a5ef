//! What hangs on instances that change: data disks, snapshots, and what the service refuses for them. Asked only for those, a
//! hundred to a call; a failure leaves it unknown and says why.

use super::catalogue::{Catalogue, DataDisk, DeniedAction, Questions, why_not};
use super::refresh::PAGES_AT_ONCE;
use crate::cloud::CloudError;
use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use crate::cloud::port::{CloudRead, ReadAction};
use crate::model::InstanceId;
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most pages of one listing. An instance has five data disks and ten snapshots at most (guide), so a hundred of them have ten
/// pages.
const PAGES_MAX: usize = 20;

/// The value of `DiskUsage` of a data disk.
const DATA_DISK: &str = "DATA_DISK";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskRow {
    disk_id: Option<String>,
    instance_id: Option<String>,
    disk_usage: Option<String>,
    disk_size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeniedRow {
    instance_id: Option<String>,
    denied_actions: Option<Vec<DeniedActionRow>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeniedActionRow {
    action: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

/// Asks what the questions want to know, and puts it into the catalogue.
pub(super) async fn ask(cloud: &dyn CloudRead, questions: &Questions, catalogue: &mut Catalogue) {
    for (chunk, rows) in
        by_chunks(&questions.disks, |ids| filtered(cloud, ReadAction::DescribeDisks, "DiskSet", ids)).await
    {
        match rows {
            Ok(rows) => add_disks(catalogue, &chunk, rows),
            Err(error) => drop(catalogue.unanswered.insert(("disks", why_not(&error)))),
        }
    }
    for (id, count) in each(&questions.snapshots, |id| count_snapshots(cloud, id)).await {
        match count {
            Ok(count) => drop(catalogue.snapshots.insert(id, count)),
            Err(error) => drop(catalogue.unanswered.insert(("snapshots", why_not(&error)))),
        }
    }
    for (_, rows) in by_chunks(&questions.denied, |ids| denied(cloud, ids)).await {
        match rows {
            Ok(rows) => add_denied(catalogue, rows),
            Err(error) => drop(catalogue.unanswered.insert(("denied", why_not(&error)))),
        }
    }
    for ((id, blueprint), verdict) in each(&questions.resets, |(id, blueprint)| reset(cloud, id, blueprint)).await {
        match verdict {
            Ok(Some(refusal)) => drop(catalogue.resets.insert((id, blueprint), refusal)),
            // Not listed: the catalogue of images tells whether there is such a blueprint.
            Ok(None) => {}
            Err(error) => drop(catalogue.unanswered.insert(("denied", why_not(&error)))),
        }
    }
}

/// One call for each hundred ids, several at once.
async fn by_chunks<T, F>(
    ids: &BTreeSet<InstanceId>,
    call: impl Fn(Vec<InstanceId>) -> F,
) -> Vec<(Vec<InstanceId>, Result<Vec<T>, CloudError>)>
where
    F: Future<Output = Result<Vec<T>, CloudError>>,
{
    let ids: Vec<InstanceId> = ids.iter().cloned().collect();
    let calls: Vec<_> = ids
        .chunks(DESCRIBE_BATCH_MAX)
        .map(|chunk| {
            let called = call(chunk.to_vec());
            async { (chunk.to_vec(), called.await) }
        })
        .collect();
    stream::iter(calls).buffered(PAGES_AT_ONCE).collect().await
}

/// One call for each, several at once.
async fn each<K: Clone, T, F>(keys: &BTreeSet<K>, call: impl Fn(K) -> F) -> Vec<(K, Result<T, CloudError>)>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let calls: Vec<_> = keys
        .iter()
        .map(|key| {
            let called = call(key.clone());
            async { (key.clone(), called.await) }
        })
        .collect();
    stream::iter(calls).buffered(PAGES_AT_ONCE).collect().await
}

/// All rows of a listing that belong to instances.
async fn filtered(
    cloud: &dyn CloudRead,
    action: ReadAction,
    set: &'static str,
    ids: Vec<InstanceId>,
) -> Result<Vec<DiskRow>, CloudError> {
    let mut rows = Vec::new();
    // Counts rows that cannot be read, too: the next page begins behind them.
    let mut offset = 0;
    for _ in 0..PAGES_MAX {
        let filters = json!([{"Name": "instance-id", "Values": ids}]);
        let body = json!({"Filters": filters, "Offset": offset, "Limit": DESCRIBE_BATCH_MAX});
        let page = cloud.read(action, body).await?.rows(action.name(), set)?;
        let is_last = page.len() < DESCRIBE_BATCH_MAX;
        offset += page.len();
        rows.extend(page.into_iter().filter_map(|row| serde_json::from_value(row).ok()));
        if is_last {
            break;
        }
    }
    Ok(rows)
}

fn add_disks(catalogue: &mut Catalogue, asked: &[InstanceId], rows: Vec<DiskRow>) {
    for id in asked {
        catalogue.data_disks.entry(id.clone()).or_default();
    }
    for row in rows {
        let (Some(disk), Some(instance)) = (row.disk_id, row.instance_id) else { continue };
        // A disk of which the service reports no usage may be a data disk, so it is shown.
        if row.disk_usage.is_some_and(|usage| usage != DATA_DISK) {
            continue;
        }
        if let Some(disks) = catalogue.data_disks.get_mut(&InstanceId(instance)) {
            disks.push(DataDisk { id: disk, size: row.disk_size });
        }
    }
}

async fn count_snapshots(cloud: &dyn CloudRead, id: InstanceId) -> Result<u64, CloudError> {
    let action = ReadAction::DescribeSnapshots;
    let filters = json!([{"Name": "instance-id", "Values": [id]}]);
    let body = json!({"Filters": filters, "Offset": 0, "Limit": DESCRIBE_BATCH_MAX});
    let rows = cloud.read(action, body).await?.rows(action.name(), "SnapshotSet")?;
    Ok(rows.len() as u64)
}

async fn denied(cloud: &dyn CloudRead, ids: Vec<InstanceId>) -> Result<Vec<DeniedRow>, CloudError> {
    let action = ReadAction::DescribeInstancesDeniedActions;
    let rows = cloud.read(action, json!({"InstanceIds": ids})).await?.rows(action.name(), "InstanceDeniedActionSet")?;
    Ok(rows.into_iter().filter_map(|row| serde_json::from_value(row).ok()).collect())
}

fn add_denied(catalogue: &mut Catalogue, rows: Vec<DeniedRow>) {
    for row in rows {
        let Some(id) = row.instance_id else { continue };
        let actions = row.denied_actions.unwrap_or_default().into_iter().filter_map(|denied| {
            let (code, message) = (denied.code.unwrap_or_default(), denied.message.unwrap_or_default());
            Some(DeniedAction { action: denied.action?, code, message })
        });
        catalogue.denied.insert(InstanceId(id), actions.collect());
    }
}

/// Why an instance cannot be reinstalled with a blueprint; the outer option is none where the service does not list it.
async fn reset(cloud: &dyn CloudRead, id: InstanceId, blueprint: String) -> Result<Option<Option<String>>, CloudError> {
    let action = ReadAction::DescribeResetInstanceBlueprints;
    let filters = json!([{"Name": "blueprint-id", "Values": [blueprint]}]);
    let body = json!({"InstanceId": id, "Filters": filters, "Offset": 0, "Limit": DESCRIBE_BATCH_MAX});
    let rows: Vec<Value> = cloud.read(action, body).await?.rows(action.name(), "ResetInstanceBlueprintSet")?;
    let row = rows.iter().find(|row| row["BlueprintInfo"]["BlueprintId"] == blueprint.as_str());
    Ok(row.and_then(|row| row["IsResettable"].as_bool().map(|is_resettable| (row, is_resettable))).map(
        |(row, is_resettable)| {
            let message = row["NonResettableMessage"].as_str().unwrap_or_default().trim_end_matches('.');
            (!is_resettable)
                .then(|| if message.is_empty() { "it names no reason".to_owned() } else { message.to_owned() })
        },
    ))
}
