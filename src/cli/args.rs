//! The words of the command line. The doc comments are the help texts.

use crate::model::time::parse_duration;
use crate::plan::Select;
use crate::report::human::plan::View;
use crate::report::style::ColorChoice;
use crate::sandbox::fault::Fault;
use crate::sandbox::settings::{BatchNames, CheckOrder, Mismatch, Settings, TokenMemory};
use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Keeps a fleet of Tencent Cloud Lighthouse instances equal to a YAML manifest.
#[derive(Debug, Parser)]
#[command(
    name = "lhprov",
    version,
    about,
    max_term_width = 100,
    after_help = "Results go to stdout, everything else to stderr. Every option can be set by its variable; an empty one counts \
                  as unset.\n\nExit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), 3 drift, 4 locked, \
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
    /// Value of one of the manifest's variables; may be given several times, the last of a name holds
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    pub var: Vec<(String, String)>,
    /// YAML file with values of the manifest's variables; may be given several times. A --var beats it
    #[arg(long, global = true, env = "LHPROV_VAR_FILE", value_name = "FILE", value_delimiter = PATHS_APART)]
    pub var_file: Vec<PathBuf>,
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
    /// Show each request and each answer on stderr, secrets blotted out
    #[arg(long, global = true, env = "LHPROV_HTTP_TRACE", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub http_trace: bool,
}

/// The name and the value of `--var`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
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

/// Value of `--sandbox`: a folder, or in the variable also yes or no.
#[derive(Clone, Debug)]
enum SandboxWord {
    Off,
    On,
    In(PathBuf),
}

impl FromStr for SandboxWord {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "false" | "0" => Self::Off,
            "true" | "1" => Self::On,
            folder => Self::In(PathBuf::from(folder)),
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
    /// Show what apply would do; changes nothing
    Plan(PlanArgs),
    /// Make the cloud equal to the manifest
    Apply(ApplyArgs),
    /// Return every instance of the stack
    Destroy(ApplyArgs),
    /// Compare the cloud with what was last applied; exit 3 if it differs
    Drift(DriftArgs),
    /// Buy more time for instances; one that is isolated comes back into service
    Renew(RenewArgs),
    /// Show what the state records
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
    /// Print the version
    Version,
}

/// Of `selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// How many schedules to run
    #[arg(long, env = "LHPROV_SEEDS", value_name = "N", default_value_t = 1000)]
    pub seeds: u64,
    /// The first seed; one that failed is replayed with --first SEED --seeds 1
    #[arg(long, env = "LHPROV_FIRST", value_name = "SEED", default_value_t = 1)]
    pub first: u64,
    /// How many run at once; by default as many as the machine has cores
    #[arg(long, env = "LHPROV_THREADS", value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

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

/// Values of `--view`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViewWord {
    /// Equal instances of a block together
    Compact,
    /// One entry for each instance, with all attributes
    Full,
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
    /// Replace the instance of this address by another one although nothing forces it; may be given several times
    #[arg(long, env = "LHPROV_REPLACE", value_name = "ADDRESS", value_delimiter = ',')]
    pub replace: Vec<String>,
    /// Destroy what leaves for good, after its return; it cannot be brought back then
    #[arg(long, env = "LHPROV_PURGE", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub purge: bool,
    /// Part of the stack.
    #[command(flatten)]
    pub select: SelectArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
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
    /// Let disks be wiped, and instances go with their data
    #[arg(long, env = "LHPROV_ALLOW_DATA_LOSS", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub allow_data_loss: bool,
    /// Give up what the service does not take back; it is kept on record until it expires
    #[arg(long, env = "LHPROV_ACCEPT_NO_REFUND", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub accept_no_refund: bool,
    /// With --yes: take over instances that are found by name alone
    #[arg(long, env = "LHPROV_ADOPT", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub adopt: bool,
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
            select: SelectArgs::default(),
            sandbox: self.sandbox.clone(),
        }
    }
}

