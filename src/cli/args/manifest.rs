//! Options of the commands that read the manifest alone.

use super::run::ViewWord;
use super::shared::FormatArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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

/// Options of `fmt`.
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Files, or folders of them; `-` for stdin to stdout [default: the manifest]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing: show what would change, and exit with 1 if anything would
    #[arg(long)]
    pub check: bool,
}

/// Options of `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Language of the graph
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = GraphFormat::Dot)]
    pub format: GraphFormat,
    /// How much of it to show
    #[arg(long, value_name = "VIEW", value_enum, default_value_t = ViewWord::Compact)]
    pub view: ViewWord,
}

/// Values of `--format` of `graph`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For Markdown and the browser
    Mermaid,
}
