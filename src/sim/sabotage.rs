//! Ways in which the engine is broken on purpose, to show that the simulation notices.
//!
//! Those that the network or the disk can play are played there. Those that need a line in the engine are compiled into
//! tests alone.

/// A way to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// None.
    #[default]
    Sound,
    /// Nothing is ever synced.
    NoSync,
    /// Every request has a token of its own.
    RandomToken,
    /// A look finds nothing.
    BlindLook,
    /// Predecessors are left out of tokens.
    NoPredecessor,
    /// A refusal counts as proof although an earlier attempt has no answer.
    RefusalIsProof,
    /// A batch of which only a part is listed counts as one of which nothing is.
    PartIsNothing,
    /// Unconfirmed instances are treated as confirmed.
    UnconfirmedIsConfirmed,
    /// An upgrade or renewal without an answer is ordered again at once.
    RepeatOrders,
    /// The journal does not say that a destroy was the first half of a replacement.
    ForgetReplacement,
    /// A command that was interrupted is not recognised when it is given again.
    RepeatCommand,
    /// An instance that one reading misses counts as gone.
    OneReading,
    /// A journal is replayed whatever it belongs to.
    ForeignJournal,
}

#[cfg(test)]
thread_local! {
    static PRESENT: std::cell::Cell<Sabotage> = const { std::cell::Cell::new(Sabotage::Sound) };
}

/// Breaks this thread's engine.
#[cfg(test)]
pub fn set(sabotage: Sabotage) {
    PRESENT.set(sabotage);
}

/// Whether this thread's engine is broken in that way.
#[cfg(test)]
pub fn is(sabotage: Sabotage) -> bool {
    PRESENT.get() == sabotage
}
