//! A run on a terminal: what is done scrolls by, what is under way stands below it. The only place that knows `indicatif`.
//!
//! All live lines are one block of a fixed height within 80 columns, drawn at once, so that nothing jumps and no line is
//! older than its neighbour.

use super::lines::Said;
use super::tally::{Tally, histogram, is_over, sum};
use crate::event::{Event, EventSink, Progress};
use crate::report::console::Console;
use crate::report::style::{Label, Palette};
use crate::report::text::{WIDTH, cut, pad};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most groups with a line of their own.
const LINES_MAX: usize = 12;

/// Columns for a group's members.
const LABEL_WIDTH: usize = 28;

/// Redraws a second: enough to look alive, too few to flicker over a slow line.
const DRAWS_PER_SECOND: u8 = 8;

/// How often it is drawn where nothing happens: the clock goes on, and what came too soon after a drawing is shown.
const TICK: Duration = Duration::from_millis(250);

/// Draws a run.
pub struct Live {
    palette: Palette,
    target: fn() -> ProgressDrawTarget,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    block: Option<ProgressBar>,
    groups: usize,
    tally: Tally,
    said: Said,
}

impl Live {
    /// Draws on stderr, which has to be a terminal.
    pub fn new(palette: Palette) -> Self {
        Self::on(|| ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND), palette)
    }

    fn on(target: fn() -> ProgressDrawTarget, palette: Palette) -> Self {
        Self { palette, target, inner: Mutex::default() }
    }

    /// Takes the live lines away; what scrolled by stays.
    pub fn finish(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).take_down();
    }

    fn set_up(&self, inner: &mut Inner, groups: usize, instances: usize) {
        inner.take_down();
        inner.tally = Tally::default();
        inner.groups = groups;
        let block = ProgressBar::with_draw_target(Some(instances as u64), (self.target)());
        let style = ProgressStyle::with_template("{msg}\n  {bar:32} {pos}/{len}  {elapsed}");
        block.set_style(style.map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━━─")));
        block.enable_steady_tick(TICK);
        inner.block = Some(block);
        inner.show(self.palette);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}

impl EventSink for Live {
    fn emit(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ApplyStarted { groups, instances } => self.set_up(&mut inner, groups, instances),
            Event::Progress(progress) => {
                inner.tally.take(progress);
                inner.show(self.palette);
            }
            Event::Summary { .. } => inner.take_down(),
            other => {
                let Some(line) = inner.said.line(&other, self.palette) else { return };
                match &inner.block {
                    Some(block) => block.println(line.trim_end()),
                    // Nothing is under way yet: whoever draws nothing can still speak.
                    None => Console::default().say(&line),
                }
            }
        }
    }
}

impl Inner {
    fn show(&self, palette: Palette) {
        let Some(block) = &self.block else { return };
        block.set_position(self.tally.over() as u64);
        block.set_message(lines(&self.tally, self.groups, palette).join("\n"));
    }

    fn take_down(&mut self) {
        if let Some(block) = self.block.take() {
            block.finish_and_clear();
        }
    }
}

/// The lines of the block: as many as there are groups, at most a few, and one for all others. A group that was not heard of
/// yet has an empty one.
fn lines(tally: &Tally, groups: usize, palette: Palette) -> Vec<String> {
    let height = groups.min(LINES_MAX);
    let (shown, hidden) = choose(tally.groups().collect(), height);
    let mut lines: Vec<String> = shown.iter().map(|progress| group_line(progress, palette)).collect();
    lines.resize(height, String::new());
    if groups > LINES_MAX {
        let text = match hidden.len() {
            0 => String::new(),
            more => format!("  … {more} more: {}", histogram(&sum(hidden.iter().copied()))),
        };
        lines.push(cut(&text, WIDTH - 1));
    }
    lines
}

