//! A run on a terminal: what is done scrolls by, what is under way stands below it.
//!
//! All live lines are one block that is drawn at once, so that nothing jumps and no line is older than its neighbour. It is
//! drawn by a thread of its own, a few times a second however much happens, within the size that the terminal has then. A
//! purchase has a line of its own; where there are more of them than lines, a line stands for a block of the manifest.

use super::bar::bar;
use super::lines::Said;
use super::screen::{Line, Screen};
use super::tally::{Tally, histogram, is_over, sum};
use crate::event::{Event, EventSink, Progress};
use crate::model::Timestamp;
use crate::model::address::expand_compact;
use crate::model::time::show_duration;
use crate::report::style::{Label, Palette};
use crate::report::text::{clean_line, columns, cut, pad};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most groups with a line of their own.
const LINES_MAX: usize = 12;

/// Rows that are left to what scrolls by, however small the terminal is.
const ROWS_ABOVE: usize = 3;

/// Widest bar.
const BAR_WIDTH: usize = 32;

/// How often what happened is drawn: often enough to look alive, too seldom to flicker over a slow line.
const TICK: Duration = Duration::from_millis(125);

/// After how many ticks it is drawn though nothing happened: the clock goes on, and the terminal may have another size.
const TICKS_IDLE: u32 = 4;

/// The size where the terminal does not tell it.
const SIZE_DEFAULT: (usize, usize) = (80, 24);

/// Shows a run on a terminal.
pub struct Live {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    palette: Palette,
    /// Writes to the terminal, all at once.
    write: Box<dyn Fn(&str) + Send + Sync>,
    /// Columns and rows of the terminal.
    size: Box<dyn Fn() -> Option<(usize, usize)> + Send + Sync>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    inner: Mutex<Inner>,
    /// The block was taken away.
    ended: Condvar,
}

#[derive(Default)]
struct Inner {
    /// Since when a block is shown; none while there is none.
    begun: Option<Timestamp>,
    instances: usize,
    tally: Tally,
    names: Names,
    said: Said,
    screen: Screen,
    /// Lines that are to scroll by and were not drawn yet.
    above: String,
    changed: bool,
}

