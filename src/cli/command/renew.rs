//! `lhprov renew`: more time for instances, and back into service with what is isolated.

use super::apply::{Kind, with_paper};
use crate::cli::args::{ApplyArgs, Global, RenewArgs, UntilSettled};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::variables;
use crate::desired::DesiredState;
use crate::model::Address;
use crate::ops::RenewOptions;
use crate::plan::limits::Ceilings;
use crate::report::console::Console;
use std::collections::BTreeSet;

/// Renews.
pub fn run(global: &Global, own: &RenewArgs, console: Console) -> Result<Exit, Failure> {
    let apply = ApplyArgs {
        run: own.cloud.as_run(own.format.clone()),
        yes: own.yes,
        allow_data_loss: false,
        accept_no_refund: false,
        accept_unknown_price: own.accept_unknown_price,
        adopt: own.adopt,
        until_settled: UntilSettled::default(),
    };
    with_paper(Kind::Renew(own), global, &apply, console)
}

/// Which addresses are meant: an address, or all instances of a block.
pub fn options(own: &RenewArgs, desired: &DesiredState) -> Result<RenewOptions, Failure> {
    let mut addresses: BTreeSet<Address> = BTreeSet::new();
    for text in &own.addresses {
        let of_block: Vec<&Address> = desired.instances.keys().filter(|address| address.block == *text).collect();
        if of_block.is_empty() {
            // It may be an address that only the state has.
            addresses.insert(text.parse().map_err(|error| Failure::of(Exit::Usage, error))?);
        } else {
            addresses.extend(of_block.into_iter().cloned());
        }
    }
    let ceilings = variables::tighten(Ceilings::default())?;
    Ok(RenewOptions {
        addresses,
        months: own.period,
        ceilings,
        assume_yes: own.yes,
        accept_unknown_price: own.accept_unknown_price,
        adopt: own.adopt,
    })
}
