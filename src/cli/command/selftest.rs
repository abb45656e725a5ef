//! `lhprov selftest`: the simulation, for whoever wants to see it.

use crate::cli::args::SelftestArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::report::console::Console;
use crate::sim::sabotage::Sabotage;
use crate::sim::schedule::run_schedule;

/// Runs schedules until one breaks a promise.
pub fn run(own: &SelftestArgs, console: Console) -> Result<Exit, Failure> {
    let (mut died, mut asked, mut calls, mut instances) = (0, 0, 0, 0);
    for seed in own.first..own.first.saturating_add(own.seeds) {
        match run_schedule(seed, Sabotage::Sound) {
            Ok(passed) => {
                died += passed.crashes;
                asked += u64::from(passed.asked);
                calls += passed.calls;
                instances += passed.instances;
            }
            Err(failure) => {
                console.say(&format!("{}\n", failure.log.join("\n")));
                return Err(Failure::new(Exit::Error, format!("seed {seed}: {}", failure.what))
                    .help(format!("replay it with `lhprov selftest --first {seed} --seeds 1`")));
            }
        }
    }
    let text = format!(
        "{} schedules from seed {}: every promise held.\n\
         {died} processes died in the middle, {calls} calls were made, {instances} instances stood at the end, \
         {asked} schedules ended by stopping and asking.\n",
        own.seeds, own.first
    );
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
