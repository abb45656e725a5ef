//! The Lighthouse API on this machine: what it sells, what it keeps, how it fails.

pub mod call;
pub mod fault;
pub mod rate;
pub mod settings;
pub mod verify;
