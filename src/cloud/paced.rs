//! How does a transport become the port? By waiting for the turn of each call, and by repeating reads.
//!
//! Knows no async runtime: the only waiting is `Clock::sleep` and the queue, so that it runs the same under simulated time.
//! Dropping a future at any point is safe: a waiter gives its place to the next, and nothing is held across a wait.

use super::error::{CloudError, ErrorClass};
use super::limiter::Pacer;
use super::limits::rate_per_second;
use super::port::{CloudRead, CloudWrite, Prepared, ReadAction, Reply, Service, Transport, WriteAction, reading_body};
use super::queue::Queue;
use super::retry::{Decision, RetryPolicy, decide};
use crate::clock::{BoxFuture, Clock};
use crate::model::{SplitMix64, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The action.
    pub action: &'static str,
    /// When it was sent.
    pub started: Timestamp,
    /// How long the answer took. Zero if the clock was set back meanwhile.
    pub duration: Duration,
    /// The service's id of it, where it gave one.
    pub request_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Done,
    /// With an error.
    Failed {
        /// What it proves.
        class: ErrorClass,
        /// The service's code, where it gave one.
        code: Option<String>,
    },
}

/// Is told of each call that is over. Called between two calls of the program, so it must be quick.
pub type Observer = Arc<dyn Fn(CallRecord) + Send + Sync>;

/// Calls of one action so far, repetitions counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Calls that went to the transport. A call that was dropped before its answer is counted here alone.
    pub started: u64,
    /// Calls that ended with an error.
    pub failed: u64,
}

/// The port over a transport: each action at its own rate, reads repeated.
pub struct Paced<T> {
    transport: T,
    clock: Arc<dyn Clock>,
    rate_limits: BTreeMap<String, u32>,
    retry: RetryPolicy,
    observer: Option<Observer>,
    jitter: Mutex<SplitMix64>,
    lanes: Mutex<BTreeMap<&'static str, Arc<Lane>>>,
    counts: Mutex<BTreeMap<&'static str, CallCount>>,
}

/// One action: who waits, and when the next may start.
struct Lane {
    queue: Queue,
    pacer: Mutex<Pacer>,
}

impl<T: Transport> Paced<T> {
    /// Paces `transport` by the documented limits. `seed` decides the jitter.
    pub fn new(transport: T, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            transport,
            clock,
            rate_limits: BTreeMap::new(),
            retry: RetryPolicy::READ,
            observer: None,
            jitter: Mutex::new(SplitMix64::new(seed)),
            lanes: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    /// Takes calls a second by action's name, as the manifest gives them, before the documented ones.
    #[must_use]
    pub fn with_rate_limits(mut self, rate_limits: BTreeMap<String, u32>) -> Self {
        self.rate_limits = rate_limits;
        self
    }

    /// Bounds the repetition of reads otherwise than usual.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Tells `observer` of each call that is over.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Calls by action so far.
    pub fn counts(&self) -> BTreeMap<&'static str, CallCount> {
        lock(&self.counts).clone()
    }

    /// Waits for the next turn of an action. Turns come in the order in which they were first waited for.
    async fn wait_for_turn(&self, action: &'static str) {
        let lane = self.lane(action);
        let place = lane.queue.enter();
        place.first().await;
        loop {
            // Asked again after each sleep: meanwhile the service may have throttled, or the clock been set.
            let wait = lock(&lane.pacer).reserve(self.clock.now());
            match wait {
                None => return,
                Some(wait) => self.clock.sleep(wait).await,
            }
        }
    }

    /// Sends once, feeds the pacer, counts and tells.
    async fn send_once(&self, prepared: Prepared) -> Result<Reply, CloudError> {
        let action = prepared.action;
        let started = self.clock.now();
        lock(&self.counts).entry(action).or_default().started += 1;
        let result = self.transport.send(prepared).await;
        let now = self.clock.now();
        self.feed_pacer(action, &result, now);
        if result.is_err() {
            lock(&self.counts).entry(action).or_default().failed += 1;
        }
        if let Some(observer) = &self.observer {
            observer(record(action, started, now, &result));
        }
        result
    }

    fn feed_pacer(&self, action: &'static str, result: &Result<Reply, CloudError>, now: Timestamp) {
        let lane = self.lane(action);
        let mut pacer = lock(&lane.pacer);
        match result.as_ref().map_err(|error| error.class) {
            Err(ErrorClass::Throttled) => pacer.throttled(now),
            // Where no service answered, nothing is known of its rate.
            Err(ErrorClass::NotSent | ErrorClass::Ambiguous) => {}
            Ok(_) | Err(ErrorClass::SignatureExpired | ErrorClass::Auth | ErrorClass::Refused) => pacer.admitted(),
        }
    }

