//! Use cases: one function for each operation. Nothing here prints; what happens is told by events and results.

mod accept;
mod apply;
mod catalog;
mod context;
mod drift;
mod error;
mod identity;
mod import;
mod load;
mod outputs;
mod plan;
mod preflight;
mod price;
mod rebuild;
mod renew;
mod states;
mod tagging;
mod taken;
mod together;

pub use crate::plan::Select;
pub use accept::{AcceptReport, accept};
pub use apply::{ApplyExit, ApplyOptions, ApplyReport, Consent, Question, apply};
pub use catalog::{BlueprintRow, BundleRow, RegionRow, ZoneRow, blueprints, bundles, regions, zones};
pub use context::Context;
pub use drift::{DriftReport, drift};
pub use error::OpsError;
pub use identity::{Identity, identity};
pub use import::{ImportReport, ImportWhat, import};
pub use load::{Prior, load_prior};
pub use plan::{PlanOptions, PlanReport, plan};
pub use price::{PriceReport, PriceRow, Sums, price};
pub use rebuild::{RebuildReport, rebuild};
pub use renew::{RenewOptions, renew};
pub use states::{Forgotten, Moved, forget, move_address};
pub use tagging::Tagged;
pub use together::Texts;
