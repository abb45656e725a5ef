//! The only door to the API.
//!
//! Two layers. [`Transport`] moves one signed request and brings its answer: the HTTP client is one, the sandbox in
//! process another, the simulated network of the tests a third. [`CloudRead`] and [`CloudWrite`] are what the rest of the
//! program sees; `cloud::paced::Paced` makes them out of a transport by adding the rate limits and the repetition of
//! reads. They are apart so that a signature proves what a function cannot do: whoever gets a `CloudRead` cannot buy.

use super::error::{CloudError, ErrorClass};
use crate::clock::BoxFuture;
use crate::model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Which of Tencent Cloud's services an action belongs to. Each signs with its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Lighthouse, version 2020-03-24.
    Lighthouse,
    /// Security Token Service, version 2018-08-13: whose credentials are these.
    Sts,
    /// Tag service, version 2018-08-13: tags of what exists already.
    Tag,
}

impl Service {
    /// The name in the host and in the signature's scope.
    pub fn name(self) -> &'static str {
        match self {
            Service::Lighthouse => "lighthouse",
            Service::Sts => "sts",
            Service::Tag => "tag",
        }
    }

    /// The value of `X-TC-Version`.
    pub fn version(self) -> &'static str {
        match self {
            Service::Lighthouse => "2020-03-24",
            Service::Sts | Service::Tag => "2018-08-13",
        }
    }
}

