//! Use cases: one function for each operation. Nothing here prints; what happens is told by events and results.

mod apply;
mod catalog;
mod context;
mod error;
mod load;
mod outputs;
mod plan;

pub use apply::{ApplyExit, ApplyOptions, ApplyReport, Consent, Question, apply};
pub use catalog::{BlueprintRow, BundleRow, RegionRow, ZoneRow, blueprints, bundles, regions, zones};
pub use context::Context;
pub use error::OpsError;
pub use load::{Prior, load_prior};
pub use plan::{PlanOptions, PlanReport, plan};
