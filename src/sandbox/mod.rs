//! The Lighthouse API on this machine: what it sells, what it keeps, how it fails.
//!
//! | Module | Question |
//! |---|---|
//! | [`call`], [`actions`] | what is a call, which are there? |
//! | [`settings`], [`rate`] | how does the account behave where the API says nothing, how often may it be asked? |
//! | [`catalogue`], `price`, `params` | what is for sale, what does it cost, which fields exist? |
//! | [`account`], [`record`], `index`, `due`, `term` | what is there, in which order, what does time make of it? Pure, like all that follows up to `sts`. |
//! | `catalog_actions`, `describe` | what is told? |
//! | `order`, `create` | what does an order bring? |
//! | `operate` | whom may an operation touch, and how does it begin? |
//! | `attribute`, `power`, `upgrade`, `reinstall`, `login` | what can be changed in place? |
//! | `renew`, `lifecycle` | how does an instance go on, how does it end? |
//! | `tags`, `sts` | what do the neighbouring services know of it? |
//! | `intervene` | what happens to it without the API? |
//! | [`fault`] | what goes wrong on demand? |
//! | [`store`] | where is the account kept, and who else uses it? |
//! | [`service`] | faults, rate, account: what both fronts do with a call |
//! | [`port`] | the front in process: a transport |
//! | [`server`] | the front over HTTP; [`verify`] checks signatures, [`tls`] makes certificates, `side` is what is beside the API |

pub mod actions;
pub mod call;
pub mod catalogue;
mod params;
mod price;
pub mod rate;
pub mod settings;

pub mod account;
mod attribute;
mod catalog_actions;
mod create;
mod describe;
pub mod disks;
mod due;
mod firewall;
mod index;
mod intervene;
mod lifecycle;
mod login;
mod operate;
mod order;
mod power;
pub mod record;
mod reinstall;
mod renew;
pub mod sts;
mod tags;
mod term;
mod upgrade;

pub mod fault;
pub mod verify;

pub mod store;

pub mod service;

pub mod port;

mod query;
pub mod server;
mod side;
pub mod tls;
mod wire;

#[cfg(test)]
mod tests;