macro_rules! actions {
    (@name $variant:ident) => { stringify!($variant) };
    (@name $variant:ident $wire:literal) => { $wire };
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $service:ident $(as $wire:literal)?),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", stringify!($variant), "`")]
                $variant
            ),+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$($name::$variant),+];

            /// The value of `X-TC-Action`.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => actions!(@name $variant $($wire)?)),+ }
            }

            /// The service that answers it.
            pub fn service(self) -> Service {
                match self { $($name::$variant => Service::$service),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

actions!(
    /// Actions that change nothing and may be repeated at will.
    ReadAction {
        DescribeInstances: Lighthouse,
        DescribeBundles: Lighthouse,
        DescribeBlueprints: Lighthouse,
        DescribeZones: Lighthouse,
        DescribeRegions: Lighthouse,
        DescribeGeneralResourceQuotas: Lighthouse,
        DescribeInstancesReturnable: Lighthouse,
        DescribeInstancesDeniedActions: Lighthouse,
        DescribeResetInstanceBlueprints: Lighthouse,
        DescribeDisks: Lighthouse,
        DescribeSnapshots: Lighthouse,
        DescribeModifyInstanceBundles: Lighthouse,
        InquirePriceCreateInstances: Lighthouse,
        InquirePriceRenewInstances: Lighthouse,
        // The purchase with `DryRun`, which every `CloudRead` sets itself and which leaves no room for a token.
        DryRunCreateInstances: Lighthouse as "CreateInstances",
        GetCallerIdentity: Sts,
    }
);

actions!(
    /// Actions that change something.
    WriteAction {
        CreateInstances: Lighthouse,
        IsolateInstances: Lighthouse,
        TerminateInstances: Lighthouse,
        ModifyInstancesAttribute: Lighthouse,
        ModifyInstancesRenewFlag: Lighthouse,
        ModifyInstancesBundle: Lighthouse,
        ResetInstance: Lighthouse,
        ResetInstancesPassword: Lighthouse,
        AssociateInstancesKeyPairs: Lighthouse,
        DisassociateInstancesKeyPairs: Lighthouse,
        StartInstances: Lighthouse,
        StopInstances: Lighthouse,
        RenewInstances: Lighthouse,
        ApplyFirewallTemplate: Lighthouse,
        ModifyResourceTags: Tag,
    }
);

/// The body of a reading action as it may go out: a dry run says so, and has no token that anything could be kept for.
pub fn reading_body(action: ReadAction, mut body: Value) -> Value {
    if action == ReadAction::DryRunCreateInstances {
        if !body.is_object() {
            body = Value::Object(serde_json::Map::new());
        }
        body["DryRun"] = Value::Bool(true);
        if let Some(map) = body.as_object_mut() {
            map.remove("ClientToken");
        }
    }
    body
}

/// A request, signed and ready to go. The signature carries its time: the service refuses it five minutes later, so
/// a sender that slept cannot act on what it saw before it slept.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The service.
    pub service: Service,
    /// The action's name.
    pub action: &'static str,
    /// The exact bytes that were signed.
    pub body: String,
    /// When it was signed, by our clock.
    pub signed_at: Timestamp,
    /// Every header to send, `Authorization` among them.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for Prepared {
    // Headers and body can hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("action", &self.action)
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

/// An answer without error. It is read once, by whoever knows what it should hold: a page of instances is a thousand texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    content: Content,
    /// `Response.RequestId`; empty if the service left it out.
    pub request_id: String,
}

/// Where the object under `Response` is.
#[derive(Clone, Debug, PartialEq)]
enum Content {
    /// In the JSON text of the whole answer.
    Text(Vec<u8>),
    /// Here.
    Read(Value),
}

impl Reply {
    /// An answer as it came over the wire.
    pub fn from_text(whole: Vec<u8>, request_id: String) -> Self {
        Self { content: Content::Text(whole), request_id }
    }

    /// An answer that was never text. `response` is the object under `Response`.
    pub fn from_value(response: Value, request_id: String) -> Self {
        Self { content: Content::Read(response), request_id }
    }

    /// The rows of the listing `set`.
    ///
    /// # Errors
    /// Like [`Reply::read`], and where the answer does not report the listing: that is not an empty one.
    pub fn rows(self, action: &str, set: &str) -> Result<Vec<Value>, CloudError> {
        match self.read::<Value>(action)?.get_mut(set).map(Value::take) {
            Some(Value::Array(rows)) => Ok(rows),
            _ => Err(super::reported::missing(action, set)),
        }
    }

    /// What is under `Response`, as the answer to `action`.
    ///
    /// # Errors
    /// `Ambiguous` where it does not have the documented form; says which field does not fit.
    pub fn read<T: DeserializeOwned>(self, action: &str) -> Result<T, CloudError> {
        #[derive(Deserialize)]
        struct Whole<T> {
            #[serde(rename = "Response")]
            response: T,
        }
        let read = match self.content {
            Content::Text(text) => serde_json::from_slice::<Whole<T>>(&text).map(|whole| whole.response),
            Content::Read(response) => T::deserialize(response),
        };
        read.map_err(|problem| CloudError {
            class: ErrorClass::Ambiguous,
            action: action.to_owned(),
            code: None,
            message: format!("the answer does not have the documented form: {problem}"),
            request_id: Some(self.request_id).filter(|id| !id.is_empty()),
        })
    }
}

/// Moves one request. No pacing, no repetition: one `send` is at most one request on the wire.
pub trait Transport: Send + Sync {
    /// Signs a request now. Fails only for want of credentials.
    fn prepare(
        &self,
        service: Service,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>>;

    /// Sends it and classifies the answer. An error of class `Ambiguous` means the service may have acted.
    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>>;

    /// What the state is bound to: the endpoint's URL without a trailing slash, or `sandbox`.
    fn endpoint(&self) -> String;
}

/// Reading. Paced; repeated on errors that a repetition may cure (5 tries, at most 30 s).
pub trait CloudRead: Send + Sync {
    /// Performs a reading action. A dry run goes out as one whatever `body` says: whoever can only read cannot buy.
    fn read<'a>(&'a self, action: ReadAction, body: Value) -> BoxFuture<'a, Result<Reply, CloudError>>;
}

/// Writing. Paced, never repeated in here: whoever writes decides whether a repetition is safe.
pub trait CloudWrite: Send + Sync {
    /// Completes when the action's next turn under its rate limit has come. Each completed turn is for one request.
    fn turn(&self, action: WriteAction) -> BoxFuture<'_, ()>;

    /// Signs a request now. The body is the JSON text to send.
    fn prepare(&self, action: WriteAction, body: String) -> BoxFuture<'_, Result<Prepared, CloudError>>;

    /// Sends a prepared request once, without waiting for a turn.
    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whoever_reads_cannot_buy() {
        let asked = json!({"BundleId": "b", "DryRun": false, "ClientToken": "t"});
        let sent = reading_body(ReadAction::DryRunCreateInstances, asked.clone());
        assert_eq!(sent, json!({"BundleId": "b", "DryRun": true}));
        assert_eq!(reading_body(ReadAction::DryRunCreateInstances, Value::Null), json!({"DryRun": true}));
        assert_eq!(reading_body(ReadAction::DescribeInstances, asked.clone()), asked);
        assert_eq!(ReadAction::DryRunCreateInstances.name(), "CreateInstances");
    }
}
