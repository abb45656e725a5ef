//! A run on a terminal: what is done scrolls by, what is under way stands below it. The only place that knows `indicatif`.
//!
//! The number of live lines is fixed when the work begins, and each keeps within 80 columns, so that nothing jumps.

use super::lines::Said;
use super::tally::{Tally, histogram, is_over, sum};
use crate::event::{Event, EventSink, Progress};
use crate::report::style::{Label, Palette};
use crate::report::text::{WIDTH, cut, pad};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most groups with a line of their own.
const LINES_MAX: usize = 12;

/// Columns for a group's members.
const LABEL_WIDTH: usize = 28;

/// Redraws a second: enough to look alive, too few to flicker over a slow line.
const DRAWS_PER_SECOND: u8 = 8;

/// Draws a run.
pub struct Live {
    palette: Palette,
    inner: Mutex<Inner>,
}

struct Inner {
    multi: MultiProgress,
    lines: Vec<ProgressBar>,
    rest: Option<ProgressBar>,
    overall: Option<ProgressBar>,
    tally: Tally,
    said: Said,
}

impl Live {
    /// Draws on stderr, which has to be a terminal.
    pub fn new(palette: Palette) -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND), palette)
    }

    fn on(target: ProgressDrawTarget, palette: Palette) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let inner = Inner {
            multi,
            lines: Vec::new(),
            rest: None,
            overall: None,
            tally: Tally::default(),
            said: Said::default(),
        };
        Self { palette, inner: Mutex::new(inner) }
    }

    /// Takes the live lines away; what scrolled by stays.
    pub fn finish(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).take_down();
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
            Event::ApplyStarted { groups, instances } => inner.set_up(groups, instances),
            Event::Progress(progress) => {
                inner.tally.take(progress);
                inner.show(self.palette);
            }
            Event::Summary { .. } => inner.take_down(),
            other => {
                if let Some(line) = inner.said.line(&other, self.palette) {
                    let _ = inner.multi.println(line.trim_end());
                }
            }
        }
    }
}

impl Inner {
    fn set_up(&mut self, groups: usize, instances: usize) {
        self.take_down();
        self.tally = Tally::default();
        let text = || ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = |multi: &MultiProgress| multi.add(ProgressBar::new(0).with_style(text()));
        self.lines = (0..groups.min(LINES_MAX)).map(|_| line(&self.multi)).collect();
        self.rest = (groups > LINES_MAX).then(|| line(&self.multi));
        let style = ProgressStyle::with_template("  {bar:32} {pos}/{len}  {elapsed}")
            .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━━─"));
        let overall = self.multi.add(ProgressBar::new(instances as u64).with_style(style));
        // The clock goes on where nothing else does.
        overall.enable_steady_tick(Duration::from_secs(1));
        self.overall = Some(overall);
    }

    fn show(&mut self, palette: Palette) {
        let (shown, hidden) = choose(self.tally.groups().collect(), self.lines.len());
        for (bar, progress) in self.lines.iter().zip(&shown) {
            set(bar, group_line(progress, palette));
        }
        if let Some(rest) = &self.rest {
            let text = format!("  … {} more: {}", hidden.len(), histogram(&sum(hidden.iter().copied())));
            set(rest, cut(&text, WIDTH - 1));
        }
        if let Some(overall) = &self.overall {
            overall.set_position(self.tally.over() as u64);
        }
    }

    fn take_down(&mut self) {
        for bar in self.lines.drain(..).chain(self.rest.take()).chain(self.overall.take()) {
            bar.finish_and_clear();
        }
        let _ = self.multi.clear();
    }
}

/// A message that is what it was needs no redraw.
fn set(bar: &ProgressBar, message: String) {
    if bar.message() != message {
        bar.set_message(message);
    }
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
        for number in 0..3 {
            groups[number] = group(number, &[("running", 30)]);
        }
        groups[19] = group(19, &[("pending", 18), ("running", 12)]);
        let (shown, hidden) = choose(groups.iter().collect(), 12);
        let numbers = |groups: &[&Progress]| groups.iter().map(|group| group.group).collect::<Vec<_>>();
        assert_eq!(numbers(&shown), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 19]);
        assert_eq!(numbers(&hidden), [0, 1, 2, 14, 15, 16, 17, 18]);
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
        let live = Live::on(ProgressDrawTarget::hidden(), Palette::plain());
        live.emit(Event::Progress(group(5, &[("running", 30)])));
        live.emit(Event::ApplyStarted { groups: 20, instances: 600 });
        live.emit(Event::Progress(group(19, &[("running", 30)])));
        live.emit(Event::Note { text: "one thing".into() });
        live.emit(Event::ApplyStarted { groups: 0, instances: 0 });
        live.finish();
    }
}
