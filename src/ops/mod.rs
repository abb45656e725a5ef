//! Use cases: one function for each operation. Nothing here prints; what happens is told by events and results.

mod apply;
mod catalog;
mod context;
mod drift;
mod error;
mod load;
mod outputs;
mod plan;
mod renew;

pub use apply::{ApplyExit, ApplyOptions, ApplyReport, Consent, Question, apply};
pub use catalog::{BlueprintRow, BundleRow, RegionRow, ZoneRow, blueprints, bundles, regions, zones};
pub use context::Context;
pub use drift::{DriftReport, drift};
pub use error::OpsError;
pub use load::{Prior, load_prior};
pub use plan::{PlanOptions, PlanReport, plan};
pub use renew::{RenewOptions, renew};
