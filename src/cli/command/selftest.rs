//! `lhprov selftest`: the simulation, for whoever wants to see it.

use crate::cli::args::SelftestArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host::SystemClock;
use crate::clock::Clock as _;
use crate::report::console::Console;
use crate::sim::runner::run_many;
use std::num::NonZeroUsize;

/// Runs schedules until one breaks a promise.
pub fn run(own: &SelftestArgs, console: Console) -> Result<Exit, Failure> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let began = SystemClock.now();
    let totals =
        run_many(own.first, own.seeds, own.threads.map_or_else(cores, NonZeroUsize::get)).map_err(|failure| {
            console.say(&format!("{}\n", failure.log.join("\n")));
            Failure::new(Exit::Error, format!("seed {}: {}", failure.seed, failure.what))
                .help(format!("replay it with `lhprov selftest --first {} --seeds 1`", failure.seed))
        })?;
    let took = SystemClock.now().since(began);
    let text = format!(
        "{} schedules from seed {}: every promise held.\n\
         {} processes died in the middle, {} calls were made, {} instances stood at the end.\n\
         {} schedules were beyond the promise; in {} of them something was bought twice, and told.\n\
         {} schedules ended by stopping and asking.\n\
         It took {} s, {:.0} schedules a second.\n",
        totals.schedules,
        own.first,
        totals.crashes,
        totals.calls,
        totals.instances,
        totals.beyond,
        totals.slipped,
        totals.asked,
        took.as_secs(),
        totals.schedules as f64 / took.as_secs_f64().max(0.001),
    );
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
