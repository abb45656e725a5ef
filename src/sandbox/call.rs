//! What a call to the sandbox is, between its fronts (HTTP, in process) and the account.

use crate::model::Timestamp;
use serde_json::Value;

/// One call, already authenticated and parsed.
#[derive(Clone, Debug)]
pub struct Call {
    /// `lighthouse` or `sts`.
    pub service: String,
    /// `X-TC-Action`.
    pub action: String,
    /// `X-TC-Version`.
    pub version: String,
    /// `X-TC-Region`; empty if absent.
    pub region: String,
    /// The body.
    pub body: Value,
    /// When it arrives, by the sandbox's clock.
    pub now: Timestamp,
    /// The request id that the answer carries.
    pub request_id: String,
}

/// An error as the API gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// `First.Second`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl ApiError {
    /// An error.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// The content of `Response`, without `RequestId`, or an error.
pub type Answer = Result<Value, ApiError>;
