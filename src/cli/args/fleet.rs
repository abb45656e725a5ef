//! Options of the commands that look after what is bought.

use super::run::ViewWord;
use super::shared::{CloudArgs, FormatArgs, ReportArgs, SelectArgs, WorkArgs, duration};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Options of `drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: ReportArgs,
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Part of the stack.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Let the manifest follow what is live, for these addresses or for all; comments stay
    #[arg(long, value_name = "ADDRESS", num_args = 0..)]
    pub accept: Option<Vec<String>>,
    /// Count what is paid for no longer than this and does not renew by itself, such as 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_within: Option<Duration>,
}

/// Options of `price`.
#[derive(Debug, Args)]
pub struct PriceArgs {
    /// Shared options.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// Options of `renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Which: addresses, or blocks for all of their instances
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Months to buy: 1 to 12, 24 or 36 [default: the manifest's period]
    #[arg(long, value_name = "MONTHS")]
    pub period: Option<u32>,
    /// Form of the result.
    #[command(flatten)]
    pub format: ReportArgs,
    /// Shared options.
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Do not ask
    #[arg(short, long, visible_alias = "auto-approve")]
    pub yes: bool,
    /// With --yes: pay prices that the service does not name
    #[arg(long)]
    pub accept_unknown_price: bool,
    /// Confirm that unconfirmed instances are this stack's
    #[arg(long)]
    pub adopt: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// An address such as `db`, `web[0]` or `edge["a"]`, or the file of a saved plan; all of the state unless given
    #[arg(value_name = "ADDRESS|PLAN")]
    pub what: Option<String>,
    /// How much of a saved plan to show
    #[arg(long, value_name = "VIEW", value_enum, default_value_t = ViewWord::Compact)]
    pub view: ViewWord,
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
    /// Everything in the region that no other stack has, and the blocks that the manifest of this stack has lost
    #[arg(long, conflicts_with = "address")]
    pub all: bool,
    /// What bears this tag; may be given several times, for all of them
    #[arg(long, value_name = "KEY=VALUE", conflicts_with_all = ["address", "all"], value_parser = tag)]
    pub tag: Vec<(String, String)>,
    /// What is in this zone; may be given several times, for any of them
    #[arg(long, value_name = "ZONE", conflicts_with_all = ["address", "all"])]
    pub zone: Vec<String>,
    /// What has such a name; may be given several times, for any of them
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["address", "all"])]
    pub name: Vec<String>,
    /// The stack whose manifest is lost: where there is no manifest, one is created, with --region
    #[arg(long, value_name = "NAME", conflicts_with = "address")]
    pub stack: Option<String>,
    /// Also what bears the tags of another stack; and confirm what only its tags assign to this one
    #[arg(long)]
    pub take_over: bool,
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
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
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,
    /// Short for --format json
    #[arg(long)]
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