/// Options of `drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Part of the stack.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Let the manifest follow what is live, for these addresses or for all; comments stay
    #[arg(long, env = "LHPROV_ACCEPT", value_delimiter = ';', value_name = "ADDRESS", num_args = 0..)]
    pub accept: Option<Vec<String>>,
    /// Count what is paid for no longer than this and does not renew by itself, such as 7d
    #[arg(long, env = "LHPROV_EXPIRES_WITHIN", value_name = "TIME", value_parser = duration)]
    pub expires_within: Option<Duration>,
}

/// Options of `renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Which: addresses, or blocks for all of their instances
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Months to buy: 1 to 12, 24 or 36 [default: the manifest's period]
    #[arg(long, env = "LHPROV_PERIOD", value_name = "MONTHS")]
    pub period: Option<u32>,
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Do not ask
    #[arg(short, long, visible_alias = "auto-approve", env = "LHPROV_YES", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub yes: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Such as `db`, `web[0]` or `edge["a"]`; everything unless given
    pub address: Option<String>,
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Where it is to stand: an address of the manifest, or the name of a new block
    #[arg(requires = "id", value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Which instance, such as lhins-abc12345
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Everything in the region that no stack has
    #[arg(long, env = "LHPROV_ALL", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue, conflicts_with = "address")]
    pub all: bool,
    /// What bears this tag; may be given several times, for all of them
    #[arg(long, env = "LHPROV_TAG", value_delimiter = ';', value_name = "KEY=VALUE", conflicts_with_all = ["address", "all"], value_parser = tag)]
    pub tag: Vec<(String, String)>,
    /// What is in this zone; may be given several times, for any of them
    #[arg(long, env = "LHPROV_ZONE", value_delimiter = ';', value_name = "ZONE", conflicts_with_all = ["address", "all"])]
    pub zone: Vec<String>,
    /// What has such a name; may be given several times, for any of them
    #[arg(long, env = "LHPROV_NAME", value_delimiter = ';', value_name = "GLOB", conflicts_with_all = ["address", "all"])]
    pub name: Vec<String>,
    /// Also what bears the tags of another stack
    #[arg(long, env = "LHPROV_TAKE_OVER", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub take_over: bool,
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
}

/// A tag as `--tag` takes it.
fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is written KEY=VALUE".to_owned()),
    }
}

/// Options of `output`.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// One output alone
    pub name: Option<String>,
    /// Form of the result
    #[arg(long, env = "LHPROV_FORMAT", value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,
    /// Short for --format json
    #[arg(long, env = "LHPROV_JSON", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    json: bool,
}

impl OutputArgs {
    /// Form of the result.
    pub fn format(&self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.format }
    }
}

/// Values of `--format` of `output`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// Assignments for a shell
    Env,
    /// All instances as an inventory of Ansible, in YAML
    AnsibleInventory,
    /// All instances as a configuration of OpenSSH
    SshConfig,
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
    /// Give an instance another address; nothing is bought or returned
    #[command(name = "mv")]
    Move {
        /// Where it stands
        from: String,
        /// Where it is to stand
        to: String,
        /// Shared options.
        #[command(flatten)]
        cloud: CloudArgs,
    },
    /// Forget what is recorded at an address; the cloud is not touched
    #[command(name = "rm")]
    Remove {
        /// Such as `db`, `web[0]` or `edge["a"]`
        address: String,
        /// Shared options.
        #[command(flatten)]
        cloud: CloudArgs,
    },
    /// Make the state again from the ownership tags in the cloud, or from names where there are none
    Rebuild {
        /// Shared options.
        #[command(flatten)]
        cloud: CloudArgs,
    },
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
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
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

/// Options of `auth`.
#[derive(Debug, Args)]
pub struct AuthArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuthCommand,
}

