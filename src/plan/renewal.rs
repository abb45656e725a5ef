//! What `lhprov renew` would do: more time for instances, those among them that are isolated back into service.

use super::change::{Action, Change, Plan, Reason};
use super::planner::unconfirmed::{confirmation, evidence_of};
use super::planner::{Inputs, Leaving, Planned, unsettled};
use crate::desired::DesiredState;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::model::attributes::Field;
use crate::model::{Address, Life, ObservedInstance};
use std::collections::BTreeSet;

/// Months that can be bought at once (model, RenewInstances).
pub const PERIODS: [u32; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 24, 36];

/// How many months a renewal of an address buys: as many as the manifest does, unless said.
pub fn months_for(desired: &DesiredState, address: &Address, months: Option<u32>) -> u32 {
    months.or_else(|| desired.instances.get(address).map(|wanted| wanted.spec.charge.period)).unwrap_or(1)
}

/// Plans the renewal of `addresses`, for `months` or as long as the manifest buys.
pub fn renewals(inputs: Inputs<'_>, addresses: &BTreeSet<Address>, months: Option<u32>) -> Planned {
    let Inputs { desired, prior, open, observed, .. } = inputs;
    let mut changes = Vec::new();
    let mut diagnostics = Diagnostics::default();
    for address in addresses {
        let wanted = desired.instances.get(address);
        let recorded = prior.instances.get(address);
        let id = match (recorded, prior.predecessor(address).instance()) {
            (Some(recorded), _) => recorded.instance_id.clone(),
            (None, Some(before)) => before.clone(),
            (None, None) => {
                let known: Vec<String> = prior.instances.keys().map(ToString::to_string).collect();
                let help = match did_you_mean(&address.to_string(), known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`lhprov state list` prints the addresses that have an instance".to_owned(),
                };
                let what = format!("nothing stands at `{address}`");
                diagnostics.push(Diagnostic::error("nothing-to-renew", what).help(help));
                continue;
            }
        };
        let months = months_for(desired, address, months);
        if !PERIODS.contains(&months) {
            diagnostics.push(
                Diagnostic::error("period", format!("`{address}` cannot be renewed by {months} months at once"))
                    .help("the service takes 1 to 12, 24 and 36; say how many with --period"),
            );
            continue;
        }
        match renewable(observed.instances.get(&id), recorded.is_some(), wanted.is_some()) {
            Ok(live) => {
                let until = live.attributes.expired_time.map(|time| time.to_string()).unwrap_or_default();
                let comes_back = live.attributes.life() == Life::Isolated;
                changes.push(Change {
                    instance_id: Some(id),
                    source: wanted.map(|wanted| wanted.span),
                    unconfirmed: evidence_of(inputs, address),
                    ..Change::new(address, Action::Renew, Reason::MoreTime { months, until, comes_back })
                });
            }
            Err(why) => {
                let what = format!("`{address}` cannot be renewed: {id} {why}");
                diagnostics.push(Diagnostic::error("nothing-to-renew", what));
            }
        }
    }
    let needs = confirmation(&changes).into_iter().collect();
    Planned {
        plan: Plan { changes, orders: unsettled(open), needs, ..Plan::default() },
        diagnostics,
        blocked: Vec::new(),
        adopted: Vec::new(),
        selected: None,
        leaving: Leaving::default(),
    }
}

/// Whether the service renews it, and whether afterwards it could be told that it did.
fn renewable(
    live: Option<&ObservedInstance>,
    is_recorded: bool,
    is_wanted: bool,
) -> Result<&ObservedInstance, &'static str> {
    let live = live.ok_or("is not in the cloud")?;
    if live.attributes.unreported.has(Field::State) {
        return Err("does not report its state, so whether a renewal brings it back is not known: run again later");
    }
    match live.attributes.life() {
        Life::Isolated if !is_recorded && !is_wanted => {
            return Err("stood there before, and the manifest has no such address: put it back first");
        }
        Life::Isolated => {}
        Life::Running | Life::Other if is_recorded => {}
        _ => return Err("is not in a state in which it can be renewed"),
    }
    if live.attributes.expired_time.is_none() {
        return Err("does not say until when it is paid, so nobody could tell afterwards whether it was renewed");
    }
    Ok(live)
}
