//! The simulated account behind a hostile network, and the processes that die in front of it.

use super::chance::Chance;
use super::disk::{Gate, SimDisk};
use super::executor::VirtualClock;
use super::sabotage::Sabotage;
use crate::clock::{BoxFuture, Clock as _};
use crate::cloud::classify::classify;
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::cloud::port::{Prepared, Reply, Service, Transport};
use crate::cloud::{CloudError, ErrorClass};
use crate::model::Timestamp;
use crate::sandbox::account::{Account, CreateFault};
use crate::sandbox::call::Call;
use crate::sandbox::settings::Settings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How often the network fails, in percent of calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// The request is lost.
    pub lost_before: u64,
    /// The answer is lost.
    pub lost_after: u64,
    /// The request is late: the caller has long given up when it arrives.
    pub late: u64,
    /// A server's fault before anything is done.
    pub internal_before: u64,
    /// A server's fault after everything is done.
    pub internal_after: u64,
    /// The connection cannot be made.
    pub not_sent: u64,
    /// Stock is out, for this purchase or for a minute.
    pub sold_out: u64,
    /// A purchase's token is refused from now on, whatever a dry run says.
    pub refuse_token: u64,
    /// A purchase brings fewer than asked.
    pub partial: u64,
    /// An instance fails to launch.
    pub launch_failed: u64,
}

struct Late {
    at: Timestamp,
    signed_at: Timestamp,
    call: Call,
}

struct Inner {
    account: Account,
    chance: Chance,
    faults: NetworkFaults,
    late: Vec<Late>,
    /// Until when stock is out.
    sold_out_until: Timestamp,
    bodies: BTreeMap<String, String>,
    violations: Vec<String>,
    requests: u64,
    calls: BTreeMap<String, u64>,
    log: Vec<String>,
}

/// The world of one schedule.
pub struct World {
    inner: Mutex<Inner>,
    /// Its time.
    pub clock: VirtualClock,
    /// How the engine is broken.
    pub sabotage: Sabotage,
}

impl World {
    /// A world with an empty account.
    pub fn new(settings: Settings, seed: u64, clock: VirtualClock, sabotage: Sabotage) -> Arc<Self> {
        let inner = Inner {
            account: Account::new(settings),
            chance: Chance::new(seed ^ 0x6e65_7477_6f72_6b00),
            faults: NetworkFaults::default(),
            late: Vec::new(),
            sold_out_until: Timestamp::default(),
            bodies: BTreeMap::new(),
            violations: Vec::new(),
            requests: 0,
            calls: BTreeMap::new(),
            log: Vec::new(),
        };
        Arc::new(Self { inner: Mutex::new(inner), clock, sabotage })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how often the network fails from now on.
    pub fn set_faults(&self, faults: NetworkFaults) {
        self.inner().faults = faults;
    }

    /// Adds a line to the schedule's log.
    pub fn log(&self, text: impl Into<String>) {
        let now = self.clock.now();
        self.inner().log.push(format!("{now} {}", text.into()));
    }

    /// The schedule's log.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().log)
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }

    /// How many calls of each action there were.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.inner().calls.clone()
    }

    /// Asks the account directly, as an observer outside the network.
    pub fn ask(&self, action: &str, body: Value) -> Value {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.run_late(now, true);
        let call = inner.call("lighthouse", action, body, now);
        inner.account.call(&call).unwrap_or_else(|error| panic!("{action}: {} {}", error.code, error.message))
    }

    /// Every instance that exists, whether it is listed yet or not.
    pub fn instances(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.ask("DescribeInstances", serde_json::json!({"Offset": all.len(), "Limit": 100}));
            let set = page["InstanceSet"].as_array().cloned().unwrap_or_default();
            let over = set.is_empty();
            all.extend(set);
            if over || all.len() as u64 >= page["TotalCount"].as_u64().unwrap_or(0) {
                return all;
            }
        }
    }
}

impl Inner {
    fn call(&mut self, service: &str, action: &str, body: Value, now: Timestamp) -> Call {
        self.requests += 1;
        let version = if service == "sts" { "2018-08-13" } else { "2020-03-24" };
        Call {
            service: service.into(),
            action: action.into(),
            version: version.into(),
            region: REGION.into(),
            body,
            now,
            request_id: format!("request-{}", self.requests),
        }
    }

