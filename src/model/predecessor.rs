//! What held an address before a purchase. It is part of the purchase's token, so that each purchase has a token of its own.

use super::{ClientToken, InstanceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The text that stands for "no predecessor" in tokens, and in files of format 1.
const NONE: &str = "-";

/// The predecessor of a purchase at its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Predecessor {
    /// Nothing was bought for the address before.
    #[default]
    None,
    /// An instance that is gone, or that is being replaced.
    Instance(InstanceId),
    /// A purchase that brought no instance for the address.
    Purchase(ClientToken),
}

impl Predecessor {
    /// A value to refer to where there is no predecessor.
    pub const NOTHING: &'static Predecessor = &Predecessor::None;

    /// The bytes that the token is made of. They must never change: another text buys everything again for a lost state.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => NONE,
            Self::Instance(id) => id.as_str(),
            Self::Purchase(token) => token.as_str(),
        }
    }

    /// The instance, if it is one.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Instance(id) => Some(id),
            Self::None | Self::Purchase(_) => None,
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Reads the text of `as_str`, as files of format 1 and saved plans have it. A token is 64 hex digits and no id is.
    pub fn from_text(text: &str) -> Self {
        let is_token = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match text {
            NONE => Self::None,
            token if is_token => Self::Purchase(token.into()),
            id => Self::Instance(id.into()),
        }
    }
}

impl fmt::Display for Predecessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<InstanceId> for Predecessor {
    fn from(id: InstanceId) -> Self {
        Self::Instance(id)
    }
}

impl From<ClientToken> for Predecessor {
    fn from(token: ClientToken) -> Self {
        Self::Purchase(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_predecessor_is_read_back() {
        let token = "0cac2bd788d9c2c8f428130bebc1aecfa7a9cd61c62a1a229969fdf56f84d44f";
        for (predecessor, text) in [
            (Predecessor::None, "-"),
            (Predecessor::Instance("lhins-1".into()), "lhins-1"),
            (Predecessor::Purchase(token.into()), token),
        ] {
            assert_eq!(predecessor.as_str(), text);
            assert_eq!(Predecessor::from_text(text), predecessor);
        }
    }
}
