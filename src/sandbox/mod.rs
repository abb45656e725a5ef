//! The Lighthouse API on this machine: what it sells, what it keeps, how it fails.

pub mod call;
pub mod fault;
pub mod verify;
