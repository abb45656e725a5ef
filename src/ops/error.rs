//! Why an operation did not do what was asked.

use super::approved::Stale;
use crate::cloud::CloudError;
use crate::diag::Diagnostics;
use crate::manifest::Sources;
use crate::plan::Blocked;
use crate::plan::select::SelectError;
use crate::state::StateError;
use crate::state::lock::LockError;
use std::sync::Arc;

/// The error of an operation.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// State or journal.
    #[error(transparent)]
    State(#[from] StateError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The cloud, while reading.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// `--only` or `--skip`.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The manifest, seen together with what is there.
    #[error("the plan has errors")]
    Diagnostics(Diagnostics),
    /// Protection, or unclear what is owned.
    #[error("the plan may not be applied")]
    Blocked(Vec<Blocked>),
    /// The plan breaks a rule: a defect of ours. A sentence for each rule.
    #[error("the plan is unsound: {}", .0.join("; "))]
    Unsound(Vec<String>),
    /// The saved plan no longer fits.
    #[error("the saved plan is stale")]
    Stale(Stale),
    /// Limits or policies that the plan breaks (exit 7); what would fail besides is among them.
    #[error("the plan breaks a limit or a policy")]
    Refused(Diagnostics),
    /// What would fail at apply (exit 8). Nothing was bought.
    #[error("the plan would fail")]
    Preflight(Diagnostics),
    /// The manifest as it would be after a change of its text. Nothing was written.
    #[error("the changed manifest has errors")]
    Edited(Diagnostics, Arc<Sources>),
    /// Something asked for that cannot be.
    #[error("{what}")]
    Mistake {
        /// What is wrong.
        what: String,
        /// The ways out.
        help: Vec<String>,
    },
    /// A later pass (`--until-settled`) that wants something else than what was agreed to; what, in words.
    #[error("what is to be done now goes beyond what was agreed to: {}", .0.join("; "))]
    Beyond(Vec<String>),
    /// A rule of the protocol is broken: a defect of ours, which ended the run.
    #[error("internal error: {0}")]
    Defect(String),
    /// Declined at the prompt, or nobody to ask.
    #[error("not carried out")]
    Declined,
}

impl OpsError {
    /// A mistake with its ways out.
    pub(super) fn mistake<const N: usize>(what: impl Into<String>, help: [&str; N]) -> Self {
        Self::Mistake { what: what.into(), help: help.map(str::to_owned).to_vec() }
    }
}
