//! Ownership tags of a recorded instance: whether it still carries those by which it is found without a state.

use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::desired::DesiredState;
use crate::model::attributes::Field;
use crate::model::{Attributes, Ownership, batch_tag};

/// How its ownership tags are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnershipTags {
    /// They are there, or the stack has none, or the cloud does not report them.
    Kept,
    /// These are missing.
    Lost(Vec<&'static str>),
    /// Another stack has put its own in their place.
    OfAnother(String),
}

/// Compares the tags of an instance that the state records with those of this stack.
pub fn compare(desired: &DesiredState, live: &Attributes) -> OwnershipTags {
    if desired.ownership != Ownership::Tags || live.unreported.has(Field::Tags) {
        return OwnershipTags::Kept;
    }
    let stack = live.tags.get(TAG_STACK).map(String::as_str);
    if let Some(other) = stack.filter(|stack| *stack != desired.stack.as_str() && !stack.is_empty()) {
        return OwnershipTags::OfAnother(other.to_owned());
    }
    let has_stack = stack == Some(desired.stack.as_str());
    let has_batch = live.tags.get(TAG_BATCH).is_some_and(|value| is_batch(value));
    match (has_stack, has_batch) {
        (true, true) => OwnershipTags::Kept,
        (true, false) => OwnershipTags::Lost(vec![TAG_BATCH]),
        (false, true) => OwnershipTags::Lost(vec![TAG_STACK]),
        (false, false) => OwnershipTags::Lost(vec![TAG_STACK, TAG_BATCH]),
    }
}

/// Whether a value begins with the first characters of a token.
pub fn is_batch(value: &str) -> bool {
    let prefix = batch_tag::token_prefix(value);
    prefix.len() == 16 && prefix.bytes().all(|byte| byte.is_ascii_hexdigit())
}
