//! Ownership tags of what was not bought with them: an instance that is imported, or that has another address now.

use super::context::Context;
use crate::apply::failure_policy::{Decision, FailedAttempt, History, Operation, decide};
use crate::cloud::CloudError;
use crate::cloud::port::WriteAction;
use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId, ObservedInstance, Ownership, Predecessor, SplitMix64};
use crate::plan::batch::{batch, cut};
use crate::plan::request::batch_tag;
use crate::state::PriorState;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time that setting the tags of one instance may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What became of the tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tagged {
    /// How many instances bear the tags now.
    pub set: usize,
    /// Where they could not be set, and why.
    pub refused: Vec<(Address, InstanceId, String)>,
}

/// The `lhprov-batch` tag of each address: that of the purchase that would bring them. With it the instances are found again
/// by an unchanged manifest even without a state.
pub(super) fn batch_tags(
    desired: &DesiredState,
    prior: &PriorState,
    addresses: &BTreeSet<Address>,
) -> BTreeMap<Address, String> {
    let mut tags = BTreeMap::new();
    for members in cut(desired) {
        let members: Vec<(&Address, &Predecessor)> = members
            .into_iter()
            .filter(|address| addresses.contains(*address))
            .map(|address| (address, prior.predecessor(address)))
            .collect();
        let Some(batch) = batch(desired, &members) else { continue };
        let value = batch_tag(&batch.token, members.iter().map(|(address, _)| *address));
        tags.extend(members.iter().map(|(address, _)| ((*address).clone(), value.clone())));
    }
    tags
}

/// Sets the ownership tags of some instances, where ownership is by tags. That the service refuses is no failure: it is told.
pub(super) async fn set(
    context: &Context,
    desired: &DesiredState,
    account: Option<&str>,
    instances: &[(&Address, &ObservedInstance)],
    tags: &BTreeMap<Address, String>,
) -> Tagged {
    let mut tagged = Tagged::default();
    if desired.ownership != Ownership::Tags {
        return tagged;
    }
    let mut jitter = SplitMix64::new(context.seed.rotate_left(29));
    let mut no_more: Option<String> = None;
    for (address, instance) in instances {
        let Some(value) = tags.get(*address) else { continue };
        let stack = desired.stack.as_str();
        let has = |key: &str, value: &str| instance.attributes.tags.get(key).is_some_and(|is| is == value);
        if has(TAG_STACK, stack) && has(TAG_BATCH, value) {
            tagged.set += 1;
            continue;
        }
        let outcome = match (account, &no_more) {
            (_, Some(why)) => Err((why.clone(), true)),
            (Some(account), None) => one(context, desired, account, &instance.id, value, &mut jitter).await,
            (None, None) => Err(("the service does not say whose account this is".to_owned(), true)),
        };
        match outcome {
            Ok(()) => tagged.set += 1,
            Err((why, is_for_all)) => {
                tagged.refused.push(((*address).clone(), instance.id.clone(), why.clone()));
                no_more = no_more.or_else(|| is_for_all.then_some(why));
            }
        }
    }
    tagged
}

/// Sets the tags of one instance. The error says whether it would meet every other instance, too.
async fn one(
    context: &Context,
    desired: &DesiredState,
    account: &str,
    id: &InstanceId,
    value: &str,
    jitter: &mut SplitMix64,
) -> Result<(), (String, bool)> {
    let body = json!({
        "Resource": format!("qcs::lighthouse:{}:uin/{account}:instance/{id}", desired.region),
        "ReplaceTags": [
            {"TagKey": TAG_BATCH, "TagValue": value},
            {"TagKey": TAG_STACK, "TagValue": desired.stack},
        ],
    });
    let began = context.clock.now();
    let mut history = History::default();
    loop {
        let Err(error) = call(context, body.to_string()).await else { return Ok(()) };
        history.count(error.class);
        let elapsed = context.clock.now().since(began);
        match decide(Operation::Tag, &FailedAttempt::of(&error, &history, elapsed, DEADLINE, jitter.next_unit())) {
            // The same tags twice are the same tags.
            Decision::Retry(wait) | Decision::Ambiguous(wait) => context.clock.sleep(wait).await,
            decision => return Err((error.to_string(), decision == Decision::EndRun)),
        }
    }
}

async fn call(context: &Context, body: String) -> Result<(), CloudError> {
    context.write.turn(WriteAction::ModifyResourceTags).await;
    let prepared = context.write.prepare(WriteAction::ModifyResourceTags, body).await?;
    context.write.send(prepared).await.map(drop)
}