    /// Executes requests that were on the way for long. The service refuses those whose signature is too old by now.
    fn run_late(&mut self, now: Timestamp, all: bool) {
        let (due, later): (Vec<Late>, Vec<Late>) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.at <= now || all);
        self.late = later;
        for mut late in due {
            if late.at.since(late.signed_at) <= Duration::from_secs(SIGNATURE_VALID_SECS) {
                late.call.now = late.at.max(Timestamp(0)).min(now.max(late.at));
                let result = self.account.call(&late.call);
                self.log.push(format!("{} LATE {} -> {result:?}", late.at, late.call.action));
            }
        }
    }
}

/// The region of every simulated stack.
pub const REGION: &str = "ap-guangzhou";

/// One process: alive until its count of effects runs out.
pub struct Life {
    dead: AtomicBool,
    left: AtomicI64,
    full: AtomicI64,
    waker: Mutex<Option<Waker>>,
}

impl Life {
    /// Dies at effect number `effects`.
    pub fn new(effects: Option<u64>) -> Arc<Self> {
        let left = effects.and_then(|effects| i64::try_from(effects).ok()).unwrap_or(i64::MAX);
        Arc::new(Self {
            dead: AtomicBool::new(false),
            left: AtomicI64::new(left),
            full: AtomicI64::new(i64::MAX),
            waker: Mutex::default(),
        })
    }

