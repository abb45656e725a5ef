//! The process from its start to its end. The command works on a thread of its own, so that the end never waits for it: a
//! terminal that takes no more bytes or a disk that hangs holds a thread for ever, and no signal gets it out of there.
//! Ending beside it is safe, since everything that counts is on disk before it counts.

use super::exit::{Exit, Signal};
use super::failure::Failure;
use super::host;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// From the first signal to the end, whatever hangs. Calls in flight get five seconds of it.
const AFTER_THE_FIRST: Duration = Duration::from_millis(5800);

/// From the second signal to the end.
const AFTER_THE_SECOND: Duration = Duration::from_millis(1000);

/// What the main thread of any program has, which the thread of the command is to have too.
const STACK: usize = 8 << 20;

static END: OnceLock<Sender<Exit>> = OnceLock::new();

/// Runs the command to its end, or until the time after a signal is over.
pub fn live(command: fn() -> Exit) -> Exit {
    let (send, receive) = channel();
    let _only_once = END.set(send.clone());
    let thread = Builder::new().name("command".into()).stack_size(STACK).spawn(move || {
        let exit = guarded(command).unwrap_or_else(|failure| {
            host::say_last(&failure);
            failure.exit
        });
        let _nobody_waits = send.send(exit);
    });
    match thread {
        Ok(_) => receive.recv().unwrap_or(Exit::Error),
        Err(_) => command(),
    }
}

/// Runs `work`; a panic becomes a failure. The message of the panic is on stderr by then.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // What a panic leaves behind in memory is not looked at again.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        Failure::new(Exit::Error, "internal error: lhprov cannot continue")
            .help("whatever was bought is written down: run the command again, it settles that first")
            .help("the lines above say where it happened; please report them")
    })
}

/// A signal came, the `number`th of this process: the end comes in any case.
pub fn end_after(first: Signal, number: usize) {
    let Some(end) = END.get().cloned() else { return };
    let limit = if number == 1 { AFTER_THE_FIRST } else { AFTER_THE_SECOND };
    // Without the thread the end comes when the command does.
    let _thread = Builder::new().name("end".into()).spawn(move || {
        sleep(limit);
        let _over_already = end.send(Exit::Interrupted(first));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_that_says_how_to_go_on() {
        assert_eq!(guarded(|| 3).expect("no panic"), 3);
        let failure = guarded(|| panic!("on purpose")).expect_err("a panic");
        assert_eq!(failure.exit, Exit::Error);
        assert!(failure.line().contains("cannot continue"), "{}", failure.line());
    }

    #[test]
    fn a_command_that_hangs_ends_after_a_signal() {
        let hangs = || {
            end_after(Signal::Terminate, 2);
            loop {
                sleep(Duration::from_secs(60));
            }
        };
        assert_eq!(live(hangs), Exit::Interrupted(Signal::Terminate));
    }
}
