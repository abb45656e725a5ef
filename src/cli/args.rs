//! The words of the command line. The doc comments are the help texts.

use crate::model::time::parse_duration;
use crate::report::human::plan::View;
use crate::report::style::ColorChoice;
use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Keeps a fleet of Tencent Cloud Lighthouse instances equal to a YAML manifest.
#[derive(Debug, Parser)]
#[command(
    name = "lhprov",
    version,
    about,
    max_term_width = 100,
    after_help = "Results go to stdout, everything else to stderr. Every option can be set by its variable; an empty one counts \
                  as unset.\n\nExit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), 4 locked, \
                  6 applied in part: run again, 7 refused, 9 declined, 64 usage, 129/130/143 interrupted."
)]
pub struct Cli {
    /// For all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The definition that clap works on.
pub fn definition() -> clap::Command {
    Cli::command().mut_args(|arg| arg.hide_env_values(true))
}

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// Manifest file, or a folder of them; may be given several times [default: lighthouse.yaml]
    #[arg(short, long = "file", global = true, env = "LHPROV_FILE", value_name = "FILE", value_delimiter = PATHS_APART)]
    pub file: Vec<PathBuf>,
    /// State file [default: state/<stack>.json]
    #[arg(long, global = true, env = "LHPROV_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Region; for a stack it has to be the manifest's
    #[arg(long, global = true, env = "LHPROV_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Send everything there instead of to Tencent Cloud
    #[arg(long, global = true, env = "LHPROV_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// Profile of the official CLI to take the credentials from
    #[arg(long, global = true, env = "LHPROV_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
    /// PEM file with certificates to trust beside the system's
    #[arg(long, global = true, env = "LHPROV_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Run as if started in this folder
    #[arg(long, global = true, env = "LHPROV_CHDIR", value_name = "FOLDER")]
    pub chdir: Option<PathBuf>,
    /// When to colour the output
    #[arg(long, global = true, env = "LHPROV_COLOR", value_name = "WHEN", value_enum)]
    color: Option<Color>,
    /// Log to stderr
    #[arg(long, global = true, env = "LHPROV_LOG_LEVEL", value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
}

/// Separates several files in one variable.
const PATHS_APART: char = if cfg!(windows) { ';' } else { ':' };

impl Global {
    /// When to colour.
    pub fn color(&self) -> ColorChoice {
        match self.color {
            None | Some(Color::Auto) => ColorChoice::Auto,
            Some(Color::Always) => ColorChoice::Always,
            Some(Color::Never) => ColorChoice::Never,
        }
    }
}

/// Values of `--color`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    /// Where a terminal reads it
    Auto,
    /// Also into files and pipes
    Always,
    /// Nowhere
    Never,
}

/// Values of `--log-level`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// Only what went wrong
    Error,
    /// And what is strange
    Warn,
    /// And what is done
    Info,
    /// And each call
    Debug,
    /// And each request, secrets blotted out
    Trace,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the manifest; nothing is asked of the cloud
    Validate(ValidateArgs),
    /// Print the manifest as it is understood: one entry for each instance, no variables left
    Render(RenderArgs),
    /// Show what apply would do; changes nothing
    Plan(PlanArgs),
    /// Make the cloud equal to the manifest
    Apply(ApplyArgs),
    /// Return every instance of the stack
    Destroy(ApplyArgs),
    /// Show what the state records
    Show(ShowArgs),
    /// Look into the state
    State(StateArgs),
    /// List what the cloud sells
    Catalog(CatalogArgs),
    /// Print the version
    Version,
}

/// Text for people or JSON for programs.
#[derive(Debug, Args)]
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

/// Values of `--view`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViewWord {
    /// Equal instances of a block together
    Compact,
    /// One entry for each instance, with all attributes
    Full,
}

/// What `plan`, `apply` and `destroy` share.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// How much of the plan to show
    #[arg(long, env = "LHPROV_VIEW", value_name = "VIEW", value_enum, default_value_t = ViewWord::Compact)]
    view: ViewWord,
    /// Write every event of the run to this file, one JSON object a line
    #[arg(long, env = "LHPROV_EVENTS", value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long to wait for the lock of the state
    #[arg(long, env = "LHPROV_LOCK_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// How long the service is trusted to remember a token, in place of the manifest's word
    #[arg(long, env = "LHPROV_TOKEN_TTL", value_name = "TIME", value_parser = duration)]
    pub token_ttl: Option<Duration>,
    /// After how long a purchase is certainly listed, in place of the manifest's word
    #[arg(long, env = "LHPROV_VISIBILITY_GRACE", value_name = "TIME", value_parser = duration)]
    pub visibility_grace: Option<Duration>,
    /// Buy although it is unclear what is already owned
    #[arg(long, env = "LHPROV_BUY_ANYWAY", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub buy_anyway: bool,
}

impl RunArgs {
    /// How much of the plan to show.
    pub fn view(&self) -> View {
        match self.view {
            ViewWord::Compact => View::Compact,
            ViewWord::Full => View::Full,
        }
    }
}

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

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Shared options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Exit with 2 if changes are pending
    #[arg(long, env = "LHPROV_DETAILED_EXITCODE", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub detailed_exitcode: bool,
    /// Compare with the state alone; the cloud is not asked
    #[arg(long, env = "LHPROV_NO_REFRESH", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub no_refresh: bool,
}

/// Options of `apply` and `destroy`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Shared options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Do not ask
    #[arg(short, long, visible_alias = "auto-approve", env = "LHPROV_YES", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub yes: bool,
    /// With --yes: take over instances that are found by name alone
    #[arg(long, env = "LHPROV_ADOPT", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub adopt: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Options of `state`.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// Commands of `state`.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Print the addresses, one a line
    List,
    /// Print everything that is recorded of an address
    Show {
        /// Such as `db`, `web[0]` or `edge["a"]`
        address: String,
        /// Form of the result.
        #[command(flatten)]
        format: FormatArgs,
    },
}

/// Options of `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: CatalogWhat,
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What the cloud sells.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CatalogWhat {
    /// Packages of CPU, memory, disk and traffic
    Bundles,
    /// Images
    Blueprints,
    /// Zones of the region
    Zones,
    /// Regions
    Regions,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a number with its unit, such as 90s, 10m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        definition().debug_assert();
    }

    #[test]
    fn every_option_with_a_value_has_a_documented_variable() {
        let documented = include_str!("env.rs");
        let mut commands = vec![definition()];
        while let Some(command) = commands.pop() {
            for arg in command.get_arguments() {
                if matches!(arg.get_id().as_str(), "help" | "version") || arg.is_positional() {
                    continue;
                }
                let name = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(name.starts_with("LHPROV_"), "{} of {}", arg.get_id(), command.get_name());
                assert!(documented.contains(&format!("`{name}`")), "{name} is not in cli/env.rs");
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