    async fn read_with_retries(&self, action: ReadAction, body: String) -> Result<Reply, CloudError> {
        let mut attempt = 1;
        // Time in the queue does not count: a long queue is no reason to give up on the service.
        let mut elapsed = Duration::ZERO;
        loop {
            self.wait_for_turn(action.name()).await;
            let started = self.clock.now();
            let error = match self.try_read(action, body.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            elapsed += self.clock.now().since(started);
            let jitter = lock(&self.jitter).next_unit();
            match decide(self.retry, error.class, attempt, elapsed, jitter) {
                Decision::GiveUp => return Err(error),
                Decision::Wait(wait) => {
                    self.clock.sleep(wait).await;
                    elapsed += wait;
                    attempt += 1;
                }
            }
        }
    }

    /// One try, signed anew: a signature is good for five minutes, and a try may come later than that.
    async fn try_read(&self, action: ReadAction, body: String) -> Result<Reply, CloudError> {
        let prepared = self.transport.prepare(action.service(), action.name(), body).await?;
        self.send_once(prepared).await
    }

    fn lane(&self, action: &'static str) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.entry(action).or_insert_with(|| {
            let limit = self.rate_limits.get(action).copied().unwrap_or_else(|| rate_per_second(action));
            Arc::new(Lane { queue: Queue::default(), pacer: Mutex::new(Pacer::new(limit)) })
        });
        Arc::clone(lane)
    }
}

impl<T: Transport> CloudRead for Paced<T> {
    fn read<'a>(&'a self, action: ReadAction, body: Value) -> BoxFuture<'a, Result<Reply, CloudError>> {
        Box::pin(self.read_with_retries(action, reading_body(action, body).to_string()))
    }
}

impl<T: Transport> CloudWrite for Paced<T> {
    fn turn(&self, action: WriteAction) -> BoxFuture<'_, ()> {
        Box::pin(self.wait_for_turn(action.name()))
    }

    fn prepare(&self, action: WriteAction, body: String) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        self.transport.prepare(action.service(), action.name(), body)
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        Box::pin(self.send_once(prepared))
    }
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn prepare(
        &self,
        service: Service,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        (**self).prepare(service, action, body)
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        (**self).send(prepared)
    }

    fn endpoint(&self) -> String {
        (**self).endpoint()
    }
}