    /// The disk is full after `writes` more writes.
    pub fn fill_disk_after(&self, writes: u64) {
        self.full.store(i64::try_from(writes).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Counts an effect. False if the process does not live to see it done.
    fn survives(&self) -> bool {
        if self.is_dead() {
            return false;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return true;
        }
        self.dead.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
        false
    }
}

/// Completes when a process dies.
pub struct Death(pub Arc<Life>);

impl Future for Death {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_dead() {
            return Poll::Ready(());
        }
        *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The gate of a disk that outlives its processes: the life in it changes.
#[derive(Default)]
pub struct LifeGate(Mutex<Option<Arc<Life>>>);

impl LifeGate {
    /// The next process begins.
    pub fn enter(&self, life: &Arc<Life>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(life));
    }
}

impl Gate for LifeGate {
    fn pass(&self, operation: &'static str) -> io::Result<()> {
        let life = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(life) = life else { return Ok(()) };
        if !life.survives() {
            return Err(io::Error::other("the process is dead"));
        }
        let writes = matches!(operation, "write" | "append");
        if writes && life.full.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// The network between one process and the account.
pub struct Network {
    /// The world.
    pub world: Arc<World>,
    /// The process.
    pub life: Arc<Life>,
    /// Its disk, to see whether an intent is durable.
    pub disk: SimDisk,
    /// Its journal.
    pub journal: PathBuf,
}

enum Fate {
    Answer(Result<Reply, CloudError>),
    Nothing,
}

impl Network {
    fn error(class: ErrorClass, action: &str, message: &str) -> Fate {
        Fate::Answer(Err(CloudError::transport(class, action, message)))
    }

    /// Before a purchase reaches the account: the invariants that hold at that moment.
    fn check_purchase(&self, inner: &mut Inner, body: &str) {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let token = value["ClientToken"].as_str().unwrap_or_default().to_owned();
        if value["DryRun"] == true {
            return;
        }
        match inner.bodies.get(&token) {
            Some(before) if before != body => inner.violations.push(format!("token {token} was used with two bodies")),
            Some(_) => {}
            None => drop(inner.bodies.insert(token.clone(), body.to_owned())),
        }
        if self.world.sabotage != Sabotage::RandomToken && !self.disk.durable_contains(&self.journal, &token) {
            inner.violations.push(format!("purchase {token} has no durable intent"));
        }
    }

    fn transmit(&self, request: &Prepared) -> Fate {
        let now = self.world.clock.now();
        let mut inner = self.world.inner();
        let inner = &mut *inner;
        inner.run_late(now, false);
        let faults = inner.faults;
        let action = request.action;
        *inner.calls.entry(action.to_owned()).or_default() += 1;
        if inner.chance.percent(faults.not_sent) {
            return Self::error(ErrorClass::NotSent, action, "connection refused");
        }
        if inner.chance.percent(faults.lost_before) {
            return Self::error(ErrorClass::Ambiguous, action, "no answer");
        }
        if now.since(request.signed_at) > Duration::from_secs(SIGNATURE_VALID_SECS) {
            return Self::error(ErrorClass::SignatureExpired, action, "the signature is too old");
        }
        let mut body = request.body.clone();
        let buys = action == "CreateInstances";
        if buys {
            if self.world.sabotage == Sabotage::RandomToken {
                let mut value: Value = serde_json::from_str(&body).unwrap_or_default();
                value["ClientToken"] = format!("{:016x}", inner.chance.next_u64()).into();
                body = value.to_string();
            }
            self.check_purchase(inner, &body);
        }
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        if self.world.sabotage == Sabotage::BlindLook
            && action == "DescribeInstances"
            && value.get("InstanceIds").is_none()
        {
            let response = serde_json::json!({"TotalCount": 0, "InstanceSet": []});
            return Fate::Answer(Ok(Reply { response, request_id: String::new() }));
        }
        let call = inner.call(request.service.name(), action, value, now);
        if inner.chance.percent(faults.internal_before) {
            return Self::error(ErrorClass::Ambiguous, action, "InternalError");
        }
        if buys && inner.chance.percent(faults.late) {
            let at = now.plus(Duration::from_secs(inner.chance.below(400)));
            inner.late.push(Late { at, signed_at: request.signed_at, call });
            return Self::error(ErrorClass::Ambiguous, action, "timed out");
        }
        let sold_out = buys && inner.chance.percent(faults.sold_out);
        if sold_out && inner.chance.percent(50) {
            inner.sold_out_until = now.plus(Duration::from_secs(60));
        }
        let create = CreateFault {
            partial: inner.chance.percent(faults.partial).then_some(1),
            launch_failed: inner.chance.percent(faults.launch_failed),
            sold_out: faults.sold_out > 0 && now < inner.sold_out_until || sold_out,
            refuse_token: inner.chance.percent(faults.refuse_token),
        };
        let answer = if buys { inner.account.call_with(&call, create) } else { inner.account.call(&call) };
        if buys {
            inner.log.push(format!("{now} CreateInstances {} -> {answer:?}", call.body["ClientToken"]));
        }
        if inner.chance.percent(faults.internal_after) {
            return Self::error(ErrorClass::Ambiguous, action, "InternalError");
        }
        if inner.chance.percent(faults.lost_after) {
            return Fate::Nothing;
        }
        Fate::Answer(match answer {
            Ok(response) => Ok(Reply { response, request_id: call.request_id }),
            Err(error) => Err(CloudError {
                class: classify(&error.code),
                action: action.into(),
                code: Some(error.code),
                message: error.message,
                request_id: Some(call.request_id),
            }),
        })
    }
}

impl Transport for Network {
    fn prepare(
        &self,
        service: Service,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        let signed_at = self.world.clock.now();
        Box::pin(std::future::ready(Ok(Prepared { service, action, body, signed_at, headers: Vec::new() })))
    }

    fn send(&self, request: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        Box::pin(async move {
            // Dying before the request leaves, or while the answer is on its way, are two moments.
            if !self.life.survives() {
                return std::future::pending().await;
            }
            let there = Duration::from_millis(1 + self.world.inner().chance.below(40));
            self.world.clock.sleep(there).await;
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let fate = self.transmit(&request);
            if !self.life.survives() {
                return std::future::pending().await;
            }
            match fate {
                Fate::Answer(Ok(reply)) => {
                    self.world.clock.sleep(there).await;
                    Ok(reply)
                }
                Fate::Answer(Err(error)) => {
                    let wait = if error.message == "timed out" || error.message == "no answer" { 60_000 } else { 20 };
                    self.world.clock.sleep(Duration::from_millis(wait)).await;
                    Err(error)
                }
                Fate::Nothing => {
                    self.world.clock.sleep(Duration::from_secs(60)).await;
                    Err(CloudError::transport(ErrorClass::Ambiguous, request.action, "no answer"))
                }
            }
        })
    }

    fn endpoint(&self) -> String {
        "simulation".into()
    }
}

/// Ids of instances that are in service or on the way to it.
pub fn live_ids(instances: &[Value]) -> BTreeSet<String> {
    instances
        .iter()
        .filter(|instance| {
            let state = instance["InstanceState"].as_str().unwrap_or_default();
            !matches!(state, "SHUTDOWN" | "TERMINATING" | "DELETING" | "LAUNCH_FAILED")
        })
        .filter_map(|instance| instance["InstanceId"].as_str().map(str::to_owned))
        .collect()
}
