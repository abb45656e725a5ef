//! What both fronts have in common: faults, rate and account, in the order in which the service would ask.

use super::account::{Account, Caller, CreateFault, Forced};
use super::actions::{DRY_RUN, counted_as, knows};
use super::call::{Answer, ApiError, Call};
use super::fault::{Failure, Faults};
use super::rate::RateLimiter;
use super::store::Store;
use crate::model::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The account with its faults and rates.
pub struct Service {
    store: Store,
    faults: Faults,
    /// Tells the request ids of one process from those of another.
    salt: [u8; 16],
    gate: Mutex<Gate>,
}

struct Gate {
    limiter: RateLimiter,
    /// Calls by action, in this process: a fault that names the n-th call means this process's.
    calls: HashMap<String, u64>,
    requests: u64,
}

/// A call, authenticated.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The service that it is signed for.
    pub service: String,
    /// `X-TC-Action`.
    pub action: String,
    /// `X-TC-Version`.
    pub version: String,
    /// `X-TC-Region`.
    pub region: String,
    /// The body.
    pub body: Value,
    /// When it arrives.
    pub now: Timestamp,
    /// As drawn with [`Service::request_id`].
    pub request_id: String,
    /// Who asks.
    pub caller: Caller,
}

/// What is to come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How long to wait before anything goes back.
    pub delay: Duration,
    /// If set, the answer does not come back whole.
    pub failure: Option<Failure>,
    /// The answer.
    pub answer: Answer,
}

impl Service {
    /// Faults before an account.
    pub fn new(store: Store, faults: Faults) -> Self {
        let mut salt = [0; 16];
        if store.is_kept() {
            // Without chance, two processes give the same request ids: no harm to anybody but the reader.
            let _best_effort = getrandom::fill(&mut salt);
        }
        let limiter = RateLimiter::new(store.settings());
        Self { store, faults, salt, gate: Mutex::new(Gate { limiter, calls: HashMap::new(), requests: 0 }) }
    }

    /// The account's store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A new request id, in the form of a UUID of version 4.
    pub fn request_id(&self) -> String {
        let number = {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            gate.requests += 1;
            gate.requests
        };
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(self.store.settings().seed.to_le_bytes());
        hash.update(number.to_le_bytes());
        let digest = hash.finalize();
        let number = digest.iter().take(16).fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
        let (version, variant) = (0x4u128 << 76, 0x8u128 << 60);
        let id = number & !(0xfu128 << 76) & !(0xcu128 << 60) | version | variant;
        let text = format!("{id:032x}");
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }

    /// Performs a call.
    pub fn handle(&self, asked: Asked) -> Outcome {
        let is_known = knows(&asked.service, &asked.action) && asked.action != DRY_RUN;
        let action = counted_as(&asked.action, &asked.body).to_owned();
        let shown = if is_known { action.as_str() } else { "(unknown)" };
        let (nth, admitted) = self.count(&action, &asked.action, is_known, asked.now);
        let fault = self.faults.decide(&action, nth);
        let delay = fault.delay.saturating_add(Duration::from_millis(self.store.settings().latency_ms));
        let outcome = |failure: Option<Failure>, answer: Answer| match failure {
            Some(Failure::Internal) => Outcome { delay, failure: None, answer: Err(internal("a fault on demand")) },
            _ => Outcome { delay, failure, answer },
        };
        let note = |answer: ApiError| match self.store.note(shown, &fault.fired) {
            Ok(()) => answer,
            Err(error) => internal(&trouble(&error)),
        };
        if let Some(failure) = fault.before {
            return outcome(Some(failure), Err(note(internal("a fault on demand"))));
        }
        if fault.throttle {
            let error =
                ApiError::new("RequestLimitExceeded", "Please reduce the frequency of calls (a fault on demand).");
            return outcome(None, Err(note(error)));
        }
        if let Err(error) = admitted {
            return outcome(None, Err(note(error)));
        }
        if fault.denied {
            return outcome(None, Err(note(denied(&asked))));
        }
        let create = CreateFault {
            partial: fault.partial,
            launch_failed: fault.launch_failed,
            sold_out: fault.sold_out,
            refuse_token: fault.refuse_token,
        };
        let forced = Forced { create, operation_fails: fault.operation_failed, caller: asked.caller };
        let call = Call {
            service: asked.service,
            action: asked.action,
            version: asked.version,
            region: asked.region,
            body: asked.body,
            now: asked.now,
            request_id: asked.request_id,
        };
        match self.store.call(&call, &forced, &fault.fired) {
            Ok(answer) => outcome(fault.after, answer),
            Err(error) => outcome(fault.after, Err(internal(&trouble(&error)))),
        }
    }

    /// Does something to the account at `now` that the API does not offer: no fault, no rate, no signature.
    ///
    /// # Errors
    /// What `act` answers, and `InternalError` if the account cannot be kept.
    pub fn outside(&self, now: Timestamp, act: impl FnOnce(&mut Account, Timestamp) -> Answer) -> Answer {
        self.store.outside(|account| act(account, now)).unwrap_or_else(|error| Err(internal(&trouble(&error))))
    }

    /// Which call of its action this is, and whether the rate admits it.
    fn count(&self, counted: &str, action: &str, is_known: bool, now: Timestamp) -> (u64, Result<(), ApiError>) {
        // Names come from outside; what is not an action is not remembered.
        if !is_known {
            return (0, Ok(()));
        }
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = gate.calls.entry(counted.to_owned()).or_default();
        *nth += 1;
        (*nth, gate.limiter.admit(action, now))
    }
}

/// The document that an answer is on the wire.
pub fn document(answer: &Answer, request_id: &str) -> Value {
    let mut response = match answer {
        Ok(Value::Object(content)) => content.clone(),
        Ok(_) => serde_json::Map::new(),
        Err(error) => {
            let error = serde_json::json!({ "Code": error.code, "Message": error.message });
            serde_json::Map::from_iter([("Error".to_owned(), error)])
        }
    };
    response.insert("RequestId".to_owned(), request_id.into());
    serde_json::json!({ "Response": response })
}

/// The error of an action without permission. Lighthouse has a code of its own for it.
fn denied(asked: &Asked) -> ApiError {
    let code = match asked.service.as_str() {
        "lighthouse" => "UnauthorizedOperation.NoPermission",
        _ => "AuthFailure.UnauthorizedOperation",
    };
    let what = format!("{}:{}", asked.service, asked.action);
    ApiError::new(code, format!("You are not authorized to perform operation ({what}) (a fault on demand)."))
}

fn internal(why: &str) -> ApiError {
    ApiError::new("InternalError", format!("An internal error has occurred ({why})."))
}

/// An error and its causes in one line; the log gets it too.
fn trouble(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    tracing::error!("the sandbox's account: {text}");
    text
}
