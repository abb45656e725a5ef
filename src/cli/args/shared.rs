//! Options that several commands share.

use super::run::{RunArgs, ViewWord};
use super::sandbox::SandboxFlags;
use crate::cli::events::EventsTo;
use crate::model::time::parse_duration;
use crate::plan::Select;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Text for people or JSON for programs.
#[derive(Clone, Debug, Args)]
pub struct FormatArgs {
    /// Form of the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json
    #[arg(long)]
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

/// Text for people, JSON for programs or markdown for a comment on a pull request.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportArgs {
    /// Form of the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Short for --format json
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    /// Form of the result.
    pub fn format(&self) -> ReportFormat {
        if self.json { ReportFormat::Json } else { self.format }
    }
}

/// Values of `--format` of the commands that plan or give account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For a comment on a pull request
    Markdown,
}

/// Part of the stack.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectArgs {
    /// Only these: an address, a block, or a pattern such as 'web*'; what they depend on is added. May be given several times
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Not these; may be given several times
    #[arg(long, value_name = "GLOB")]
    skip: Vec<String>,
}

impl SelectArgs {
    /// Of what the plan takes.
    pub fn of(only: &[String], skip: &[String]) -> Self {
        Self { only: only.to_vec(), skip: skip.to_vec() }
    }

    /// As the plan takes it.
    pub fn words(&self) -> Select {
        Select { only: self.only.clone(), skip: self.skip.clone() }
    }
}

/// What commands share that look at the cloud, or change it without a plan of the whole manifest.
#[derive(Debug, Args)]
pub struct CloudArgs {
    /// Write every event of the run to this file, or to an inherited descriptor, one JSON object a line
    #[arg(long, value_name = "FILE|fd:N")]
    pub events: Option<EventsTo>,
    /// How long to wait for the lock of the state
    #[arg(long, env = "LHPROV_LOCK_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

impl CloudArgs {
    /// As the run of a plan without anything of its own.
    pub fn as_run(&self, format: ReportArgs) -> RunArgs {
        RunArgs {
            format,
            view: ViewWord::Compact,
            events: self.events.clone(),
            lock_timeout: self.lock_timeout,
            token_ttl: None,
            visibility_grace: None,
            buy_anyway: false,
            confirm_gone: false,
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

/// What commands share that look at the cloud and give a result of their own.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
}

/// A time with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a number with its unit, such as 90s, 10m or 1h".to_owned())
}
