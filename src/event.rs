//! What happens during a run, as owned data: the interface between apply and report. People, JSON readers and tests see
//! the same events.

use crate::model::{Address, InstanceId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// How an item stands, during or at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Bought and running.
    Running,
    /// Changed in place.
    Updated,
    /// Given more time.
    Renewed,
    /// Found in the cloud and recorded.
    Imported,
    /// Returned.
    Isolated,
    /// Returned and destroyed for good.
    Purged,
    /// Dropped from the state.
    Forgotten,
    /// Kept, at another address than before.
    Moved,
    /// Left over from a failed launch, and the service does not take it back.
    Kept,
    /// Bought, not running yet: the next apply goes on waiting.
    Pending,
    /// Refused or failed for good.
    Failed,
    /// Nothing was asked for.
    NotStarted,
    /// Asked for, and no answer tells what came of it: the next apply settles it.
    Unknown,
    /// Not decidable here: stopped before buying.
    Unclear,
}

impl ItemStatus {
    /// Whether the item is as the plan wanted it.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Running | Self::Updated | Self::Renewed | Self::Imported | Self::Moved)
            || self.is_departure()
    }

    /// Whether it tells of an instance that leaves. Such an item says nothing of what its address is to get.
    pub fn is_departure(self) -> bool {
        matches!(self, Self::Isolated | Self::Purged | Self::Forgotten | Self::Kept)
    }

    /// Heading for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Updated => "updated",
            Self::Renewed => "renewed",
            Self::Imported => "found again",
            Self::Isolated => "isolated",
            Self::Purged => "destroyed",
            Self::Forgotten => "forgotten",
            Self::Moved => "moved",
            Self::Kept => "left over",
            Self::Pending => "still pending",
            Self::Failed => "failed",
            Self::NotStarted => "not started",
            Self::Unknown => "unknown",
            Self::Unclear => "unclear",
        }
    }
}

/// One line of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Item {
    /// The address.
    pub address: Address,
    /// How it stands.
    pub status: ItemStatus,
    /// Its instance, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// Its public addresses, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<String>,
    /// Whether this run bought it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// Why, for what is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The service's request id: of the call that decided its status, else of its purchase, where an answer told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A group of instances whose progress is shown in one line: a purchase, a resumed wait, or a return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// Number of the group in this run.
    pub group: usize,
    /// Its members in short, `web[0-29]`.
    pub label: String,
    /// How many members it has.
    pub total: usize,
    /// How many of them are in which state: `waiting`, `buying`, `pending`, `running`, `failed`, `changing`, `changed`, `isolating`, `isolated`, `destroyed`.
    pub states: BTreeMap<&'static str, usize>,
    /// Why it waits, while a request is retried or an instance is not listed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// Why a group waits, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Retry {
    /// Attempts or lookups so far that brought no result.
    pub attempts: u32,
    /// What the last one brought.
    pub last_error: String,
    /// When the next one begins, at the latest.
    #[serde(serialize_with = "serialize_time")]
    #[schemars(with = "String")]
    pub next: Timestamp,
}

fn serialize_time<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl std::fmt::Display for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { attempts, last_error, next } = self;
        let attempts = if *attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        // `2026-11-27T12:05:10.123Z`: the date is in no doubt during a run.
        let next = next.to_string();
        let time = next.split_once('T').map_or(next.as_str(), |(_, time)| time);
        let time = time.split_once('.').map_or(time, |(whole, _)| whole);
        write!(f, "{attempts}, last: {last_error}; next lookup at {} UTC", time.trim_end_matches('Z'))
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Started {
        /// `plan`, `apply`, …
        command: &'static str,
        /// The fleet.
        stack: String,
        /// Its region.
        region: String,
        /// Endpoint URL or `sandbox`.
        endpoint: String,
    },
    /// Work begins.
    ApplyStarted {
        /// How many groups there are.
        groups: usize,
        /// How many instances are worked on.
        instances: usize,
    },
    /// A group moved.
    Progress(Progress),
    /// An item reached its end, or a state worth a line.
    Item(Item),
    /// A call to the API ended.
    Call {
        /// The action.
        action: String,
        /// When it began, milliseconds since 1970.
        started_ms: i64,
        /// How long it took, milliseconds.
        duration_ms: u64,
        /// `ok`, or the code or kind of the error.
        outcome: String,
        /// The service's request id.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// Something people should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// The run is told to stop.
    Interrupted {
        /// The signal's name.
        signal: String,
    },
    /// Last event of a run.
    Summary {
        /// Exit code of the process.
        exit_code: u8,
        /// How many items are in which status.
        counts: BTreeMap<&'static str, usize>,
        /// Every item that is not done.
        open_items: Vec<Item>,
        /// What ended the run before its end, in one line.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The command that goes on, where there is something to go on with.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

/// Receives events. Called from one task at a time; must not block for long.
pub trait EventSink: Send + Sync {
    /// Takes an event.
    fn emit(&self, event: Event);
}
