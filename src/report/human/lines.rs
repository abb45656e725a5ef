//! A run where no terminal shows it: a line for what is worth one, and how far it is at most every ten seconds.

use super::tally::{Tally, histogram};
use crate::event::{Event, EventSink, Item, ItemStatus, Progress};
use crate::model::Timestamp;
use crate::model::time::show_duration;
use crate::report::console::Console;
use crate::report::style::{Label, Palette};
use crate::report::text::{clean_line, wrap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shortest time between two lines on how far it is.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes a run line by line.
pub struct Lines {
    write: Box<dyn Fn(&str) + Send + Sync>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tally: Tally,
    said: Said,
    begun: Option<Timestamp>,
    told: Option<Timestamp>,
    /// By group: the reason that was shown last, and when.
    explained: BTreeMap<usize, (String, Timestamp)>,
}

impl Inner {
    /// Says why a group waits: a new reason at once, one that was said at most every ten seconds.
    fn explain(&mut self, progress: &Progress, now: Timestamp, write: &(dyn Fn(&str) + Send + Sync)) {
        let Some(retry) = &progress.retry else {
            self.explained.remove(&progress.group);
            return;
        };
        let is_new = self
            .explained
            .get(&progress.group)
            .is_none_or(|(last_error, at)| *last_error != retry.last_error || now.since(*at) >= INTERVAL);
        if is_new {
            self.explained.insert(progress.group, (retry.last_error.clone(), now));
            let text = format!("{}: {retry}", progress.label);
            write(&format!("  {}\n", wrap(&clean_line(&text), 2, 6)));
        }
    }
}

impl Lines {
    /// Writes to stderr. `now` says what time it is.
    pub fn new(console: Console, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::to(move |line| console.say(line), now)
    }

    fn to(write: impl Fn(&str) + Send + Sync + 'static, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), now: Box::new(now), inner: Mutex::default() }
    }
}

impl EventSink for Lines {
    fn emit(&self, event: Event) {
        let now = (self.now)();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ApplyStarted { .. } => {
                inner.tally = Tally::default();
                inner.begun.get_or_insert(now);
            }
            Event::Progress(progress) => {
                inner.explain(&progress, now, self.write.as_ref());
                inner.tally.take(progress);
                let begun = *inner.begun.get_or_insert(now);
                let told = *inner.told.get_or_insert(begun);
                if now.since(told) >= INTERVAL {
                    inner.told = Some(now);
                    let line = histogram(&inner.tally.states());
                    (self.write)(&format!("  {line} ({})\n", show_duration(now.since(begun))));
                }
            }
            other => {
                if let Some(line) = inner.said.line(&other, Palette::plain()) {
                    (self.write)(&line);
                }
            }
        }
    }
}

/// What was said already: an item that is told twice is one line.
#[derive(Default)]
pub(super) struct Said(BTreeSet<(String, ItemStatus)>);

impl Said {
    /// The line for an event that is worth one, its newline included.
    pub(super) fn line(&mut self, event: &Event, palette: Palette) -> Option<String> {
        match event {
            Event::Item(item) => self.item(item, palette),
            Event::Note { text } => {
                let text = wrap(&clean_line(text), 6, 6);
                Some(format!("{}: {text}\n", palette.paint(Label::Found, "note")))
            }
            Event::Interrupted { signal } => Some(format!(
                "{}: nothing more is bought; calls under way get 5 s. Once more ends at once.\n",
                palette.paint(Label::Change, signal)
            )),
            Event::Started { .. }
            | Event::ApplyStarted { .. }
            | Event::Progress(_)
            | Event::Call { .. }
            | Event::Summary { .. } => None,
        }
    }

    /// What is open is told in the account, when it is final; what is done or failed is told at once.
    fn item(&mut self, item: &Item, palette: Palette) -> Option<String> {
        let failed = item.status == ItemStatus::Failed;
        let id = item.instance_id.as_ref().map(ToString::to_string).unwrap_or_default();
        if !(item.status.is_done() || failed) || !self.0.insert((format!("{} {id}", item.address), item.status)) {
            return None;
        }
        let label = if failed { Label::Remove } else { Label::Add };
        let tail = if failed { item.detail.clone().unwrap_or_default() } else { item.public_addresses.join(", ") };
        let parts = [item.address.to_string(), id, item.status.as_str().to_owned(), tail];
        let parts = parts.map(|part| clean_line(&part));
        let shown = [parts[0].clone(), parts[1].clone(), palette.paint(label, &parts[2]), parts[3].clone()];
        let shown: Vec<String> = shown.into_iter().filter(|part| !part.is_empty()).collect();
        Some(format!("  {}\n", shown.join("  ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Retry;
    use crate::model::Address;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[test]
    fn one_line_in_ten_seconds_and_one_for_each_item() {
        let out = Arc::new(Mutex::new(String::new()));
        let time = Arc::new(AtomicI64::new(0));
        let (sink, clock) = (Arc::clone(&out), Arc::clone(&time));
        let lines = Lines::to(
            move |line| sink.lock().unwrap().push_str(line),
            move || Timestamp(clock.load(Ordering::Relaxed)),
        );
        lines.emit(Event::ApplyStarted { groups: 1, instances: 30 });
        for second in 0..25_usize {
            time.store(second as i64 * 1000, Ordering::Relaxed);
            lines.emit(Event::Progress(Progress {
                group: 0,
                label: "web[0-29]".into(),
                total: 30,
                states: [("running", second), ("pending", 30 - second)].into(),
                retry: None,
            }));
        }
        for (second, error) in [(25, "A"), (26, "A"), (36, "A"), (37, "B")] {
            time.store(second * 1000, Ordering::Relaxed);
            let retry = Some(Retry { attempts: 3, last_error: error.into(), next: Timestamp((second + 10) * 1000) });
            let (label, states) = ("db".into(), [("queued", 1)].into());
            lines.emit(Event::Progress(Progress { group: 1, label, total: 1, states, retry }));
        }
        let item = Item {
            address: Address::single("db"),
            status: ItemStatus::Running,
            instance_id: Some("lhins-1".into()),
            public_addresses: vec!["1.2.3.4".into()],
            created: false,
            detail: None,
            request_id: None,
        };
        lines.emit(Event::Item(item.clone()));
        lines.emit(Event::Item(item.clone()));
        lines.emit(Event::Item(Item { status: ItemStatus::Pending, ..item }));
        lines.emit(Event::Interrupted { signal: "SIGINT".into() });
        insta::assert_snapshot!(*out.lock().unwrap(), @"
          20 pending, 10 running (10s)
          10 pending, 20 running (20s)
          db: 3 attempts, last: A; next lookup at 00:00:35 UTC
          db: 3 attempts, last: A; next lookup at 00:00:46 UTC
          1 queued, 6 pending, 24 running (36s)
          db: 3 attempts, last: B; next lookup at 00:00:47 UTC
          db  lhins-1  running  1.2.3.4
        SIGINT: nothing more is bought; calls under way get 5 s. Once more ends at once.
        ");
    }
}
