//! Why an operation did not do what was asked.

use crate::cloud::CloudError;
use crate::diag::Diagnostics;
use crate::plan::Blocked;
use crate::plan::select::SelectError;
use crate::state::StateError;
use crate::state::lock::LockError;

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
    /// Declined at the prompt, or nobody to ask.
    #[error("not carried out")]
    Declined,
}
