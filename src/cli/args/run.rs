//! Options of `plan`, `apply` and `destroy`.

use super::sandbox::SandboxFlags;
use super::saved::SaveArgs;
use super::shared::{ReportArgs, SelectArgs, duration};
use crate::cli::events::EventsTo;
use crate::model::money::Amount;
use crate::plan::limits::Ceilings;
use crate::report::human::plan::View;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Values of `--view`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ViewWord {
    /// Equal instances of a block together
    Compact,
    /// One entry for each instance, with all attributes
    Full,
}

impl From<ViewWord> for View {
    fn from(word: ViewWord) -> Self {
        match word {
            ViewWord::Compact => View::Compact,
            ViewWord::Full => View::Full,
        }
    }
}

/// What `plan`, `apply` and `destroy` share.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: ReportArgs,
    /// How much of the plan to show
    #[arg(long, env = "LHPROV_VIEW", value_name = "VIEW", value_enum, default_value_t = ViewWord::Compact)]
    pub view: ViewWord,
    /// Write every event of the run to this file, or to an inherited descriptor, one JSON object a line
    #[arg(long, env = "LHPROV_EVENTS", value_name = "FILE|fd:N")]
    pub events: Option<EventsTo>,
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
    /// Do not ask for prices, quotas and stock before
    #[arg(long, env = "LHPROV_NO_PREFLIGHT", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub no_preflight: bool,
    /// Refuse what costs more than this now, in the currency of the site
    #[arg(long, env = "LHPROV_MAX_SPEND", value_name = "AMOUNT", value_parser = amount)]
    pub max_spend: Option<Amount>,
    /// Refuse to destroy or replace more instances than this
    #[arg(long, env = "LHPROV_MAX_DESTROY", value_name = "NUMBER")]
    pub max_destroy: Option<u64>,
    /// Part of the stack.
    #[command(flatten)]
    pub select: SelectArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

/// An amount of money.
fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text)
        .filter(|amount| amount.0 >= 0)
        .ok_or_else(|| "expected an amount such as 1500 or 99.50".to_owned())
}

impl RunArgs {
    /// How far the run may go.
    pub fn ceilings(&self) -> Ceilings {
        Ceilings { max_spend: self.max_spend, max_destroy: self.max_destroy }
    }

    /// How much of the plan to show.
    pub fn view(&self) -> View {
        self.view.into()
    }
}

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
    /// To save it.
    #[command(flatten)]
    pub save: SaveArgs,
}

/// Options of `apply` and `destroy`.
#[derive(Clone, Debug, Args)]
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
    /// To go on.
    #[command(flatten)]
    pub until_settled: UntilSettled,
}

/// How long a run goes on by itself.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct UntilSettled {
    /// Go on until nothing is pending or unknown, with what was agreed to and nothing else; no longer than this [default time: 30m]
    #[arg(long, env = "LHPROV_UNTIL_SETTLED", value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = patience)]
    until_settled: Option<Patience>,
}

/// Value of `--until-settled`: a time, or in the variable also yes or no.
#[derive(Clone, Copy, Debug)]
struct Patience(Option<Duration>);

/// Time after which nothing more is begun, unless the user says another.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

impl UntilSettled {
    /// After what time nothing more is begun; none for a single pass.
    pub fn limit(self) -> Option<Duration> {
        self.until_settled.and_then(|patience| patience.0)
    }
}

fn patience(text: &str) -> Result<Patience, String> {
    match text {
        "false" | "0" => Ok(Patience(None)),
        "true" | "1" => Ok(Patience(Some(PATIENCE))),
        time => duration(time).map(|time| Patience(Some(time))),
    }
}
