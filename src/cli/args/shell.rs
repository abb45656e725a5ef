//! Options of the commands about the command itself: completions, manual pages, version.

use super::shared::FormatArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Shells that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// Fish
    Fish,
}

/// Options of `__complete`, which the scripts of `completions` call.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// Who asks
    #[arg(value_enum)]
    pub shell: Shell,
    /// Bash: the line up to the cursor, and the part of it that is to be completed. Else: the words, the last of them unfinished
    #[arg(last = true, value_name = "WORD")]
    pub words: Vec<String>,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Options of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}
