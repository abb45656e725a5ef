//! Typed ids. Two strings of different meaning are two types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

string_id!(
    /// Id that the service gave to an instance, `lhins-…`. Never reused.
    InstanceId
);
string_id!(
    /// Idempotency token of one `CreateInstances`: 64 lowercase hex characters, equal for equal intent on any machine.
    ClientToken
);
string_id!(
    /// Id of one API call, given by the service. Needed by its support.
    RequestId
);
string_id!(
    /// Identity of the fleet; part of every token and of the ownership tags.
    StackName
);
string_id!(
    /// Identity of one history of state snapshots; made once, at random.
    Lineage
);

impl InstanceId {
    /// Whether it has the shape that the API documents: `lhins-` and letters or digits.
    pub fn has_documented_shape(&self) -> bool {
        let rest = self.0.strip_prefix("lhins-").unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

impl ClientToken {
    /// First 16 characters: what the `lhprov-batch` tag and the journal's readable lines carry.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}
