//! Options of the commands that only tell how things are.

use super::shared::FormatArgs;
use clap::{Args, ValueEnum};

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, value_name = "WHAT")]
    pub of: SchemaOf,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaOf {
    /// One file of a manifest, for editors
    Manifest,
    /// The document of `plan --json`
    Plan,
    /// A state file
    State,
    /// One line of --events
    Event,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code of lhprov, such as unknown-key, or of Tencent Cloud; all of them are listed unless given
    pub code: Option<String>,
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}