/// Which groups get a line, in order of their number: those under way first, then those that are over.
fn choose(groups: Vec<&Progress>, lines: usize) -> (Vec<&Progress>, Vec<&Progress>) {
    let (over, mut shown): (Vec<&Progress>, Vec<&Progress>) = groups.into_iter().partition(|group| is_over(group));
    // Moving before waiting: a line that says "waiting" for an hour tells less than one that moves.
    shown.sort_by_key(|group| (is_waiting(group), group.group));
    shown.extend(over.into_iter().rev());
    let mut hidden = shown.split_off(lines.min(shown.len()));
    shown.sort_by_key(|group| group.group);
    hidden.sort_by_key(|group| group.group);
    (shown, hidden)
}

fn is_waiting(progress: &Progress) -> bool {
    progress.states.keys().all(|word| matches!(*word, "waiting" | "queued"))
}

fn group_line(progress: &Progress, palette: Palette) -> String {
    let label = pad(&cut(&progress.label, LABEL_WIDTH), LABEL_WIDTH);
    let text = cut(&histogram(&progress.states), WIDTH - 1 - LABEL_WIDTH - 4);
    let label_of = if is_over(progress) { Label::Faint } else { Label::Heading };
    format!("  {}  {text}", palette.paint(label_of, &label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::columns;

    fn group(number: usize, states: &[(&'static str, usize)]) -> Progress {
        let label = format!("web[{}-{}]", number * 30, number * 30 + 29);
        Progress { group: number, label, total: 30, states: states.iter().copied().collect() }
    }

    #[test]
    fn what_moves_has_a_line_before_what_waits_and_what_is_over() {
        let mut groups: Vec<Progress> = (0..20).map(|number| group(number, &[("waiting", 30)])).collect();
        for (number, over) in groups.iter_mut().enumerate().take(3) {
            *over = group(number, &[("running", 30)]);
        }
        groups[19] = group(19, &[("pending", 18), ("running", 12)]);
        let (shown, hidden) = choose(groups.iter().collect(), 12);
        let numbers = |groups: &[&Progress]| groups.iter().map(|group| group.group).collect::<Vec<_>>();
        assert_eq!(numbers(&shown), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 19]);
        assert_eq!(numbers(&hidden), [0, 1, 2, 14, 15, 16, 17, 18]);
    }

    #[test]
    fn the_block_keeps_its_height() {
        let mut tally = Tally::default();
        let height = |tally: &Tally| lines(tally, 20, Palette::plain()).len();
        assert_eq!(height(&tally), 13);
        for number in 0..20 {
            tally.take(group(number, &[("pending", 30)]));
            assert_eq!(height(&tally), 13);
        }
        assert_eq!(lines(&tally, 20, Palette::plain())[12], "  … 8 more: 240 pending");
        assert_eq!(lines(&tally, 2, Palette::plain()).len(), 2);
    }

    #[test]
    fn a_line_fits_whatever_its_label() {
        let states = [("waiting", 100), ("queued", 100), ("buying", 100), ("pending", 100), ("running", 100)];
        let long = Progress { label: "edge[\"a long key\"] ".repeat(30), ..group(0, &states) };
        let line = group_line(&long, Palette::plain());
        assert!(columns(&line) < WIDTH, "{line}");
        assert_eq!(
            group_line(&group(1, &[("pending", 18), ("running", 12)]), Palette::plain()),
            "  web[30-59]                    18 pending, 12 running"
        );
    }

    #[test]
    fn takes_every_event_in_any_order() {
        let live = Live::on(ProgressDrawTarget::hidden, Palette::plain());
        live.emit(Event::Progress(group(5, &[("running", 30)])));
        live.emit(Event::ApplyStarted { groups: 20, instances: 600 });
        live.emit(Event::Progress(group(19, &[("running", 30)])));
        live.emit(Event::Note { text: "one thing".into() });
        live.emit(Event::ApplyStarted { groups: 0, instances: 0 });
        live.finish();
    }
}
