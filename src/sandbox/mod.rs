//! The Lighthouse API on this machine: what it sells, what it keeps, how it fails.
//!
//! | Module | Question |
//! |---|---|
//! | [`call`] | what is a call? |
//! | [`settings`], [`rate`] | how does the account behave where the API says nothing, how often may it be asked? |
//! | [`catalogue`], `params` | what is for sale, which fields exist? |
//! | [`account`], `order`, [`record`] | what is there, what does an order bring, what does time make of it? Pure. |
//! | [`fault`] | what goes wrong on demand? |
//! | [`store`] | where is the account kept, and who else uses it? |
//! | [`service`] | faults, rate, account: what both fronts do with a call |
//! | [`port`] | the front in process: a transport |
//! | [`server`] | the front over HTTP; [`verify`] checks signatures, [`tls`] makes certificates |

pub mod call;
pub mod catalogue;
mod params;
pub mod rate;
pub mod settings;

pub mod account;
mod catalog_actions;
mod create;
mod describe;
mod lifecycle;
mod order;
pub mod record;

pub mod fault;
pub mod verify;

pub mod store;

pub mod service;

pub mod port;

mod query;
pub mod server;
pub mod tls;
mod wire;

#[cfg(test)]
mod tests;
