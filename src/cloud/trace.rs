//! What goes over the wire, for `--http-trace` and the log level `trace`. Nothing passes here that was not redacted.

use super::port::Prepared;
use super::redact::{self, Scrubber};

/// The name under which it is logged, apart from everything else.
pub const TARGET: &str = "lhprov::http";

fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

/// A request that is about to go to `url`.
pub fn request(prepared: &Prepared, url: &str) {
    if !is_wanted() {
        return;
    }
    let headers: Vec<String> =
        prepared.headers.iter().map(|(name, value)| format!("{name}: {}", redact::header(name, value))).collect();
    let (headers, body) = (headers.join("; "), clean(&redact::body(prepared.body.as_bytes())));
    tracing::trace!(target: TARGET, "> POST {url}/ {} [{headers}] {body}", prepared.action);
}

/// The answer to a request. Secrets of the request that the service quotes are taken out too.
pub fn answer(action: &str, status: u16, body: &[u8], scrubber: &Scrubber<'_>) {
    if is_wanted() {
        let body = clean(&scrubber.scrub(&redact::body(body)));
        tracing::trace!(target: TARGET, "< {status} {action} {body}");
    }
}

/// No answer to a request. `message` is scrubbed already.
pub fn failure(action: &str, message: &str) {
    if is_wanted() {
        let message = clean(message);
        tracing::trace!(target: TARGET, "! {action} {message}");
    }
}

/// A question to the metadata service.
pub fn metadata_request(url: &str) {
    tracing::trace!(target: TARGET, "> GET {url}");
}

/// What the metadata service answers.
pub fn metadata_answer(status: u16, body: &[u8]) {
    if is_wanted() {
        let body = clean(&redact::body(body));
        tracing::trace!(target: TARGET, "< {status} {body}");
    }
}

/// What comes from outside may not steer a terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
