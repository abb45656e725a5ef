//! Options that several commands share.

use super::run::{RunArgs, ViewWord};
use super::sandbox::SandboxFlags;
use crate::model::time::parse_duration;
use crate::plan::Select;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Text for people or JSON for programs.
#[derive(Clone, Debug, Args)]
pub struct FormatArgs {
    /// Form of the result
    #[arg(long, env = "LHPROV_FORMAT", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json
    #[arg(long, env = "LHPROV_JSON", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    json: bool,
}

impl FormatArgs {
    /// Whether the result is for programs.
    pub fn is_json(&self) -> bool {
        self.json || matches!(self.format, Format::Json)
    }
}

/// Values of `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Part of the stack.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectArgs {
    /// Only these: an address, a block, or a pattern such as 'web*'; what they depend on is added. May be given several times
    #[arg(long, env = "LHPROV_ONLY", value_name = "GLOB", value_delimiter = ';')]
    only: Vec<String>,
    /// Not these; may be given several times
    #[arg(long, env = "LHPROV_SKIP", value_name = "GLOB", value_delimiter = ';')]
    skip: Vec<String>,
}

impl SelectArgs {
    /// As the plan takes it.
    pub fn words(&self) -> Select {
        Select { only: self.only.clone(), skip: self.skip.clone() }
    }
}

/// What commands share that look at the cloud, or change it without a plan of the whole manifest.
#[derive(Debug, Args)]
pub struct CloudArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// Write every event of the run to this file, one JSON object a line
    #[arg(long, env = "LHPROV_EVENTS", value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long to wait for the lock of the state
    #[arg(long, env = "LHPROV_LOCK_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

impl CloudArgs {
    /// As the run of a plan without anything of its own.
    pub fn as_run(&self) -> RunArgs {
        RunArgs {
            format: self.format.clone(),
            view: ViewWord::Compact,
            events: self.events.clone(),
            lock_timeout: self.lock_timeout,
            token_ttl: None,
            visibility_grace: None,
            buy_anyway: false,
            replace: Vec::new(),
            purge: false,
            no_preflight: false,
            max_spend: None,
            max_destroy: None,
            select: SelectArgs::default(),
            sandbox: self.sandbox.clone(),
        }
    }
}

/// A time with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a number with its unit, such as 90s, 10m or 1h".to_owned())
}
