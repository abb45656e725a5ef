//! Nouns without behaviour: ids, addresses, specs, money, secrets, digests, time. Imports nothing of ours.

pub mod address;
pub mod attributes;
pub mod batch_tag;
pub mod digest;
pub mod id;
pub mod instance;
pub mod json_keys;
pub mod money;
pub mod predecessor;
pub mod random;
pub mod secret;
pub mod shell;
pub mod tag;
pub mod time;

pub use address::{Address, Key};
pub use attributes::{Attributes, Life, ObservedInstance};
pub use id::{ClientToken, InstanceId, Lineage, RequestId, StackName};
pub use instance::{Charge, Container, InitCommand, InstanceSpec, Login, Ownership, Power, RenewFlag, Replace, Site};
pub use predecessor::Predecessor;
pub use random::SplitMix64;
pub use secret::Secret;
pub use time::Timestamp;
