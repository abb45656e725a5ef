//! Ownership tags of what was not bought with them: an instance that is imported, or that has another address now.

use super::context::Context;
use crate::cloud::port::WriteAction;
use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId, ObservedInstance, Ownership, Predecessor};
use crate::plan::batch::{batch, cut};
use crate::plan::request::batch_tag;
use crate::state::PriorState;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How often a call is made that the service puts off.
const TRIES: usize = 4;

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
    for (address, instance) in instances {
        let Some(value) = tags.get(*address) else { continue };
        let stack = desired.stack.as_str();
        let has = |key: &str, value: &str| instance.attributes.tags.get(key).is_some_and(|is| is == value);
        if has(TAG_STACK, stack) && has(TAG_BATCH, value) {
            tagged.set += 1;
            continue;
        }
        let outcome = match account {
            Some(account) => one(context, desired, account, &instance.id, value).await,
            None => Err("the service does not say whose account this is".to_owned()),
        };
        match outcome {
            Ok(()) => tagged.set += 1,
            Err(why) => tagged.refused.push(((*address).clone(), instance.id.clone(), why)),
        }
    }
    tagged
}

async fn one(
    context: &Context,
    desired: &DesiredState,
    account: &str,
    id: &InstanceId,
    value: &str,
) -> Result<(), String> {
    let body = json!({
        "Resource": format!("qcs::lighthouse:{}:uin/{account}:instance/{id}", desired.region),
        "ReplaceTags": [
            {"TagKey": TAG_BATCH, "TagValue": value},
            {"TagKey": TAG_STACK, "TagValue": desired.stack},
        ],
    });
    let mut last = String::new();
    // The same tags twice are the same tags: a repetition is safe.
    for _ in 0..TRIES {
        match call(context, body.to_string()).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                let again = matches!(error.class, ErrorClass::Throttled | ErrorClass::Ambiguous | ErrorClass::NotSent);
                last = error.to_string();
                if !again {
                    break;
                }
            }
        }
    }
    Err(last)
}

async fn call(context: &Context, body: String) -> Result<(), CloudError> {
    context.write.turn(WriteAction::ModifyResourceTags).await;
    let prepared = context.write.prepare(WriteAction::ModifyResourceTags, body).await?;
    context.write.send(prepared).await.map(drop)
}
