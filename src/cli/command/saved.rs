//! `lhprov apply PLAN`: carries a saved plan out, which is its approval.

use super::apply::{Kind, carry_out};
use crate::cli::args::{ApplyCommand, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paper::Paper;
use crate::cli::saved;
use crate::cli::session::{self, Nature};
use crate::report::console::Console;
use std::path::Path;

/// Reads the plan, takes from it what the command line does not say, and carries it out.
pub(super) fn run(path: &Path, global: &Global, own: &ApplyCommand, console: Console) -> Result<Exit, Failure> {
    let paper = Paper::new("apply", own.apply.run.format.format(), console);
    session::with_events(own.apply.run.events.as_ref(), Nature::Changes, console, |sinks| {
        let begun = saved::read(path).and_then(|file| {
            file.check_age(own.max_plan_age)?;
            let (global, apply) = file.over(global, own)?;
            Ok((file, global, apply))
        });
        paper.told(begun.and_then(|(file, global, apply)| {
            let tolerance = own.price_tolerance.unwrap_or(file.saved.seal.asked.price_tolerance);
            carry_out(Kind::Saved(&file.saved, own.if_equivalent, tolerance), &global, &apply, (&paper, console), sinks)
        }))
    })
}
