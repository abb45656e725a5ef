//! Prior state: what we recorded, and the journal of what is under way.
//!
//! `prior` and `fold` are pure; `codec` knows the bytes; `store`, `journal` and `lock` touch the disk, the first two through
//! the port in `disk`.

mod applied;
mod begun;
pub mod codec;
mod departure;
pub mod fold;
#[cfg(test)]
mod format_tests;
mod invariants;
pub mod journal;
pub mod lock;
pub mod order;
pub mod prior;
pub mod store;
#[cfg(test)]
mod tests;
mod unfinished;
mod upgrade;

pub use crate::disk::{Disk, OsDisk};
pub use applied::AppliedSpec;
pub use begun::Begun;
pub use departure::DepartureReason;
pub use fold::{OpenIntent, apply_record, fold};
pub use journal::{Header, Intent, Journal, Member, Record, Via};
pub use order::{OpenIntents, OpenOrder, Order, OrderKind, OrderTarget};
pub use prior::{Binding, Deposed, PriorState, RecordedInstance};
pub use store::{StateError, Store};
pub use unfinished::{Ordered, UnfinishedOrder};
