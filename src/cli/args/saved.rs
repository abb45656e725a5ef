//! Options of saved plans: how one is made, and how it is carried out.

use super::run::ApplyArgs;
use super::shared::duration;
use crate::model::money::PriceTolerance;
use crate::plan::change::given_consents;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// What `plan` takes to save a plan.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Save the plan to this file, for `lhprov apply FILE`; it holds no secret
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plan the return of every instance, as `destroy` does it
    #[arg(long)]
    pub destroy: bool,
    /// With --out: let the plan be applied for so long. It has the time of its making in it then
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_plan_age: Option<Duration>,
    /// With --out: consent already now to disks being wiped and instances going with their data
    #[arg(long)]
    pub allow_data_loss: bool,
    /// With --out: consent already now to giving up what the service does not take back
    #[arg(long)]
    pub accept_no_refund: bool,
    /// With --out: consent already now to paying prices that are not known
    #[arg(long)]
    pub accept_unknown_price: bool,
    /// With --out: let prices rise by so many percent until the plan is applied; a lower price is never stale
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub price_tolerance: PriceTolerance,
    /// Plan as if confirmed; with --out: confirm already now that recovered and unconfirmed instances are this stack's
    #[arg(long)]
    pub adopt: bool,
}

impl SaveArgs {
    /// The flags of consent that were given.
    pub fn consents(&self) -> Vec<&'static str> {
        given_consents([self.allow_data_loss, self.accept_no_refund, self.accept_unknown_price, self.adopt])
    }
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct ApplyCommand {
    /// A plan that was saved with `lhprov plan --out`: is carried out without a question, or not at all if anything has moved
    /// since. Manifest, variables and options are those of the plan
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// Return every instance of the stack, as `destroy` does
    #[arg(long)]
    pub destroy: bool,
    /// With a saved plan: go on although its inputs have moved, as long as the actions are the same
    #[arg(long)]
    pub if_equivalent: bool,
    /// With a saved plan: refuse one that is older
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_plan_age: Option<Duration>,
    /// With a saved plan: go on although prices have risen by up to so many percent; a lower price is never stale
    #[arg(long, value_name = "PERCENT")]
    pub price_tolerance: Option<PriceTolerance>,
    /// As for `destroy`.
    #[command(flatten)]
    pub apply: ApplyArgs,
}

/// Options of `plan` that do nothing unless it is saved.
pub const SAVE_FLAGS: [&str; 5] =
    ["max_plan_age", "price_tolerance", "allow_data_loss", "accept_no_refund", "accept_unknown_price"];

/// Options of `apply` that do nothing without a saved plan.
pub const SAVED_FLAGS: [&str; 3] = ["if_equivalent", "max_plan_age", "price_tolerance"];
