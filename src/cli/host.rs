//! The machine and the process: time, chance, terminal, names. The only place that asks any of them.

use super::args::LogLevel;
use super::env;
use super::exit::Exit;
use super::failure::Failure;
use crate::clock::{BoxFuture, Clock};
use crate::model::{Lineage, Timestamp};
use crate::ops::Beside;
use crate::report::console::Console;
use crate::report::human::progress::Live;
use crate::report::style::Palette;
use crate::state::lock::Holder;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The system's clock and the runtime's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The runtime that commands run on which talk to a cloud. Their work is one task that waits for calls: on one thread, no call
/// wakes another thread, which costs more than the call does.
pub fn runtime() -> Result<Runtime, Failure> {
    started(Builder::new_current_thread().enable_all().build())
}

/// The runtime of a server.
pub fn serving_runtime() -> Result<Runtime, Failure> {
    started(Builder::new_multi_thread().worker_threads(2).enable_all().build())
}

fn started(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| Failure::new(Exit::Error, format!("failed to start the runtime: {error}")))
}

/// Threads of that runtime for what blocks.
pub fn beside() -> Beside {
    Arc::new(|work| {
        Box::pin(async {
            // That it panicked is seen from its result, which is not there.
            drop(tokio::task::spawn_blocking(work).await);
        })
    })
}

/// A seed for the jitter.
pub fn seed() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A lineage that nobody else has: a random UUID (RFC 9562, version 4).
pub fn lineage() -> Result<Lineage, Failure> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Ok(Lineage(parts.join("-")))
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::new(Exit::Error, format!("the system gives no randomness: {error}")))
}

/// Who this process is, for the lock.
pub fn holder() -> Holder {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| env::variable("HOSTNAME"))
        .unwrap_or_else(|| "this machine".to_owned());
    Holder { host, pid: std::process::id(), command: env::command_line(), since: SystemClock.now() }
}

/// Whether stdout and stderr are terminals.
pub fn terminals() -> (bool, bool) {
    (std::io::stdout().is_terminal(), std::io::stderr().is_terminal())
}

/// Shows a run on the terminal of stderr.
pub fn live(console: Console) -> Live {
    let size = || {
        let (columns, rows) = terminal_size::terminal_size_of(std::io::stderr())?;
        Some((usize::from(columns.0), usize::from(rows.0)))
    };
    Live::new(console.stderr, move |bytes| console.draw(bytes), size, || SystemClock.now())
}

/// Says how a command failed that cannot say it itself any more.
pub fn say_last(failure: &Failure) {
    Console::default().say(&failure.render(Palette::plain()));
}

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Goes to the folder of `--chdir`.
pub fn change_folder(folder: Option<&Path>) -> Result<(), Failure> {
    let Some(folder) = folder else { return Ok(()) };
    env::change_folder(folder)
        .map_err(|error| Failure::usage(format!("cannot go to the folder {} of --chdir: {error}", folder.display())))
}

/// Logs to stderr from now on, and what goes over the wire if that is wanted.
pub fn log_to_stderr(level: Option<LogLevel>, http: bool, colour: bool) {
    let level = match level {
        None => LevelFilter::OFF,
        Some(LogLevel::Error) => LevelFilter::ERROR,
        Some(LogLevel::Warn) => LevelFilter::WARN,
        Some(LogLevel::Info) => LevelFilter::INFO,
        Some(LogLevel::Debug) => LevelFilter::DEBUG,
        Some(LogLevel::Trace) => LevelFilter::TRACE,
    };
    let filter = Targets::new().with_target("lhprov", level);
    let filter = if http { filter.with_target(crate::cloud::trace::TARGET, LevelFilter::TRACE) } else { filter };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    // Whoever came first has set it; a process has one log.
    let _already_set = tracing_subscriber::registry().with(lines).with(filter).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_a_random_uuid() {
        let (one, other) = (lineage().unwrap().0, lineage().unwrap().0);
        assert_ne!(one, other);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert!("89ab".contains(&one[19..20]));
    }
}
