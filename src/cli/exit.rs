//! How a command ended, as the number that scripts see.

/// Exit codes. They are part of the interface: a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error.
    Error,
    /// `plan --detailed-exitcode`: changes are pending.
    Changes,
    /// `drift`: the cloud differs.
    Drift,
    /// The state is locked.
    Locked,
    /// The saved plan is stale.
    Stale,
    /// Applied in part; all of it recorded; run apply again.
    Partial,
    /// Preflight found what would fail: quota, stock, balance, bundle and blueprint that do not go together.
    Preflight,
    /// Refused by protection, a limit or a policy, for want of consent, or because it is unclear what is already owned.
    Refused,
    /// Declined at the prompt, or no terminal to ask on and no `--yes`.
    Declined,
    /// The command line cannot be understood.
    Usage,
    /// Ended by a signal; safe to run again.
    Interrupted(Signal),
}

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal is gone.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// `kill`, an orchestrator.
    Terminate,
}

impl Exit {
    /// The number. Signals give 128 and their own number, as shells do.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Changes => 2,
            Exit::Drift => 3,
            Exit::Locked => 4,
            Exit::Stale => 5,
            Exit::Partial => 6,
            Exit::Refused => 7,
            Exit::Preflight => 8,
            Exit::Declined => 9,
            Exit::Usage => 64,
            Exit::Interrupted(Signal::Hangup) => 129,
            Exit::Interrupted(Signal::Interrupt) => 130,
            Exit::Interrupted(Signal::Terminate) => 143,
        }
    }
}

impl Signal {
    /// The name that events and people use.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Hangup => "SIGHUP",
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }

    /// The signal of that name; what is unknown ends like `kill`.
    pub fn named(name: &str) -> Self {
        [Signal::Hangup, Signal::Interrupt]
            .into_iter()
            .find(|signal| signal.name() == name)
            .unwrap_or(Signal::Terminate)
    }
}
