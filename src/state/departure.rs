//! Why an instance does not hold its address any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an instance left its address, and why a deposed one still exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DepartureReason {
    /// The cloud has it no more.
    Gone,
    /// It is isolated.
    Isolated,
    /// The service could not launch it.
    LaunchFailed,
    /// It was to be destroyed and is not yet.
    NotReturned,
    /// Another instance took its address: it is destroyed once that one runs.
    Displaced,
    /// It came with a purchase that asked for fewer instances.
    Surplus,
    /// The manifest lets it go, or nothing of it is left.
    Forgotten,
    /// The service refuses to take it back: its code or words.
    NotReturnable(String),
    /// A reason that format 1 has as text and no version wrote.
    Other(String),
}

/// Texts of format 1. `NotReturnable` is a prefix there.
const TEXTS: [(DepartureReason, &str); 6] = [
    (DepartureReason::Gone, "gone"),
    (DepartureReason::Isolated, "isolated"),
    (DepartureReason::LaunchFailed, "LAUNCH_FAILED"),
    (DepartureReason::NotReturned, "not returned"),
    (DepartureReason::Displaced, "another instance took its address"),
    (DepartureReason::Surplus, "came with a purchase that asked for fewer"),
];

const NOT_RETURNABLE: &str = "not returnable";

impl DepartureReason {
    /// Reads the text that format 1 has. Never used for files of format 2.
    pub(super) fn from_text(text: &str) -> Self {
        if let Some((reason, _)) = TEXTS.into_iter().find(|(_, known)| *known == text) {
            return reason;
        }
        match text.strip_prefix(NOT_RETURNABLE) {
            Some(rest) => Self::NotReturnable(rest.trim_start_matches(": ").to_owned()),
            None => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for DepartureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forgotten => f.write_str("forgotten"),
            Self::NotReturnable(detail) => write!(f, "{NOT_RETURNABLE}: {detail}"),
            Self::Other(text) => f.write_str(text),
            known => f.write_str(TEXTS.iter().find(|(reason, _)| reason == known).map_or("", |(_, text)| text)),
        }
    }
}
