//! Performs the machine's effects, in order. The only place between the machine and the world.
//!
//! The write-ahead rule is checked here a second time: no purchase leaves whose token has no durable intent and attempt.

use super::effect::{Effect, Input, PurchaseId, TimerId, WriteId};
use super::machine::{Account, Machine};
use crate::clock::{BoxFuture, Clock};
use crate::cloud::port::{CloudRead, CloudWrite, Prepared, WriteAction};
use crate::cloud::reported::missing;
use crate::cloud::types::CreateInstancesReply;
use crate::cloud::{CloudError, ErrorClass};
use crate::event::EventSink;
use crate::model::{InstanceId, Ownership, RequestId, StackName};
use crate::observe::refresh;
use crate::state::{Journal, Record};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Time that calls in flight get after the first signal.
const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(5);

/// The ports, and who asks.
pub struct Driver<'a> {
    /// Reading the cloud.
    pub read: &'a dyn CloudRead,
    /// Writing to it.
    pub write: &'a dyn CloudWrite,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Where events go.
    pub events: &'a dyn EventSink,
    /// The journal, its header already durable.
    pub journal: &'a mut Journal,
    /// Tokens whose intent and attempt the journal holds already.
    pub durable: BTreeSet<String>,
    /// The fleet.
    pub stack: StackName,
    /// How its instances are recognised.
    pub ownership: Ownership,
    /// Gives a signal's name, once for each signal.
    pub signals: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
}

/// How a run ended.
pub struct Outcome {
    /// The machine's account.
    pub account: Account,
    /// The first signal, where one came.
    pub signal: Option<String>,
}

enum Done {
    Input(Input),
    Timer(TimerId, u64),
}

/// Runs a machine to its end.
pub async fn run(mut machine: Machine, mut driver: Driver<'_>) -> Outcome {
    let mut calls: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let (read, write, clock) = (driver.read, driver.write, driver.clock);
    let mut prepared: BTreeMap<PurchaseId, Prepared> = BTreeMap::new();
    let mut timers: BTreeMap<TimerId, u64> = BTreeMap::new();
    let mut timer_number = 0u64;
    let mut signal = None;
    let mut is_stuck = false;
    let mut next_signal = (driver.signals)();
    let mut inputs = VecDeque::from([Input::Start]);
    loop {
        while let Some(input) = inputs.pop_front() {
            let effects = machine.handle(clock.now(), input);
            let mut journal_failed = false;
            for effect in effects {
                match effect {
                    Effect::Journal(records) => {
                        if journal_failed {
                            continue;
                        }
                        match driver.journal.append(&records) {
                            Ok(()) => driver.note_durable(&records),
                            Err(error) => {
                                journal_failed = true;
                                inputs.push_back(Input::JournalFailed { why: chain(&error) });
                            }
                        }
                    }
                    Effect::Emit(event) => driver.events.emit(event),
                    Effect::Sign { purchase, body } => {
                        let result = match write.prepare(WriteAction::CreateInstances, body).await {
                            Ok(ready) => {
                                let at = ready.signed_at;
                                prepared.insert(purchase, ready);
                                Ok(at)
                            }
                            Err(error) => Err(error),
                        };
                        inputs.push_back(Input::Signed { purchase, result });
                    }
                    // What would act on the world without being written down first is not done.
                    Effect::Send { purchase } if journal_failed => {
                        prepared.remove(&purchase);
                        inputs.push_back(Input::Sent { purchase, result: Err(not_written_down()) });
                    }
                    Effect::Write { write, .. } if journal_failed => {
                        inputs.push_back(Input::Written { write, result: Err(not_written_down()) });
                    }
                    Effect::Send { purchase } => {
                        let Some(request) = prepared.remove(&purchase) else {
                            inputs.extend(refuse_to_send(purchase, "a purchase is sent once for each signature"));
                            continue;
                        };
                        if !driver.may_send(&request) {
                            let rule = "a purchase is sent only after its intent and attempt are durable";
                            inputs.extend(refuse_to_send(purchase, rule));
                            continue;
                        }
                        calls.push(Box::pin(send_purchase(write, purchase, request)));
                    }
                    Effect::Look => {
                        let (stack, ownership) = (driver.stack.clone(), driver.ownership);
                        calls.push(Box::pin(async move {
                            let owned = refresh::owned(read, &stack, ownership).await;
                            Done::Input(Input::Looked(owned.map(|found| found.into_values().collect())))
                        }));
                    }
                    Effect::Turn(action) => calls.push(Box::pin(async move {
                        write.turn(action).await;
                        Done::Input(Input::Turn(action))
                    })),
                    Effect::DryRun { purchase, body } => calls.push(Box::pin(dry_run(write, purchase, body))),
                    Effect::Describe(ids) => calls.push(Box::pin(async move {
                        let result = refresh::by_ids(read, &ids).await;
                        Done::Input(Input::Described { asked: ids, result })
                    })),
                    Effect::Write { write: id, until, .. } if until.is_some_and(|until| clock.now() > until) => {
                        let error = CloudError::transport(ErrorClass::NotSent, "clock", "not sent: this process slept");
                        inputs.push_back(Input::Written { write: id, result: Err(error) });
                    }
                    Effect::Write { write: id, action, body, .. } => {
                        calls.push(Box::pin(send_write(write, id, action, body)));
                    }
                    Effect::Timer { id, at } => {
                        timer_number += 1;
                        timers.insert(id, timer_number);
                        let (number, sleep) = (timer_number, clock.sleep(at.since(clock.now())));
                        calls.push(Box::pin(async move {
                            sleep.await;
                            Done::Timer(id, number)
                        }));
                    }
                }
            }
        }
        if machine.is_finished() {
            break;
        }
        // Signals first: nothing new may begin once one has come.
        match select(next_signal, calls.next()).await {
            Either::Left((name, _)) => {
                next_signal = (driver.signals)();
                if signal.is_none() {
                    signal = Some(name.clone());
                    let sleep = clock.sleep(GRACE_AFTER_SIGNAL);
                    calls.push(Box::pin(async move {
                        sleep.await;
                        Done::Input(Input::GraceOver)
                    }));
                    inputs.push_back(Input::Interrupt { signal: name });
                } else {
                    inputs.push_back(Input::GraceOver);
                }
            }
            Either::Right((done, waiting)) => {
                next_signal = waiting;
                match done {
                    Some(Done::Input(input)) => inputs.push_back(input),
                    Some(Done::Timer(id, number)) => {
                        if timers.get(&id) == Some(&number) {
                            inputs.push_back(Input::Timer(id));
                        }
                    }
                    // Nothing under way and not finished: a mistake of ours. Ending is safe, everything is written down.
                    None => {
                        let what = format!("nothing is under way and not finished: {}", machine.pending());
                        if std::mem::replace(&mut is_stuck, true) {
                            // It does not even stop.
                            break;
                        }
                        inputs.push_back(Input::Defect { what });
                    }
                }
            }
        }
    }
    Outcome { account: machine.finish(), signal }
}

