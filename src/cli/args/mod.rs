//! The words of the command line. The doc comments are the help texts.

mod account;
mod examples;
mod fleet;
mod manifest;
mod reference;
mod run;
mod sandbox;
mod saved;
mod shared;
mod shell;
mod state;
mod surface;

pub use account::*;
pub use fleet::*;
pub use manifest::*;
pub use reference::*;
pub use run::*;
pub use sandbox::*;
pub use saved::*;
pub use shared::*;
pub use shell::*;
pub use state::*;
pub use surface::{LIMITS, PATH_VARIABLES, unread_variables};

use super::variables::switch;
use crate::report::style::ColorChoice;
use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// Keeps a fleet of Tencent Cloud Lighthouse instances equal to a YAML manifest.
#[derive(Debug, Parser)]
#[command(
    name = "lhprov",
    version,
    about,
    max_term_width = 100,
    after_help = "Results go to stdout, everything else to stderr. An option has a variable where [env: NAME] stands beside it; an empty \
                  one counts as unset. LHPROV_MAX_SPEND and LHPROV_MAX_DESTROY tighten the options of these names. Nothing in \
                  the environment gives consent.\n\nExit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), 3 drift, 4 locked, \
                  5 the saved plan is stale, 6 applied in part: run again, 7 refused, 8 would fail, 9 declined, 64 usage, \
                  129/130/143 interrupted."
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
    examples::added(surface::with_headings(without_env_values(Cli::command())))
}

fn without_env_values(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_env_values)
}

/// Options of all commands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// Manifest file, or a folder of them; may be given several times [default: lighthouse.yaml]
    #[arg(short, long = "file", global = true, env = "LHPROV_FILE", value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// State file [default: state/<stack>.json]
    #[arg(long, global = true, env = "LHPROV_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Value of one of the manifest's variables; may be given several times, the last of a name holds
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    pub var: Vec<(String, String)>,
    /// YAML file with values of the manifest's variables; may be given several times. A --var beats it
    #[arg(long, global = true, env = "LHPROV_VAR_FILE", value_name = "FILE")]
    pub var_file: Vec<PathBuf>,
    /// Folder that holds every file a manifest may name with `include` or `file`; may be given several times [default: the
    /// repository around the manifest, else the manifest's folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub root: Vec<PathBuf>,
    /// Region; for a stack it has to be the manifest's
    #[arg(long, global = true, env = "LHPROV_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Send everything there instead of to Tencent Cloud
    #[arg(long, global = true, env = "LHPROV_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// Talk to a simulated cloud that is kept in this folder; no money, no account [default folder: state/sandbox]
    #[arg(long, global = true, env = "LHPROV_SANDBOX", value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sandbox: Option<SandboxWord>,
    /// Profile of the official CLI to take the credentials from; goes before the environment
    #[arg(long, global = true, env = "LHPROV_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
    /// With a state of this account: go on although sts:GetCallerIdentity does not report whose the credentials are
    #[arg(long, global = true, value_name = "ID")]
    pub assume_account: Option<String>,
    /// PEM file with certificates to trust beside the system's
    #[arg(long, global = true, env = "LHPROV_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Run as if started in this folder
    #[arg(long, global = true, env = "LHPROV_CHDIR", value_name = "FOLDER")]
    pub chdir: Option<PathBuf>,
    /// When to colour the output
    #[arg(long, global = true, env = "LHPROV_COLOR", value_name = "WHEN", value_enum)]
    color: Option<Color>,
    /// In GitHub Actions: do not mark errors and warnings at their lines
    #[arg(long, global = true, env = "LHPROV_NO_ANNOTATIONS", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub no_annotations: bool,
    /// Log to stderr
    #[arg(long, global = true, env = "LHPROV_LOG_LEVEL", value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
    /// Show each request and each answer on stderr, secrets blotted out
    #[arg(long, global = true, env = "LHPROV_HTTP_TRACE", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub http_trace: bool,
    /// Values of variables that a saved plan was made with.
    #[arg(skip)]
    pub saved_variables: BTreeMap<String, serde_json::Value>,
}

/// The name and the value of `--var`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

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

impl Global {
    /// Whether anything is logged.
    pub fn is_logging(&self) -> bool {
        self.log_level.is_some() || self.http_trace
    }

    /// The sandbox's folder, where it is the sandbox that is talked to.
    pub fn sandbox(&self) -> Option<PathBuf> {
        match self.sandbox.as_ref()? {
            SandboxWord::Off => None,
            SandboxWord::On => Some(PathBuf::from(SANDBOX_FOLDER)),
            SandboxWord::In(folder) => Some(folder.clone()),
        }
    }
}

/// Where the sandbox is kept by default.
pub const SANDBOX_FOLDER: &str = "state/sandbox";

/// Value of `--sandbox`: a folder, or the word of a switch.
#[derive(Clone, Debug)]
enum SandboxWord {
    Off,
    On,
    In(PathBuf),
}

impl FromStr for SandboxWord {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match switch(text) {
            Some(false) => Self::Off,
            Some(true) => Self::On,
            None => Self::In(PathBuf::from(text)),
        })
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
    /// Put manifests into the common form; comments and order stay
    Fmt(FmtArgs),
    /// Print what waits for what, to be drawn; an arrow points at what is needed first
    Graph(GraphArgs),
    /// Show what apply would do; changes nothing
    Plan(PlanArgs),
    /// Say what the manifest costs as a whole, and what of it is still to be bought
    Price(PriceArgs),
    /// Make the cloud equal to the manifest, or carry a saved plan out
    Apply(ApplyCommand),
    /// Return every instance of the stack
    Destroy(ApplyArgs),
    /// Compare the cloud with what was last applied; exit 3 if it differs
    Drift(DriftArgs),
    /// Buy more time for instances; one that is isolated comes back into service
    Renew(RenewArgs),
    /// Show what the state records, or a saved plan
    Show(ShowArgs),
    /// Take over instances that lhprov did not buy: into the state, and into the manifest where that lacks them
    Import(ImportArgs),
    /// Print the outputs of the manifest as the last apply told them, or the fleet for other programs
    Output(OutputArgs),
    /// Look into the state, and put it right
    State(StateArgs),
    /// List what the cloud sells
    Catalog(CatalogArgs),
    /// Say in whose name requests go out
    Auth(AuthArgs),
    /// Run the simulated cloud as a server, or look after it
    Sandbox(SandboxArgs),
    /// Prove on this machine that crashes and lost answers neither buy twice nor forget
    Selftest(SelftestArgs),
    /// Print a script that lets a shell complete commands, options, addresses and files
    Completions(CompletionsArgs),
    /// Print what could stand at the cursor; for the scripts of `completions`
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
    /// Print the manual
    Man(ManArgs),
    /// Print a JSON Schema: of the manifest for editors, of plans, states and events for programs
    Schema(SchemaArgs),
    /// Say what an error code means, what it proves, and what to do; without a code, list all of them
    Explain(ExplainArgs),
    /// Print the version
    Version(VersionArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        definition().debug_assert();
    }

    #[test]
    fn the_list_of_sandbox_flags_is_whole() {
        let flags = SandboxFlags::augment_args(clap::Command::new("x"));
        let names: Vec<String> = flags.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        assert_eq!(names, SANDBOX_FLAGS);
    }
}
