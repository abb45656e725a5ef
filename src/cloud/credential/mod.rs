//! Whose name do requests carry? The chain of places where credentials may be, which of them won, and how those that end
//! are renewed in time.
//!
//! | Module | Question |
//! |---|---|
//! | [`types`] | what are credentials, where can they come from, what can be wrong with them? |
//! | [`chain`] | which place wins? |
//! | `profile` | what do the files of the official CLI say? |
//! | `role` | how is a role assumed? |
//! | [`machine`] | what is the role of this machine? |
//! | [`provider`] | what is good now? |

pub mod chain;
pub mod machine;
mod profile;
pub mod provider;
mod role;
pub mod types;

pub use chain::{
    DEFAULT_PROFILE, ENV_METADATA_URL, ENV_PROFILE, ENV_ROLE_ARN, ENV_ROLE_SESSION, ENV_SECRET_ID, ENV_SECRET_KEY,
    ENV_TOKENS, Surroundings, find,
};
pub use machine::MetadataAddress;
pub use provider::{Provider, Sts};
pub use types::{AssumedRole, Credential, CredentialError, Found, Issued, Login, Origin, Source};
