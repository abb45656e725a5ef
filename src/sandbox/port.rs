//! The sandbox without a network: a transport that hands each request to the account in this process.
//!
//! It classifies with the client's own code, so the rest of the program cannot tell it from the API over HTTP, and whoever
//! tests against it tests the classification too. Nothing is signed; the time of signing is checked as the API checks it.

use super::account::Caller;
use super::fault::Failure;
use super::service::{Asked, Service, document};
use super::verify::check_time;
use crate::clock::{BoxFuture, Clock};
use crate::cloud::answer::{self, Answer};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::limits::ANSWER_WITHIN;
use crate::cloud::port::{Prepared, Reply, Service as ServiceName, Transport};
use crate::cloud::redact::Scrubber;
use crate::cloud::trace;
use crate::model::time::show_duration;
use std::sync::Arc;

/// What an outcome is bound to when it comes from here.
pub const ENDPOINT: &str = "sandbox";

const UNKNOWN: &str = "whether the request was carried out is not known";

/// The sandbox as a transport.
#[derive(Clone)]
pub struct InProcess {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    region: String,
}

impl InProcess {
    /// Calls `service` in the name of `region`.
    pub fn new(service: Arc<Service>, clock: Arc<dyn Clock>, region: impl Into<String>) -> Self {
        Self { service, clock, region: region.into() }
    }

    /// The sandbox behind it.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    async fn exchange(&self, prepared: Prepared) -> Result<Reply, CloudError> {
        let (action, now) = (prepared.action, self.clock.now());
        let request_id = self.service.request_id();
        let scrubber = Scrubber::of_body(&prepared.body, None);
        trace::request(&prepared, "sandbox:");
        if let Err(error) = check_time(prepared.signed_at.as_secs(), now) {
            return self.read(action, &Err(error), &request_id, &scrubber);
        }
        let body = serde_json::from_str(&prepared.body).map_err(|error| {
            CloudError::transport(ErrorClass::NotSent, action, format!("the request is not JSON: {error}"))
        })?;
        let outcome = self.service.handle(Asked {
            service: prepared.service.name().to_owned(),
            action: action.to_owned(),
            version: prepared.service.version().to_owned(),
            region: self.region.clone(),
            body,
            now,
            request_id: request_id.clone(),
            caller: Caller::Owner,
        });
        if !outcome.delay.is_zero() {
            self.clock.sleep(outcome.delay.min(ANSWER_WITHIN)).await;
        }
        if outcome.delay >= ANSWER_WITHIN {
            let message = format!("no answer from the sandbox within {}; {UNKNOWN}", show_duration(ANSWER_WITHIN));
            return Err(CloudError::transport(ErrorClass::Ambiguous, action, message));
        }
        let lost = |place: &str| {
            let message = format!("connection to the sandbox lost {place} (a fault on demand); {UNKNOWN}");
            trace::failure(action, &message);
            Err(CloudError::transport(ErrorClass::Ambiguous, action, message))
        };
        match outcome.failure {
            Some(Failure::Lost) => lost("before an answer came"),
            Some(Failure::Cut(_)) => lost("in the middle of the answer"),
            Some(Failure::Status) => {
                let body = b"<h1>Bad Gateway</h1>".to_vec();
                let bad = Answer { status: 502, content_type: Some("text/html"), date: None, body };
                answer::read(action, bad, self.clock.now(), &scrubber)
            }
            Some(Failure::Internal) | None => self.read(action, &outcome.answer, &request_id, &scrubber),
        }
    }

    fn read(
        &self,
        action: &str,
        given: &super::call::Answer,
        request_id: &str,
        scrubber: &Scrubber<'_>,
    ) -> Result<Reply, CloudError> {
        let body = document(given, request_id).to_string().into_bytes();
        trace::answer(action, 200, &body, scrubber);
        let whole = Answer { status: 200, content_type: Some("application/json"), date: None, body };
        answer::read(action, whole, self.clock.now(), scrubber)
    }
}

impl Transport for InProcess {
    fn prepare(
        &self,
        service: ServiceName,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        let signed_at = self.clock.now();
        Box::pin(async move { Ok(Prepared { service, action, body, signed_at, headers: Vec::new() }) })
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        Box::pin(self.exchange(prepared))
    }

    fn endpoint(&self) -> String {
        ENDPOINT.to_owned()
    }
}
