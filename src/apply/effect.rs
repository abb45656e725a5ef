//! The vocabulary between machine and driver.

use crate::cloud::CloudError;
use crate::cloud::port::WriteAction;
use crate::event::Event;
use crate::model::{InstanceId, ObservedInstance, RequestId, Timestamp};
use crate::state::Record;
use std::collections::BTreeMap;

/// Index of a purchase in the machine.
pub type PurchaseId = usize;

/// Number of a write other than a purchase.
pub type WriteId = usize;

/// What a timer is for. At most one of each is wanted; a later one replaces the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerId {
    /// Next poll.
    Poll,
    /// Next look, for purchases that wait to be asked for again.
    Look,
    /// Next try of a write that has to wait.
    Write,
    /// Next try of a change that has to wait.
    Change,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Effect {
    /// Make these durable, before anything that follows in the list.
    Journal(Vec<Record>),
    /// Sign a purchase's request now and keep it.
    Sign {
        /// Which purchase.
        purchase: PurchaseId,
        /// The exact text of the body.
        body: String,
    },
    /// List what the stack may own.
    Look,
    /// Wait for a turn of this action.
    Turn(WriteAction),
    /// Send the kept request of a purchase.
    Send {
        /// Which purchase.
        purchase: PurchaseId,
    },
    /// Ask whether a purchase's request would pass, without buying.
    DryRun {
        /// Which purchase.
        purchase: PurchaseId,
        /// The exact text of the body.
        body: String,
    },
    /// Describe instances by id.
    Describe(Vec<InstanceId>),
    /// Sign and send another write, whose turn has come.
    Write {
        /// Its number.
        write: WriteId,
        /// The action.
        action: WriteAction,
        /// The text of the body.
        body: String,
        /// Not to be signed later than this.
        until: Option<Timestamp>,
    },
    /// Give a `Timer` input at this time.
    Timer {
        /// Which.
        id: TimerId,
        /// When.
        at: Timestamp,
    },
    /// Tell what happened.
    Emit(Event),
}

/// What the driver tells.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Start,
    /// A purchase's request was signed, or could not be.
    Signed {
        /// Which purchase.
        purchase: PurchaseId,
        /// When.
        result: Result<Timestamp, CloudError>,
    },
    /// A look's result.
    Looked(Result<Vec<ObservedInstance>, CloudError>),
    /// A turn has come.
    Turn(WriteAction),
    /// A purchase's answer: ids and request id.
    Sent {
        /// Which purchase.
        purchase: PurchaseId,
        /// What came.
        result: Result<(Vec<InstanceId>, RequestId), CloudError>,
    },
    /// Whether a purchase's request would pass.
    DryRan {
        /// Which purchase.
        purchase: PurchaseId,
        /// The refusal, or why it could not be asked.
        result: Result<(), CloudError>,
    },
    /// Described instances; what was asked for and is absent does not exist or is not listed yet.
    Described {
        /// What was asked for.
        asked: Vec<InstanceId>,
        /// What came.
        result: Result<BTreeMap<InstanceId, ObservedInstance>, CloudError>,
    },
    /// Another write's answer.
    Written {
        /// Its number.
        write: WriteId,
        /// What came.
        result: Result<RequestId, CloudError>,
    },
    /// A timer's time has come.
    Timer(TimerId),
    /// The first signal: nothing new is to begin.
    Interrupt {
        /// Its name.
        signal: String,
    },
    /// The time that calls in flight get after a signal is over.
    GraceOver,
    /// The driver found a rule of the protocol broken: a defect of lhprov.
    Defect {
        /// The broken rule.
        what: String,
    },
    /// The journal cannot be written. Nothing that has to be written down first was or will be done.
    JournalFailed {
        /// The disk's reason.
        why: String,
    },
}
