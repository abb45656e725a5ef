//! The simulated account, what it has sold to whom, and what was told about it.

use super::chance::Chance;
use super::executor::VirtualClock;
use super::ledger::Ledger;
use super::network::{Lag, Late, NetworkFaults};
use super::sabotage::Sabotage;
use crate::clock::Clock as _;
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::model::{Address, Site, Timestamp};
use crate::sandbox::account::{Account, CreateFault};
use crate::sandbox::call::{Answer, Call};
use crate::sandbox::record::State;
use crate::sandbox::settings::Settings;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The region of every simulated stack of a site.
pub fn region_of(site: Site) -> &'static str {
    match site {
        Site::China => "ap-guangzhou",
        Site::International => "ap-singapore",
    }
}

/// What the world holds behind its lock.
pub(super) struct Inner {
    pub(super) account: Account,
    pub(super) chance: Chance,
    pub(super) faults: NetworkFaults,
    pub(super) late: Vec<Late>,
    /// What a lagging replica answers at this moment.
    pub(super) lag: Option<Lag>,
    /// Until when stock is out.
    pub(super) sold_out_until: Timestamp,
    pub(super) ledger: Ledger,
    /// For whom something may be bought at this moment; `None` while nobody has said.
    pub(super) wanted: Option<BTreeSet<Address>>,
    /// Whether the present circumstances are covered by the promise.
    pub(super) promised: bool,
    /// When the last purchase was signed.
    pub(super) last_purchase: Option<Timestamp>,
    pub(super) calls: BTreeMap<String, u64>,
    /// What the account has carried out beside purchases: action and body.
    pub(super) accepted: Vec<(String, Value)>,
    /// Instances of another repository: whoever acts from now on has no confirmation to touch them.
    pub(super) foreign: BTreeSet<String>,
    violations: Vec<String>,
    slips: u64,
    told: Vec<String>,
    requests: u64,
    log: Vec<String>,
}

/// What costs money or a disk and has no token.
pub(super) const ORDERS: [&str; 3] = ["ModifyInstancesBundle", "RenewInstances", "ResetInstance"];

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
            lag: None,
            sold_out_until: Timestamp::default(),
            ledger: Ledger::default(),
            wanted: None,
            promised: true,
            last_purchase: None,
            calls: BTreeMap::new(),
            accepted: Vec::new(),
            foreign: BTreeSet::new(),
            violations: Vec::new(),
            slips: 0,
            told: Vec::new(),
            requests: 0,
            log: Vec::new(),
        };
        Arc::new(Self { inner: Mutex::new(inner), clock, sabotage })
    }

    pub(super) fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how often the network fails from now on.
    pub fn set_faults(&self, faults: NetworkFaults) {
        self.inner().faults = faults;
    }

    /// Says whether what happens from now on is covered by the promise.
    pub fn set_promised(&self, promised: bool) {
        self.inner().promised = promised;
    }

    /// Says for whom something may be bought from now on.
    pub fn set_wanted(&self, wanted: BTreeSet<Address>) {
        self.inner().wanted = Some(wanted);
    }

    /// Adds a line to the schedule's log.
    pub fn log(&self, text: impl Into<String>) {
        let now = self.clock.now();
        self.inner().log.push(format!("{now} {}", text.into()));
    }

    /// Notes what a person gets to read.
    pub fn tell(&self, text: impl Into<String>) {
        self.inner().told.push(text.into());
    }

    /// Whether a person was told of something.
    pub fn was_told(&self, what: &str) -> bool {
        self.inner().told.iter().any(|text| text.contains(what))
    }

    /// The schedule's log.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().log)
    }

    /// The first broken promise.
    pub fn violation(&self) -> Option<String> {
        self.inner().violations.first().cloned()
    }

    /// How often what is promised elsewhere did not hold, beyond the promise.
    pub fn slips(&self) -> u64 {
        self.inner().slips
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.inner().calls.values().sum()
    }

    /// Everything that lives belongs to another repository than the one that acts from now on.
    pub fn set_foreign(&self) {
        let live = self.live().into_keys().collect();
        self.inner().foreign = live;
    }

    /// How many instances were bought so far.
    pub fn bought(&self) -> usize {
        self.inner().ledger.bought()
    }

    /// When the last purchase was signed.
    pub fn last_purchase(&self) -> Option<Timestamp> {
        self.inner().last_purchase
    }

    /// Asks the account directly, as somebody does who uses the console.
    pub fn ask(&self, action: &str, body: Value) -> Answer {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.run_late(now);
        let call = inner.call("lighthouse", action, body, now);
        inner.account.call(&call)
    }

    /// How often an order for an instance was carried out.
    #[cfg(test)]
    pub fn carried_out(&self, action: &str, id: &str) -> usize {
        let names = |body: &Value| {
            let ids = body["InstanceIds"].as_array().into_iter().flatten();
            ids.chain([&body["InstanceId"]]).any(|one| one == id)
        };
        self.inner().accepted.iter().filter(|(done, body)| done == action && names(body)).count()
    }

    /// Every instance that is listed, as the API shows it.
    #[cfg(test)]
    pub fn instances(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.ask("DescribeInstances", json!({"Offset": all.len(), "Limit": 100})).unwrap_or_default();
            let set = page["InstanceSet"].as_array().cloned().unwrap_or_default();
            let over = set.is_empty();
            all.extend(set);
            if over || all.len() as u64 >= page["TotalCount"].as_u64().unwrap_or(0) {
                return all;
            }
        }
    }

    /// Every instance that is in service or on the way to it, listed or not, with its name.
    pub fn live(&self) -> BTreeMap<String, String> {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.run_late(now);
        inner.account.advance(now);
        inner.live().map(|record| (record.id.clone(), record.name.clone())).collect()
    }

    /// Somebody returns a running instance in the console, and perhaps destroys it. Says which.
    pub fn remove_by_hand(&self, chance: &mut Chance, destroy: bool) -> Option<String> {
        let mut running: Vec<String> = {
            let now = self.clock.now();
            let mut inner = self.inner();
            inner.run_late(now);
            inner.account.advance(now);
            let records = inner.account.records().filter(|record| record.state == State::Running);
            records.map(|record| record.id.clone()).collect()
        };
        running.sort();
        let id = running.get(chance.below(running.len() as u64) as usize)?.clone();
        // Another operation on it may be under way: then nothing happens.
        self.ask("IsolateInstances", json!({"InstanceIds": [id]})).ok()?;
        self.clock.advance(Duration::from_secs(1));
        if destroy {
            self.ask("TerminateInstances", json!({"InstanceIds": [id]})).ok()?;
            self.clock.advance(Duration::from_secs(1));
        }
        Some(id)
    }
}