impl Live {
    /// Draws with `write`, on a terminal of `size`, and tells the time by `now`.
    pub fn new(
        palette: Palette,
        write: impl Fn(&str) + Send + Sync + 'static,
        size: impl Fn() -> Option<(usize, usize)> + Send + Sync + 'static,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let (write, size, now) = (Box::new(write), Box::new(size), Box::new(now));
        let shared = Shared { palette, write, size, now, inner: Mutex::default(), ended: Condvar::new() };
        Self { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Takes the live lines away; what scrolled by stays.
    pub fn finish(&self) {
        self.shared.take_down(&mut self.shared.lock());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ended_badly = thread.join();
        }
    }

    fn set_up(&self, instances: usize) {
        self.finish();
        let mut inner = self.shared.lock();
        let begun = (self.shared.now)();
        *inner = Inner {
            begun: Some(begun),
            instances,
            changed: true,
            said: std::mem::take(&mut inner.said),
            ..Inner::default()
        };
        drop(inner);
        let shared = Arc::clone(&self.shared);
        // Without a thread there are no live lines, but the run goes on.
        let thread = std::thread::Builder::new().name("live".into()).spawn(move || shared.draw_until_ended());
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread.ok();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}

impl EventSink for Live {
    fn emit(&self, event: Event) {
        match event {
            Event::ApplyStarted { instances, .. } => self.set_up(instances),
            Event::Progress(progress) => {
                let mut inner = self.shared.lock();
                inner.names.learn(&progress);
                inner.tally.take(progress);
                inner.changed = true;
            }
            Event::Summary { .. } => self.finish(),
            other => {
                let mut inner = self.shared.lock();
                let Some(line) = inner.said.line(&other, self.shared.palette) else { return };
                if inner.begun.is_some() {
                    inner.above.push_str(&line);
                    inner.changed = true;
                } else {
                    // Nothing is under way yet: whoever draws nothing can still speak.
                    (self.shared.write)(&line);
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn width_and_rows(&self) -> (usize, usize) {
        (self.size)().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(SIZE_DEFAULT)
    }

    fn draw_until_ended(&self) {
        let mut idle = 0;
        let mut inner = self.lock();
        while inner.begun.is_some() {
            if inner.changed || idle >= TICKS_IDLE {
                idle = 0;
                self.draw(&mut inner);
            }
            idle += 1;
            let waited = self.ended.wait_timeout(inner, TICK);
            inner = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(inner, _)| inner);
        }
    }

    fn draw(&self, inner: &mut Inner) {
        let (width, rows) = self.width_and_rows();
        let lines = block(inner, width, rows, (self.now)(), self.palette);
        let above = std::mem::take(&mut inner.above);
        (self.write)(&inner.screen.draw(&above, &lines, width));
        inner.changed = false;
    }

    fn take_down(&self, inner: &mut Inner) {
        if inner.begun.take().is_some() {
            let (width, _) = self.width_and_rows();
            let above = std::mem::take(&mut inner.above);
            let cleared = inner.screen.clear(width);
            (self.write)(&(cleared + &above));
        }
        self.ended.notify_all();
    }
}

/// The blocks of the manifest that each group has members of.
#[derive(Default)]
struct Names(BTreeMap<usize, String>);

impl Names {
    fn learn(&mut self, progress: &Progress) {
        self.0.entry(progress.group).or_insert_with(|| {
            let addresses = expand_compact(&progress.label).unwrap_or_default();
            let blocks: BTreeSet<String> = addresses.into_iter().map(|address| address.block).collect();
            match blocks.len() {
                0 => progress.label.clone(),
                _ => blocks.into_iter().collect::<Vec<_>>().join(" "),
            }
        });
    }

    /// The groups of each name as one.
    fn together(&self, tally: &Tally) -> Vec<Progress> {
        let mut found: BTreeMap<&str, Vec<&Progress>> = BTreeMap::new();
        for progress in tally.groups() {
            let name = self.0.get(&progress.group).map_or(progress.label.as_str(), String::as_str);
            found.entry(name).or_default().push(progress);
        }
        let together = found.into_iter().enumerate();
        together
            .map(|(group, (name, groups))| Progress {
                group,
                label: name.to_owned(),
                total: groups.iter().map(|one| one.total).sum(),
                states: sum(groups.iter().copied()),
                retry: groups.iter().find_map(|one| one.retry.clone()),
            })
            .collect()
    }
}

/// The lines of the block: of groups, as many as there is room for; one for all others; and how far it is as a whole.
fn block(inner: &Inner, width: usize, rows: usize, now: Timestamp, palette: Palette) -> Vec<Line> {
    let room = LINES_MAX.min(rows.saturating_sub(ROWS_ABOVE + 2)).max(1);
    let groups: Vec<Progress> = inner.tally.groups().cloned().collect();
    let groups = if groups.len() > room { inner.names.together(&inner.tally) } else { groups };
    let (shown, hidden) = choose(groups.iter().collect(), room);
    let widest = groups.iter().map(|group| columns(&group.label)).max().unwrap_or(0);
    // Not more than a third, so that the states are to be seen.
    let label_width = widest.min(width / 3);
    let mut lines: Vec<Line> = shown.iter().map(|group| group_line(group, label_width, width, palette)).collect();
    if !hidden.is_empty() {
        let text = format!("  … {} more: {}", hidden.len(), histogram(&sum(hidden.iter().copied())));
        lines.push(Line::plain(cut(&text, width - 1)));
    }
    let passed = inner.begun.map_or(Duration::ZERO, |begun| now.since(begun));
    lines.push(bar_line(inner.tally.over(), inner.instances, passed, width));
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

fn group_line(progress: &Progress, label_width: usize, width: usize, palette: Palette) -> Line {
    let label = pad(&cut(&clean_line(&progress.label), label_width), label_width);
    let states = match &progress.retry {
        Some(retry) => format!("{}: {}", histogram(&progress.states), clean_line(&retry.to_string())),
        None => histogram(&progress.states),
    };
    let states = cut(&states, width.saturating_sub(label_width + 5));
    let columns = 2 + columns(&label) + 2 + columns(&states);
    let label_of = if is_over(progress) { Label::Faint } else { Label::Heading };
    Line { text: format!("  {}  {states}", palette.paint(label_of, &label)), columns }
}

/// `━━━━━━────  18/30  1m02s`
fn bar_line(over: usize, all: usize, passed: Duration, width: usize) -> Line {
    // Begun seconds do not count: the line changes once a second.
    let passed = match passed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => show_duration(Duration::from_secs(seconds)),
    };
    let told = format!("{:>1$}/{all}  {passed}", over, all.to_string().len());
    let room = BAR_WIDTH.min(width.saturating_sub(columns(&told) + 5));
    let text = format!("  {}  {told}", bar(over, all, room));
    Line::plain(cut(&text, width.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn group(number: usize, states: &[(&'static str, usize)]) -> Progress {
        let label = format!("web[{}-{}]", number * 30, number * 30 + 29);
        Progress { group: number, label, total: 30, states: states.iter().copied().collect(), retry: None }
    }

    fn inner(groups: impl IntoIterator<Item = Progress>) -> Inner {
        let mut inner = Inner { begun: Some(Timestamp(0)), ..Inner::default() };
        for progress in groups {
            inner.instances += progress.total;
            inner.names.learn(&progress);
            inner.tally.take(progress);
        }
        inner
    }

    fn text(inner: &Inner, width: usize, rows: usize) -> String {
        let lines = block(inner, width, rows, Timestamp(62_500), Palette::plain());
        for line in &lines {
            assert!(line.columns < width && line.columns == columns(&line.text), "{line:?}");
        }
        assert!(lines.len() + ROWS_ABOVE <= rows.max(ROWS_ABOVE + 3), "{lines:#?}");
        lines.into_iter().map(|line| line.text + "\n").collect()
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
    fn a_few_purchases_have_a_line_each() {
        let few = inner([
            Progress { label: "db".into(), total: 1, ..group(0, &[("running", 1)]) },
            group(1, &[("pending", 18), ("running", 12)]),
            Progress {
                label: "北京の店[0-2] edge[\"a very long key of an instance\"]".into(),
                ..group(2, &[("waiting", 4)])
            },
        ]);
        insta::assert_snapshot!(text(&few, 80, 24), @"
          db                          1 running
          web[30-59]                  18 pending, 12 running
          北京の店[0-2] edge[\"a ver…  4 waiting
          ━━━━━━──────────────────────────  13/61  1m02s
        ");
        insta::assert_snapshot!(text(&few, 40, 24), @"
          db             1 running
          web[30-59]     18 pending, 12 running
          北京の店[0-2…  4 waiting
          ━━━━───────────────────  13/61  1m02s
        ");
        assert_eq!(text(&few, 200, 24).lines().count(), 4);
        assert_eq!(text(&few, 12, 5).lines().count(), 3);
    }

    #[test]
    fn many_purchases_are_told_by_block_and_many_blocks_by_number() {
        let many = inner((0..334).map(|number| group(number, &[("waiting", 10), ("pending", 20)])));
        insta::assert_snapshot!(text(&many, 80, 24), @"
          web  3340 waiting, 6680 pending
          ────────────────────────────────      0/10020  1m02s
        ");
        let blocks = inner((0..50).map(|number| {
            let states: &[_] = if number == 40 { &[("pending", 30)] } else { &[("waiting", 30)] };
            Progress { label: format!("block-{number:02}[0-29]"), ..group(number, states) }
        }));
        let shown = text(&blocks, 80, 24);
        assert_eq!(shown.lines().count(), LINES_MAX + 2);
        assert!(shown.contains("  block-40  30 pending\n  … 38 more: 1140 waiting\n"), "{shown}");
        assert_eq!(text(&blocks, 80, 10).lines().count(), 7);
    }

    #[test]
    fn takes_every_event_in_any_order_and_leaves_nothing_behind() {
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0)));
        let (screen, time) = (Arc::clone(&terminal), AtomicUsize::new(0));
        let live = Live::new(
            Palette::new(true),
            move |bytes| screen.lock().unwrap().process(bytes.replace('\n', "\r\n").as_bytes()),
            || Some((80, 24)),
            move || Timestamp(time.fetch_add(1000, Ordering::Relaxed) as i64),
        );
        live.emit(Event::Note { text: "before".into() });
        live.emit(Event::Progress(group(5, &[("running", 30)])));
        live.emit(Event::ApplyStarted { groups: 20, instances: 600 });
        live.emit(Event::Progress(group(19, &[("running", 30)])));
        live.emit(Event::Note { text: "one thing".into() });
        live.emit(Event::ApplyStarted { groups: 0, instances: 0 });
        live.emit(Event::Note { text: "another".into() });
        live.finish();
        live.emit(Event::Note { text: "after".into() });
        drop(live);
        let shown = terminal.lock().unwrap().screen().contents();
        assert_eq!(shown.trim_end(), "note: before\nnote: one thing\nnote: another\nnote: after");
    }
}