fn record(action: &'static str, started: Timestamp, now: Timestamp, result: &Result<Reply, CloudError>) -> CallRecord {
    let (request_id, outcome) = match result {
        Ok(reply) => (Some(reply.request_id.clone()).filter(|id| !id.is_empty()), Outcome::Done),
        Err(error) => (error.request_id.clone(), Outcome::Failed { class: error.class, code: error.code.clone() }),
    };
    CallRecord { action, started, duration: now.since(started), request_id, outcome }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete in itself, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::VecDeque;

    /// Time of the paused runtime.
    struct TestClock(tokio::time::Instant);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(1_700_000_000).plus(self.0.elapsed())
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    /// Answers from a script, then with success; remembers when each request came and when it was signed.
    struct Script {
        clock: Arc<TestClock>,
        errors: Mutex<VecDeque<ErrorClass>>,
        sent: Mutex<Vec<(Timestamp, Timestamp)>>,
        delay: Duration,
    }

    impl Transport for Script {
        fn prepare(
            &self,
            service: Service,
            action: &'static str,
            body: String,
        ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
            let signed_at = self.clock.now();
            Box::pin(async move { Ok(Prepared { service, action, body, signed_at, headers: Vec::new() }) })
        }

        fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
            Box::pin(async move {
                lock(&self.sent).push((self.clock.now(), prepared.signed_at));
                self.clock.sleep(self.delay).await;
                match lock(&self.errors).pop_front() {
                    Some(class) => Err(CloudError::transport(class, prepared.action, "scripted")),
                    None => Ok(Reply::from_value(json!({}), "r".to_owned())),
                }
            })
        }

        fn endpoint(&self) -> String {
            "script".to_owned()
        }
    }

    fn paced(errors: &[ErrorClass]) -> Paced<Script> {
        let clock = Arc::new(TestClock(tokio::time::Instant::now()));
        let script = Script {
            clock: Arc::clone(&clock),
            errors: Mutex::new(errors.iter().copied().collect()),
            sent: Mutex::default(),
            delay: Duration::from_millis(50),
        };
        Paced::new(script, clock, 7)
    }

    fn starts(paced: &Paced<Script>) -> Vec<i64> {
        let sent = lock(&paced.transport.sent);
        sent.iter().map(|(at, _)| at.0 - 1_700_000_000_000).collect()
    }

    async fn buy(paced: &Paced<Script>) -> Result<Reply, CloudError> {
        paced.turn(WriteAction::CreateInstances).await;
        let prepared = CloudWrite::prepare(paced, WriteAction::CreateInstances, "{}".to_owned()).await?;
        CloudWrite::send(paced, prepared).await
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_spaced_by_the_documented_limit() {
        let paced = paced(&[]);
        let all = futures_util::future::join_all((0..10).map(|_| buy(&paced))).await;
        assert!(all.iter().all(Result::is_ok));
        let starts = starts(&paced);
        assert_eq!(starts[0], 0);
        for pair in starts.windows(2) {
            assert!((200..=206).contains(&(pair[1] - pair[0])), "{starts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_manifest_overrides_the_limit() {
        let paced = paced(&[]).with_rate_limits(BTreeMap::from([("CreateInstances".to_owned(), 10)]));
        futures_util::future::join_all((0..10).map(|_| buy(&paced))).await;
        let last = starts(&paced)[9];
        assert!((9 * 100..=9 * 104).contains(&last), "{last}");
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_fair_and_a_dropped_waiter_leaves_no_hole() {
        let paced = Arc::new(paced(&[]));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (paced, order) = (Arc::clone(&paced), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                paced.turn(WriteAction::CreateInstances).await;
                lock(&order).push((number, paced.clock.now().0 - 1_700_000_000_000));
            }));
            tokio::task::yield_now().await;
        }
        // The head of the queue, asleep, and one behind it.
        tasks[1].abort();
        tasks[3].abort();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.is_ok(), number != 1 && number != 3);
        }
        let order = lock(&order).clone();
        assert_eq!(order.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 2, 4, 5]);
        assert!(order[3].1 <= 3 * 206, "{order:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_are_repeated_and_signed_anew() {
        let paced = paced(&[ErrorClass::NotSent, ErrorClass::Ambiguous, ErrorClass::Throttled]);
        let reply = paced.read(ReadAction::DescribeInstances, json!({})).await.expect("success");
        assert_eq!(reply.request_id, "r");
        for (at, signed_at) in lock(&paced.transport.sent).iter() {
            assert_eq!(at, signed_at);
        }
        assert_eq!(paced.counts(), BTreeMap::from([("DescribeInstances", CallCount { started: 4, failed: 3 })]));
    }

    #[tokio::test(start_paused = true)]
    async fn reads_end() {
        let paced = paced(&[ErrorClass::NotSent; 20]);
        let error = paced.read(ReadAction::DescribeZones, json!({})).await.expect_err("gives up");
        assert_eq!(error.class, ErrorClass::NotSent);
        assert_eq!(starts(&paced).len(), 5);
        assert!(starts(&paced)[4] < 30_000);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_not_repeated() {
        let paced = paced(&[ErrorClass::Refused]);
        assert!(paced.read(ReadAction::DescribeZones, json!({})).await.is_err());
        assert_eq!(starts(&paced).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_never_repeated_but_slow_the_pacer() {
        let paced = paced(&[ErrorClass::Throttled]);
        assert!(buy(&paced).await.is_err());
        buy(&paced).await.expect("success");
        let starts = starts(&paced);
        assert_eq!(starts.len(), 2);
        assert!(starts[1] >= 408, "twice the interval after the refusal: {starts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn actions_do_not_wait_for_each_other() {
        let paced = paced(&[]);
        let (write, read) = tokio::join!(buy(&paced), paced.read(ReadAction::DescribeBundles, json!({})));
        assert!(write.is_ok() && read.is_ok());
        assert_eq!(starts(&paced), [0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_observer_hears_of_every_call() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let paced = paced(&[ErrorClass::Ambiguous]).with_observer(Arc::new(move |call| lock(&sink).push(call)));
        assert!(buy(&paced).await.is_err());
        buy(&paced).await.expect("success");
        let heard = lock(&heard).clone();
        assert_eq!(heard.len(), 2);
        assert_eq!(heard[0].outcome, Outcome::Failed { class: ErrorClass::Ambiguous, code: None });
        assert_eq!(heard[1].outcome, Outcome::Done);
        assert_eq!(heard[1].request_id.as_deref(), Some("r"));
        assert_eq!(heard[1].duration, Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transport_can_be_shared() {
        let Paced { transport, clock, .. } = paced(&[]);
        let shared: Arc<dyn Transport> = Arc::new(transport);
        let paced = Paced::new(Arc::clone(&shared), clock, 1);
        paced.read(ReadAction::DescribeRegions, json!({})).await.expect("success");
        assert_eq!(paced.transport().endpoint(), "script");
    }
}