impl Inner {
    /// A promise was broken, whatever the circumstances.
    pub(super) fn violated(&mut self, what: String) {
        let names: Vec<String> = self.live().map(|record| format!("{} (`{}`)", record.id, record.name)).collect();
        self.log.push(format!("VIOLATION {what}; live: {}", names.join(", ")));
        self.violations.push(what);
    }

    /// What is promised did not hold: a violation, unless the circumstances are beyond the promise.
    pub(super) fn slipped(&mut self, what: String) {
        if self.promised {
            self.violated(what);
        } else {
            self.slips += 1;
            self.log.push(format!("beyond the promise: {what}"));
        }
    }

    pub(super) fn call(&mut self, service: &str, action: &str, body: Value, now: Timestamp) -> Call {
        self.requests += 1;
        let version = if matches!(service, "sts" | "tag") { "2018-08-13" } else { "2020-03-24" };
        Call {
            service: service.into(),
            action: action.into(),
            version: version.into(),
            region: region_of(self.account.settings().site).into(),
            body,
            now,
            request_id: format!("request-{}", self.requests),
        }
    }

    /// Lets the account answer whatever is asked.
    pub(super) fn carry_out(&mut self, call: &Call, fault: CreateFault) -> Answer {
        if call.action == "CreateInstances" {
            return self.purchase(call, fault);
        }
        if let Some(id) = self.foreign_target(call) {
            self.violated(format!("{} of {id}, which another repository owns, without confirmation", call.action));
        }
        let answer = self.account.call(call);
        if answer.is_ok() && ORDERS.contains(&call.action.as_str()) {
            self.accepted.push((call.action.clone(), call.body.clone()));
        }
        answer
    }

    /// The instance of another repository that a call changes, if it changes one.
    fn foreign_target(&self, call: &Call) -> Option<String> {
        let reads = ["Describe", "Inquire", "Get", "List"];
        if self.foreign.is_empty() || reads.iter().any(|prefix| call.action.starts_with(prefix)) {
            return None;
        }
        let body = call.body.to_string();
        self.foreign.iter().find(|id| body.contains(id.as_str())).cloned()
    }

    /// Lets the account answer a purchase, and looks at what that means for whom it was made.
    pub(super) fn purchase(&mut self, call: &Call, fault: CreateFault) -> Answer {
        let answer = self.account.call_with(call, fault);
        let token = call.body["ClientToken"].as_str().unwrap_or_default();
        self.log.push(format!("{} CreateInstances {token} {fault:?} -> {answer:?}", call.now));
        let Ok(reply) = &answer else { return answer };
        let ids = reply["InstanceIdSet"].as_array().into_iter().flatten();
        self.ledger.buy(token, ids.filter_map(|id| id.as_str().map(str::to_owned)));
        let live: BTreeSet<String> = self.live().map(|record| record.id.clone()).collect();
        if let Some(what) = self.ledger.bought_twice(live.iter().map(String::as_str)) {
            self.slipped(what);
        }
        answer
    }

    /// Whether anything lives that a token bought.
    pub(super) fn has_living(&self, token: &str) -> bool {
        self.live().any(|record| self.ledger.is_of(token, &record.id))
    }

    fn live(&self) -> impl Iterator<Item = &crate::sandbox::record::Record> {
        let gone =
            |state| matches!(state, State::LaunchFailed | State::Shutdown | State::Terminating | State::Deleting);
        self.account.records().filter(move |record| !gone(record.state))
    }

    /// Executes requests that were on the way for long. The service refuses those whose signature is too old by now.
    pub(super) fn run_late(&mut self, now: Timestamp) {
        let (due, later): (Vec<Late>, Vec<Late>) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.at <= now);
        self.late = later;
        for mut late in due {
            if late.at.since(late.signed_at) <= Duration::from_secs(SIGNATURE_VALID_SECS) {
                late.call.now = late.at;
                self.log.push(format!("{} arrives late:", late.at));
                drop(self.carry_out(&late.call, CreateFault::default()));
            }
        }
    }
}
