//! A run as JSON lines: `{"v":1,"ts":…,"seq":…,"type":…}`, one object an event, the last one `summary`.

use crate::event::{Event, EventSink};
use crate::model::Timestamp;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Version of the event format.
pub const VERSION: u32 = 1;

/// Writes events.
pub struct JsonLines<W> {
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    out: W,
    seq: u64,
    over: bool,
    failed: Option<io::Error>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Into `out`; `now` says what time it is.
    pub fn new(out: W, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), inner: Mutex::new(Inner { out, seq: 0, over: false, failed: None }) }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// The first failure to write. The run was not stopped by it: what it does is worth more than the tale of it.
    pub fn finish(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.failed.take() {
            Some(error) => Err(error),
            None => inner.out.flush(),
        }
    }
}

impl<W: Write + Send> EventSink for JsonLines<W> {
    fn emit(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.over || inner.failed.is_some() {
            return;
        }
        inner.over = matches!(event, Event::Summary { .. });
        let written = line(&event, (self.now)(), inner.seq).and_then(|line| {
            inner.out.write_all(line.as_bytes())?;
            inner.out.flush()
        });
        inner.seq += 1;
        inner.failed = written.err();
    }
}

/// The common keys first, then those of the event, its `type` before the others.
fn line(event: &Event, at: Timestamp, seq: u64) -> io::Result<String> {
    let own = serde_json::to_string(event)?;
    let own = own.strip_prefix('{').unwrap_or(&own);
    Ok(format!("{{\"v\":{VERSION},\"ts\":\"{at}\",\"seq\":{seq},{own}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Item, ItemStatus, Progress, Retry};
    use crate::model::Address;
    use std::collections::BTreeMap;

    #[test]
    fn numbers_without_gaps_and_ends_with_the_summary() {
        let mut out = Vec::new();
        let lines = JsonLines::new(&mut out, || Timestamp(1_700_000_000_123));
        lines.emit(Event::Started {
            command: "apply",
            stack: "shop".into(),
            region: "ap-guangzhou".into(),
            endpoint: "sandbox".into(),
        });
        lines.emit(Event::Progress(Progress {
            group: 0,
            label: "web[0-1]".into(),
            total: 2,
            states: BTreeMap::from([("pending", 2)]),
            retry: Some(Retry {
                attempts: 3,
                last_error: "InternalError: x".into(),
                next: Timestamp(1_700_000_000_123),
            }),
        }));
        lines.emit(Event::Item(Item {
            address: Address::named("edge", "a\nb"),
            status: ItemStatus::Running,
            instance_id: Some("lhins-1".into()),
            public_addresses: vec!["1.2.3.4".into()],
            created: true,
            detail: None,
            request_id: None,
        }));
        lines.emit(Event::Summary {
            exit_code: 0,
            counts: BTreeMap::from([("running", 1)]),
            open_items: Vec::new(),
            error: None,
            next: Some("lhprov apply".into()),
        });
        lines.emit(Event::Note { text: "too late".into() });
        lines.finish().unwrap();
        drop(lines);
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {"v":1,"ts":"2023-11-14T22:13:20.123Z","seq":0,"type":"started","command":"apply","stack":"shop","region":"ap-guangzhou","endpoint":"sandbox"}
        {"v":1,"ts":"2023-11-14T22:13:20.123Z","seq":1,"type":"progress","group":0,"label":"web[0-1]","total":2,"states":{"pending":2},"retry":{"attempts":3,"last_error":"InternalError: x","next":"2023-11-14T22:13:20.123Z"}}
        {"v":1,"ts":"2023-11-14T22:13:20.123Z","seq":2,"type":"item","address":"edge[\"a\\nb\"]","status":"running","instance_id":"lhins-1","public_addresses":["1.2.3.4"],"created":true}
        {"v":1,"ts":"2023-11-14T22:13:20.123Z","seq":3,"type":"summary","exit_code":0,"counts":{"running":1},"open_items":[],"next":"lhprov apply"}
        "#);
    }
}
