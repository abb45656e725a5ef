//! Options of the simulated cloud, and of the proof that runs on it.

use super::shared::{FormatArgs, duration};
use super::{Global, SANDBOX_FOLDER};
use crate::sandbox::fault::Fault;
use crate::sandbox::settings::{Afterwards, BatchNames, BindKeys, CheckOrder, Mismatch, Settings, TokenMemory};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Of `selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// How many schedules to run
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub seeds: u64,
    /// The first seed; one that failed is replayed with --first SEED --seeds 1
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub first: u64,
    /// How many run at once; by default as many as the machine has cores
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
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
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Speak HTTPS, with a certificate of the sandbox's own authority
        #[arg(long)]
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
    #[arg(long, value_name = "FOLDER")]
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
    /// answer), delay=TIME, throttle, sold-out, launch-failed, partial=COUNT (fewer instances than asked for), denied (no
    /// permission). Dry runs of purchases are calls of DryRun; sold-out and denied without WHEN meet them too.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<Fault>,
    /// A file of such faults: a YAML list of texts as above, or of maps with kind, action and one of p, n, at
    #[arg(long, value_name = "FILE")]
    pub fault_file: Option<PathBuf>,
    /// Time from the purchase to RUNNING
    #[arg(long, value_name = "TIME", value_parser = duration)]
    boot: Option<Duration>,
    /// Instances that each bundle type admits
    #[arg(long, value_name = "NUMBER")]
    quota: Option<u32>,
    /// Money in the account
    #[arg(long, value_name = "AMOUNT")]
    balance: Option<String>,
    /// Requests a second for an action, such as CreateInstances=5; 0 for no limit; may be given several times
    #[arg(long, value_name = "ACTION=NUMBER", value_parser = rate)]
    rate: Vec<(String, u32)>,
    /// How long each answer takes
    #[arg(long, value_name = "TIME", value_parser = duration)]
    latency: Option<Duration>,
    /// How long a token is remembered: forever, none or a time
    #[arg(long, value_name = "MEMORY")]
    token_memory: Option<TokenMemory>,
    /// What a known token with other parameters does: replay, error or buy
    #[arg(long, value_name = "WORD")]
    mismatch: Option<Mismatch>,
    /// When a known token is looked up: token-first or quota-first
    #[arg(long, value_name = "WORD")]
    check_order: Option<CheckOrder>,
    /// Names of instances bought together: same, suffix or dash
    #[arg(long, value_name = "WORD")]
    batch_names: Option<BatchNames>,
    /// How long a new id is not listed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    visibility_delay: Option<Duration>,
    /// Let instances be renamed while they are created
    #[arg(long, value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rename_while_pending: Option<bool>,
    /// Share of instances that end as LAUNCH_FAILED, 0 to 1
    #[arg(long, value_name = "SHARE")]
    launch_failed: Option<f64>,
    /// How long an operation on an instance takes, such as 5s, or ResetInstance=1m for one action; may be given several times
    #[arg(long, value_name = "[ACTION=]TIME", value_parser = operation_time)]
    operation_time: Vec<(Option<String>, Duration)>,
    /// Power after an operation that shuts a machine down: running or stopped
    #[arg(long, value_name = "WORD")]
    after_shutdown: Option<Afterwards>,
    /// Power of what a renewal brings back: running or stopped
    #[arg(long, value_name = "WORD")]
    after_recovery: Option<Afterwards>,
    /// What binding key pairs does to those that are bound: replace or add
    #[arg(long, value_name = "WORD")]
    bind_keys: Option<BindKeys>,
    /// How many instances may still be returned
    #[arg(long, value_name = "NUMBER")]
    returns: Option<u64>,
    /// Where ids and chances start
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl SandboxFlags {
    /// The settings `base` with what was given in its place.
    pub fn over(&self, base: Settings) -> Settings {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut rate_limits = base.rate_limits;
        rate_limits.extend(self.rate.iter().cloned());
        let (mut operation_ms, mut operation_times) = (base.operation_ms, base.operation_times);
        for (action, time) in &self.operation_time {
            match action {
                Some(action) => drop(operation_times.insert(action.clone(), millis(*time))),
                None => operation_ms = millis(*time),
            }
        }
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
            operation_ms,
            operation_times,
            after_shutdown: self.after_shutdown.unwrap_or(base.after_shutdown),
            after_recovery: self.after_recovery.unwrap_or(base.after_recovery),
            bind_keys: self.bind_keys.unwrap_or(base.bind_keys),
            returns: self.returns.or(base.returns),
            seed: self.seed.unwrap_or(base.seed),
            ..base
        }
    }
}

/// Options of `SandboxFlags`, for the check that they have a sandbox to work on.
pub const SANDBOX_FLAGS: [&str; 20] = [
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
    "operation_time",
    "after_shutdown",
    "after_recovery",
    "bind_keys",
    "returns",
    "seed",
];

fn rate(text: &str) -> Result<(String, u32), String> {
    let parts = text.split_once('=').and_then(|(action, limit)| Some((action.to_owned(), limit.parse().ok()?)));
    parts.ok_or_else(|| "expected an action and a number, such as CreateInstances=5".to_owned())
}

fn operation_time(text: &str) -> Result<(Option<String>, Duration), String> {
    match text.split_once('=') {
        Some((action, time)) => Ok((Some(action.to_owned()), duration(time)?)),
        None => Ok((None, duration(text)?)),
    }
}
