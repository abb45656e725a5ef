//! Options of `plan`, `apply` and `destroy`.

use super::sandbox::SandboxFlags;
use super::saved::SaveArgs;
use super::shared::{ReportArgs, SelectArgs, duration};
use crate::cli::events::EventsTo;
use crate::model::money::Amount;
use crate::plan::limits::Ceilings;
use crate::report::human::plan::View;
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
    #[arg(long, value_name = "VIEW", value_enum, default_value_t = ViewWord::Compact)]
    pub view: ViewWord,
    /// Write every event of the run to this file, or to an inherited descriptor, one JSON object a line
    #[arg(long, value_name = "FILE|fd:N")]
    pub events: Option<EventsTo>,
    /// How long to wait for the lock of the state
    #[arg(long, env = "LHPROV_LOCK_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// How long the service is trusted to remember a token, in place of the manifest's word
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub token_ttl: Option<Duration>,
    /// After how long a purchase is certainly listed, in place of the manifest's word
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub visibility_grace: Option<Duration>,
    /// Buy although it is unclear what is already owned
    #[arg(long)]
    pub buy_anyway: bool,
    /// Confirm that instances which are missing all at once are gone, or that a machine which reads as failed to launch is lost
    #[arg(long)]
    pub confirm_gone: bool,
    /// Replace the instance of this address by another one although nothing forces it; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<String>,
    /// Destroy what leaves for good, after its return; it cannot be brought back then
    #[arg(long)]
    pub purge: bool,
    /// Do not ask for prices, quotas and stock before
    #[arg(long)]
    pub no_preflight: bool,
    /// Refuse what costs more than this now, in the currency of the site; LHPROV_MAX_SPEND can only tighten it
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub max_spend: Option<Amount>,
    /// Refuse to destroy or replace more instances than this; LHPROV_MAX_DESTROY can only tighten it
    #[arg(long, value_name = "NUMBER")]
    pub max_destroy: Option<u64>,
    /// Part of the stack.
    #[command(flatten)]
    pub select: SelectArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

/// An amount of money.
pub fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text)
        .filter(|amount| amount.0 >= 0)
        .ok_or_else(|| "expected an amount such as 1500 or 99.50".to_owned())
}

impl RunArgs {
    /// The limits of the command line.
    pub fn ceilings(&self) -> Ceilings {
        Ceilings {
            max_spend: self.max_spend,
            max_destroy: self.max_destroy,
            max_destroy_by_flag: self.max_destroy.is_some(),
        }
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
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Compare with the state alone; the cloud is not asked
    #[arg(long)]
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
    #[arg(short, long, visible_alias = "auto-approve")]
    pub yes: bool,
    /// Let disks be wiped, and instances go with their data
    #[arg(long)]
    pub allow_data_loss: bool,
    /// Give up what the service does not take back; it is kept on record until it expires
    #[arg(long)]
    pub accept_no_refund: bool,
    /// With --yes or a saved plan: pay prices that preflight could not learn
    #[arg(long)]
    pub accept_unknown_price: bool,
    /// Confirm that recovered and unconfirmed instances are this stack's, by tags or by name alone
    #[arg(long)]
    pub adopt: bool,
    /// To go on.
    #[command(flatten)]
    pub until_settled: UntilSettled,
}

/// How long a run goes on by itself.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct UntilSettled {
    /// Go on until nothing is pending or unknown, with what was agreed to and nothing else; no longer than this [default time: 30m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30m", value_parser = duration)]
    until_settled: Option<Duration>,
}

impl UntilSettled {
    /// After what time nothing more is begun; none for a single pass.
    pub fn limit(self) -> Option<Duration> {
        self.until_settled
    }
}