/// Commands of `auth`.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Say which credentials are used, where they were found, and whose they are; never a secret
    #[command(after_help = "Looked at in this order: the profile of --profile; TENCENTCLOUD_SECRET_ID, \
                            TENCENTCLOUD_SECRET_KEY and TENCENTCLOUD_TOKEN, with TENCENTCLOUD_ROLE_ARN and \
                            TENCENTCLOUD_ROLE_SESSION_NAME for a role to assume; the official CLI's profile \
                            (~/.tccli/default.credential, or that of TCCLI_PROFILE); the role of this machine, if it is a CVM.")]
    Whoami(WhoamiArgs),
}

/// Options of `auth whoami`.
#[derive(Debug, Args)]
pub struct WhoamiArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

/// Options of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SandboxCommand,
}

/// Commands of `sandbox`.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Serve the API on a port of this machine until a signal comes
    Serve {
        /// Where to listen; port 0 for any that is free
        #[arg(long, env = "LHPROV_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Speak HTTPS, with a certificate of the sandbox's own authority
        #[arg(long, env = "LHPROV_TLS", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
        tls: bool,
        /// Where it is kept.
        #[command(flatten)]
        data: DataArg,
        /// How it behaves.
        #[command(flatten)]
        flags: Box<SandboxFlags>,
    },
    /// Say what it holds and how often it was called
    Status {
        /// Where it is kept.
        #[command(flatten)]
        data: DataArg,
        /// Form of the result.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Forget its account, its settings, and the states that were made with it
    Reset {
        /// Where it is kept.
        #[command(flatten)]
        data: DataArg,
    },
}

/// The folder of a sandbox.
#[derive(Debug, Args)]
pub struct DataArg {
    /// Where the sandbox is kept [default: that of --sandbox, or state/sandbox]
    #[arg(long, env = "LHPROV_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl DataArg {
    /// The folder.
    pub fn folder(&self, global: &Global) -> PathBuf {
        self.data.clone().or_else(|| global.sandbox()).unwrap_or_else(|| PathBuf::from(SANDBOX_FOLDER))
    }
}

/// How the sandbox behaves. What is not given is as the folder keeps it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sandbox")]
pub struct SandboxFlags {
    /// What goes wrong: KIND:ACTION[:WHEN], such as lost-after:CreateInstances:at=1; may be given several times
    ///
    /// ACTION is an action's name or *. WHEN is a share (0.3, drawn from --seed), the first calls (n=5) or one of them (at=2).
    ///
    /// Kinds: lost-before, lost-after (no answer, before or after the call took effect), status-before, status-after (HTTP
    /// 502), internal-before, internal-after (InternalError), cut=BYTES or cut=any (the connection ends in the middle of the
    /// answer), delay=TIME, throttle, sold-out, launch-failed, partial=COUNT (fewer instances than asked for).
    #[arg(long, env = "LHPROV_FAULT", value_name = "FAULT", value_delimiter = ';')]
    pub fault: Vec<Fault>,
    /// A file of such faults: a YAML list of texts as above, or of maps with kind, action and one of p, n, at
    #[arg(long, env = "LHPROV_FAULT_FILE", value_name = "FILE")]
    pub fault_file: Option<PathBuf>,
    /// Time from the purchase to RUNNING
    #[arg(long, env = "LHPROV_BOOT", value_name = "TIME", value_parser = duration)]
    boot: Option<Duration>,
    /// Instances that each bundle type admits
    #[arg(long, env = "LHPROV_QUOTA", value_name = "NUMBER")]
    quota: Option<u32>,
    /// Money in the account
    #[arg(long, env = "LHPROV_BALANCE", value_name = "AMOUNT")]
    balance: Option<String>,
    /// Requests a second for an action, such as CreateInstances=5; 0 for no limit; may be given several times
    #[arg(long, env = "LHPROV_RATE", value_name = "ACTION=NUMBER", value_delimiter = ';', value_parser = rate)]
    rate: Vec<(String, u32)>,
    /// How long each answer takes
    #[arg(long, env = "LHPROV_LATENCY", value_name = "TIME", value_parser = duration)]
    latency: Option<Duration>,
    /// How long a token is remembered: forever, none or a time
    #[arg(long, env = "LHPROV_TOKEN_MEMORY", value_name = "MEMORY")]
    token_memory: Option<TokenMemory>,
    /// What a known token with other parameters does: replay, error or buy
    #[arg(long, env = "LHPROV_MISMATCH", value_name = "WORD")]
    mismatch: Option<Mismatch>,
    /// When a known token is looked up: token-first or quota-first
    #[arg(long, env = "LHPROV_CHECK_ORDER", value_name = "WORD")]
    check_order: Option<CheckOrder>,
    /// Names of instances bought together: same, suffix or dash
    #[arg(long, env = "LHPROV_BATCH_NAMES", value_name = "WORD")]
    batch_names: Option<BatchNames>,
    /// How long a new id is not listed
    #[arg(long, env = "LHPROV_VISIBILITY_DELAY", value_name = "TIME", value_parser = duration)]
    visibility_delay: Option<Duration>,
    /// Let instances be renamed while they are created
    #[arg(long, env = "LHPROV_RENAME_WHILE_PENDING", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rename_while_pending: Option<bool>,
    /// Share of instances that end as LAUNCH_FAILED, 0 to 1
    #[arg(long, env = "LHPROV_LAUNCH_FAILED", value_name = "SHARE")]
    launch_failed: Option<f64>,
    /// Where ids and chances start
    #[arg(long, env = "LHPROV_SEED", value_name = "NUMBER")]
    seed: Option<u64>,
}