impl Driver<'_> {
    fn note_durable(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Attempt { token, .. } => {
                    self.durable.insert(token.0.clone());
                }
                Record::NoEffect { token, .. } | Record::Closed { token, .. } | Record::Refused { token, .. } => {
                    self.durable.remove(&token.0);
                }
                _ => {}
            }
        }
    }

    fn may_send(&self, request: &Prepared) -> bool {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        body["ClientToken"].as_str().is_some_and(|token| self.durable.contains(token))
    }
}

async fn send_purchase(write: &dyn CloudWrite, purchase: PurchaseId, request: Prepared) -> Done {
    let result = write.send(request).await.and_then(|reply| {
        let request_id = RequestId(reply.request_id.clone());
        let answer: CreateInstancesReply = reply.read(WriteAction::CreateInstances.name())?;
        // Without ids it is not known what was bought, as after a lost response: it is looked for.
        let ids = answer.instance_id_set.filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| missing(WriteAction::CreateInstances.name(), "InstanceIdSet"))?;
        let ids: Vec<InstanceId> = ids.into_iter().map(InstanceId).collect();
        match ids.iter().find(|id| !id.has_documented_shape()) {
            None => Ok((ids, request_id)),
            // No usable response: the instances are found by their tags or name.
            Some(wrong) => Err(CloudError {
                request_id: Some(request_id.0),
                ..CloudError::transport(
                    ErrorClass::Ambiguous,
                    WriteAction::CreateInstances.name(),
                    format!("the response has `{wrong}` where an instance id (lhins-…) should be"),
                )
            }),
        }
    });
    Done::Input(Input::Sent { purchase, result })
}

async fn dry_run(write: &dyn CloudWrite, purchase: PurchaseId, body: String) -> Done {
    write.turn(WriteAction::CreateInstances).await;
    let result = match write.prepare(WriteAction::CreateInstances, body).await {
        Ok(request) => write.send(request).await.map(|_| ()),
        Err(error) => Err(error),
    };
    let result = match result {
        Err(error) if error.is_dry_run_success() => Ok(()),
        result => result,
    };
    Done::Input(Input::DryRan { purchase, result })
}

async fn send_write(write: &dyn CloudWrite, id: WriteId, action: WriteAction, body: String) -> Done {
    let result = match write.prepare(action, body).await {
        Ok(request) => write.send(request).await.map(|reply| RequestId(reply.request_id)),
        Err(error) => Err(error),
    };
    Done::Input(Input::Written { write: id, result })
}

/// A rule of the protocol is broken: the request is not sent, and the run ends.
fn refuse_to_send(purchase: PurchaseId, rule: &str) -> [Input; 2] {
    let error =
        CloudError::transport(ErrorClass::NotSent, "lhprov", format!("not sent, since this rule is broken: {rule}"));
    [Input::Defect { what: format!("this rule is broken: {rule}") }, Input::Sent { purchase, result: Err(error) }]
}

fn not_written_down() -> CloudError {
    CloudError::transport(ErrorClass::NotSent, "journal", "not sent, since it could not be written down")
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Never gives a signal.
pub fn no_signals() -> Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync> {
    Arc::new(|| Box::pin(std::future::pending()))
}
