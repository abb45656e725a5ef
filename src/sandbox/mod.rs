//! The Lighthouse API on this machine: what it sells, what it keeps, how it fails.

pub mod account;
pub mod call;
mod catalog_actions;
pub mod catalogue;
mod create;
mod describe;
mod lifecycle;
pub mod order;
pub mod params;
pub mod rate;
pub mod record;
pub mod settings;
