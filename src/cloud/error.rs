//! What can go wrong with a call, sorted by what it proves.

use std::fmt;

/// What an error proves about the call's effect. The purchase protocol decides by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The request never left, or never reached the service: nothing happened.
    NotSent,
    /// The service counted the request and turned it away for its rate: nothing happened.
    Throttled,
    /// The signature's time is over or not yet come: nothing happened; sign again.
    SignatureExpired,
    /// Credentials or permission: nothing happened, and a repetition changes nothing.
    Auth,
    /// The service looked at the request and said no: nothing happened by this request.
    Refused,
    /// No answer, a broken one, a server's fault: the service may have acted.
    Ambiguous,
}

impl ErrorClass {
    /// Whether this attempt certainly had no effect.
    pub fn proves_no_effect(self) -> bool {
        self != ErrorClass::Ambiguous
    }
}

/// A call that brought no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudError {
    /// What it proves.
    pub class: ErrorClass,
    /// The action that was called.
    pub action: String,
    /// The service's code, `LimitExceeded.InstanceQuotaLimitExceeded`; absent where no service answered.
    pub code: Option<String>,
    /// The service's message, or what happened on the way.
    pub message: String,
    /// The service's request id, where it gave one.
    pub request_id: Option<String>,
}

impl CloudError {
    /// An error of the way there or back.
    pub fn transport(class: ErrorClass, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, action: action.into(), code: None, message: message.into(), request_id: None }
    }

    /// Whether this is the answer to a dry run that would have succeeded. The common list has a code for it; the page of
    /// CreateInstances says that a successful dry run returns only a request id (seed). Both count.
    pub fn is_dry_run_success(&self) -> bool {
        self.is("DryRunOperation")
    }

    /// Whether this response to a dry run says that the purchase would fail now. That is another question than the class
    /// answers: an unlisted failure does not prove that a purchase had no effect, but a dry run has none.
    pub fn refuses_dry_run(&self) -> bool {
        let is_response = self.code.is_some() && !self.is_dry_run_success();
        let says_nothing =
            matches!(self.class, ErrorClass::Throttled | ErrorClass::Auth | ErrorClass::SignatureExpired);
        is_response && !says_nothing && !self.is("InternalError")
    }

    /// Whether the code is `code` or below it (`First` covers `First.Second`).
    pub fn is(&self, code: &str) -> bool {
        self.code
            .as_deref()
            .is_some_and(|own| own.strip_prefix(code).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.action)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(self.message.trim_end_matches('.'))?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for CloudError {}
