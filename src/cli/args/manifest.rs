//! Options of the commands that read the manifest alone.

use super::common::FormatArgs;
use clap::Args;

/// Options of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {}
