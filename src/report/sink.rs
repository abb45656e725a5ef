//! One run, several listeners: people, a file of events, a log.

use crate::event::{Event, EventSink};
use std::sync::Arc;

/// Gives each event to all of its sinks, in order.
#[derive(Clone, Default)]
pub struct Fanout(Vec<Arc<dyn EventSink>>);

impl Fanout {
    /// To these.
    pub fn new(sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self(sinks)
    }
}

impl EventSink for Fanout {
    fn emit(&self, event: Event) {
        let Some((last, others)) = self.0.split_last() else { return };
        for sink in others {
            sink.emit(event.clone());
        }
        last.emit(event);
    }
}