impl SandboxFlags {
    /// The settings `base` with what was given in its place.
    pub fn over(&self, base: Settings) -> Settings {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut rate_limits = base.rate_limits;
        rate_limits.extend(self.rate.iter().cloned());
        Settings {
            boot_ms: self.boot.map_or(base.boot_ms, millis),
            quota: self.quota.unwrap_or(base.quota),
            balance: self.balance.clone().unwrap_or(base.balance),
            rate_limits,
            latency_ms: self.latency.map_or(base.latency_ms, millis),
            token_memory: self.token_memory.unwrap_or(base.token_memory),
            mismatch: self.mismatch.unwrap_or(base.mismatch),
            order: self.check_order.unwrap_or(base.order),
            batch_names: self.batch_names.unwrap_or(base.batch_names),
            visibility_delay_ms: self.visibility_delay.map_or(base.visibility_delay_ms, millis),
            rename_while_pending: self.rename_while_pending.unwrap_or(base.rename_while_pending),
            launch_failed: self.launch_failed.unwrap_or(base.launch_failed),
            seed: self.seed.unwrap_or(base.seed),
            ..base
        }
    }
}

/// Options of `SandboxFlags`, for the check that they have a sandbox to work on.
pub const SANDBOX_FLAGS: [&str; 15] = [
    "fault",
    "fault_file",
    "boot",
    "quota",
    "balance",
    "rate",
    "latency",
    "token_memory",
    "mismatch",
    "check_order",
    "batch_names",
    "visibility_delay",
    "rename_while_pending",
    "launch_failed",
    "seed",
];

fn rate(text: &str) -> Result<(String, u32), String> {
    let parts = text.split_once('=').and_then(|(action, limit)| Some((action.to_owned(), limit.parse().ok()?)));
    parts.ok_or_else(|| "expected an action and a number, such as CreateInstances=5".to_owned())
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
    fn the_list_of_sandbox_flags_is_whole() {
        let flags = SandboxFlags::augment_args(clap::Command::new("x"));
        let names: Vec<String> = flags.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        assert_eq!(names, SANDBOX_FLAGS);
    }

    #[test]
    fn every_option_with_a_value_has_a_documented_variable() {
        let documented = include_str!("env.rs");
        let mut commands = vec![definition()];
        while let Some(command) = commands.pop() {
            for arg in command.get_arguments() {
                // `--var x=…` has a variable for each `x`.
                if matches!(arg.get_id().as_str(), "help" | "version" | "var") || arg.is_positional() {
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
