//! `lhprov apply PLAN`: carries a saved plan out, which is its approval.

use super::apply::{Kind, carry_out as perform};
use crate::cli::args::{ApplyCommand, Global};
use crate::cli::failure::Failure;
use crate::cli::saved;
use crate::cli::session::Ended;
use crate::event::EventSink;
use crate::report::console::Console;
use std::path::Path;
use std::sync::Arc;

/// Reads the plan, takes from it what the command line does not say, and carries it out.
pub(super) fn carry_out(
    path: &Path,
    global: &Global,
    own: &ApplyCommand,
    console: Console,
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    let file = saved::read(path)?;
    file.check_age(own.max_plan_age)?;
    let (global, apply) = file.over(global, own)?;
    perform(Kind::Saved(&file.saved, own.if_equivalent), &global, &apply, console, sinks)
}
