//! One schedule: a fleet, a service, a run of bad luck, and what must be true at its end. All of it from one seed.

use super::chance::Chance;
use super::disk::SimDisk;
use super::executor::VirtualClock;
use super::sabotage::Sabotage;
use super::world::{Death, Life, LifeGate, Network, NetworkFaults, REGION, World, live_ids};
use crate::clock::{BoxFuture, Clock};
use crate::cloud::paced::Paced;
use crate::desired::state::{TOKEN_TTL_DEFAULT, VISIBILITY_GRACE_DEFAULT};
use crate::desired::{DependencyRef, DesiredInstance, DesiredState, Moves, Timeouts};
use crate::diag::{SourceId, Span};
use crate::event::{Event, EventSink};
use crate::model::{Address, Charge, InstanceSpec, Lineage, Ownership, RenewFlag, Replace, Site, StackName, Timestamp};
use crate::ops::{ApplyExit, ApplyOptions, ApplyReport, Consent, Context, OpsError, apply};
use crate::sandbox::settings::{BatchNames, CheckOrder, Mismatch, Settings, TokenMemory};
use crate::state::lock::Holder;
use crate::state::{Disk, Store};
use futures_util::future::{Either, select};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Applies that may fail, crash or stop before the last ones.
const BAD_APPLIES_MAX: u64 = 4;

/// Applies without faults after which everything must have come right.
const GOOD_APPLIES_MAX: usize = 8;

/// A schedule that broke a promise.
#[derive(Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// What happened.
    pub log: Vec<String>,
}

/// What a schedule went through; for the statistics of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// Processes that died in the middle.
    pub crashes: u64,
    /// Calls to the account.
    pub calls: u64,
    /// Instances at the end.
    pub instances: u64,
    /// Whether it ended by stopping and asking, as it may beyond the promise.
    pub asked: bool,
}

/// The service and the circumstances.
struct Circumstances {
    settings: Settings,
    ownership: Ownership,
    token_ttl: Duration,
    /// Whether the promise covers them: else stopping and asking is right, and only silence is wrong.
    promised: bool,
    faults: NetworkFaults,
}

fn circumstances(chance: &mut Chance) -> Circumstances {
    let minute = 60_000;
    let memory = chance.pick(&[
        TokenMemory::Forever,
        TokenMemory::Forever,
        TokenMemory::For(12 * minute),
        TokenMemory::For(30_000),
        TokenMemory::None,
    ]);
    let token_ttl = chance.pick(&[TOKEN_TTL_DEFAULT, TOKEN_TTL_DEFAULT, Duration::ZERO]);
    let visibility_delay_ms = chance.pick(&[0, 0, 0, 1500, 30_000, 9 * minute, 15 * minute]);
    let settings = Settings {
        site: Site::China,
        boot_ms: chance.pick(&[0, 2000, 40_000]),
        token_memory: memory,
        mismatch: chance.pick(&[Mismatch::Replay, Mismatch::Error]),
        order: chance.pick(&[CheckOrder::TokenFirst, CheckOrder::QuotaFirst]),
        batch_names: chance.pick(&[BatchNames::Same, BatchNames::Suffix, BatchNames::Dash]),
        visibility_delay_ms,
        rename_while_pending: chance.percent(50),
        seed: chance.next_u64(),
        ..Settings::default()
    };
    // Names say less than tags: without tags a look cannot tell a failed batch's leftovers from strangers.
    let ownership = if chance.percent(70) { Ownership::Tags } else { Ownership::Name };
    let remembers = match memory {
        TokenMemory::Forever => true,
        TokenMemory::For(ms) => Duration::from_millis(ms) > token_ttl + Duration::from_secs(300),
        TokenMemory::None => false,
    };
    let lists = Duration::from_millis(visibility_delay_ms) < VISIBILITY_GRACE_DEFAULT;
    let bad = chance.percent(80);
    let mut p = |percent: u64| if bad && chance.percent(50) { percent } else { 0 };
    let faults = NetworkFaults {
        lost_before: p(10),
        lost_after: p(15),
        late: p(10),
        internal_before: p(5),
        internal_after: p(10),
        not_sent: p(10),
        sold_out: p(10),
        refuse_token: p(3),
        partial: 0,
        launch_failed: p(5),
    };
    let promised = lists && (remembers || token_ttl.is_zero());
    Circumstances { settings, ownership, token_ttl, promised, faults }
}

/// A small fleet: blocks of one bundle are bought together, names are shared or each member's own.
fn fleet(chance: &mut Chance, about: &Circumstances) -> DesiredState {
    let mut instances = BTreeMap::new();
    let span = Span { source: SourceId(0), start: 0, end: 0 };
    let blocks = 1 + chance.below(3);
    for number in 0..blocks {
        let name = ["api", "db", "web"][number as usize];
        let count = match chance.below(25) {
            0 => 31 + chance.below(4),
            _ => 1 + chance.below(4),
        };
        let depends_on: Arc<[DependencyRef]> = match number > 0 && chance.percent(40) {
            true => Arc::from([DependencyRef::Block(["api", "db"][number as usize - 1].into())]),
            false => Arc::from([]),
        };
        let own_names = chance.percent(50);
        let bundle = chance.pick(&["bundle_rs_nmc_lin_med2_01", "bundle_rs_nmc_lin_med4_01"]);
        for index in 0..count {
            let instance = DesiredInstance {
                spec: InstanceSpec {
                    bundle_id: bundle.into(),
                    blueprint_id: "lhbp-f1lkcd41".into(),
                    charge: Charge { period: 1, renew_flag: RenewFlag::default() },
                    instance_name: if own_names { format!("{name}-{index}") } else { name.to_owned() },
                    zones: vec!["ap-guangzhou-3".into()],
                    login: None,
                    containers: Vec::new(),
                    auto_voucher: false,
                    tags: BTreeMap::new(),
                    firewall_template_id: None,
                    init_command: None,
                    domain_name: None,
                    subdomain: None,
                },
                depends_on: Arc::clone(&depends_on),
                span,
                attribute_spans: Arc::default(),
                protect: false,
                ignore_changes: Arc::from([]),
                replace: Replace::default(),
                replace_now: false,
                power: None,
                timeouts: Timeouts::default(),
            };
            instances.insert(Address::indexed(name, index as u32), instance);
        }
    }
    DesiredState {
        variables: BTreeMap::new(),
        outputs: BTreeMap::new(),
        moves: Moves::default(),
        stack: StackName::from("sim"),
        site: Site::China,
        region: REGION.into(),
        ownership: about.ownership,
        instances,
        rate_limits: BTreeMap::new(),
        token_ttl: about.token_ttl,
        visibility_grace: VISIBILITY_GRACE_DEFAULT,
    }
}

struct Silent(Arc<World>);

impl EventSink for Silent {
    fn emit(&self, event: Event) {
        if let Event::Item(item) = event {
            self.0.log(format!("{} {} {:?}", item.address, item.status.as_str(), item.detail));
        }
    }
}

/// One writer: a disk of its own, and processes that live on it one after the other.
pub(super) struct Writer {
    pub(super) disk: SimDisk,
    gate: Arc<LifeGate>,
    number: u64,
}

impl Writer {
    pub(super) fn new(sabotage: Sabotage, number: u64) -> Self {
        let gate = Arc::new(LifeGate::default());
        let disk = SimDisk::new(Arc::clone(&gate) as Arc<dyn super::disk::Gate>, sabotage == Sabotage::NoSync);
        Self { disk, gate, number }
    }

    pub(super) fn context(&self, world: &Arc<World>, life: &Arc<Life>, desired: &DesiredState, seed: u64) -> Context {
        self.gate.enter(life);
        let store = Store::new(Arc::new(self.disk.clone()) as Arc<dyn Disk>, "state/sim.json");
        let network = Network {
            world: Arc::clone(world),
            life: Arc::clone(life),
            disk: self.disk.clone(),
            journal: store.journal_path(),
        };
        let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
        let paced =
            Arc::new(Paced::new(network, Arc::clone(&clock), seed).with_rate_limits(desired.rate_limits.clone()));
        Context {
            read: Arc::clone(&paced) as _,
            write: paced,
            clock,
            events: Arc::new(Silent(Arc::clone(world))),
            store,
            endpoint: "simulation".into(),
            holder: Holder { host: "sim".into(), pid: 1, command: "apply".into(), since: Timestamp(0) },
            locking: false,
            lock_timeout: Duration::ZERO,
            seed,
            select: crate::ops::Select::default(),
            lineage: Lineage(format!("lineage-{}-{seed:x}", self.number)),
            signals: Arc::new(|| Box::pin(std::future::pending())),
        }
    }
}

pub(super) enum Ended {
    Died,
    Over(Box<Result<ApplyReport, OpsError>>),
}

fn with_signal(context: &mut Context, world: &Arc<World>, after: Duration) {
    let clock = world.clock.clone();
    let once = Arc::new(Mutex::new(Some(after)));
    context.signals = Arc::new(move || -> BoxFuture<'static, String> {
        match once.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(after) => {
                let sleep = clock.sleep(after);
                Box::pin(async move {
                    sleep.await;
                    "SIGTERM".to_owned()
                })
            }
            None => Box::pin(std::future::pending()),
        }
    });
}

pub(super) fn run_apply(
    world: &Arc<World>,
    context: &Context,
    life: &Arc<Life>,
    desired: &DesiredState,
    options: ApplyOptions,
) -> Option<Ended> {
    let work = apply(context, desired, options, &|_| Consent::Given);
    world.clock.run(async {
        match select(Death(Arc::clone(life)), Box::pin(work)).await {
            Either::Left(_) => Ended::Died,
            Either::Right((result, _)) => Ended::Over(Box::new(result)),
        }
    })
}

/// Runs the schedule of a seed.
///
/// # Errors
/// When a promise is broken.
pub fn run_schedule(seed: u64, sabotage: Sabotage) -> Result<Passed, Failure> {
    let mut chance = Chance::new(seed);
    let about = circumstances(&mut chance);
    let clock = VirtualClock::new(Timestamp::from_secs(1_800_000_000));
    let world = World::new(about.settings.clone(), seed, clock, sabotage);
    world.log(format!(
        "service: memory {}, mismatch {}, order {}, names {}, visible after {} ms, boot {} ms; client: {:?}, token_ttl {:?}; promised: {}; faults: {:?}",
        about.settings.token_memory,
        about.settings.mismatch,
        about.settings.order,
        about.settings.batch_names,
        about.settings.visibility_delay_ms,
        about.settings.boot_ms,
        about.ownership,
        about.token_ttl,
        about.promised,
        about.faults,
    ));
    let mut story = Story { chance, about, world, passed: Passed::default() };
    let crowd = story.about.settings.token_memory == TokenMemory::Forever && story.chance.percent(12);
    let result = if crowd { story.crowd(sabotage) } else { story.tell(sabotage) };
    let passed = story.passed;
    match result {
        Ok(()) => Ok(passed),
        Err(what) => Err(Failure { seed, what, log: story.world.take_log() }),
    }
}

struct Story {
    chance: Chance,
    about: Circumstances,
    world: Arc<World>,
    passed: Passed,
}

impl Story {
    fn tell(&mut self, sabotage: Sabotage) -> Result<(), String> {
        let mut desired = fleet(&mut self.chance, &self.about);
        let writer = Writer::new(sabotage, 0);
        self.world.set_faults(self.about.faults);
        let bad = self.chance.below(BAD_APPLIES_MAX + 1);
        for number in 0..bad {
            self.bad_apply(&writer, &desired, number)?;
            if self.chance.percent(15) {
                desired = self.change(&desired);
            }
        }
        self.world.set_faults(NetworkFaults::default());
        self.good_applies(&writer, &desired)
    }

    /// Several writers that share nothing apply one commit at once. While the service remembers the token and no member is
    /// gone, they buy one set.
    fn crowd(&mut self, sabotage: Sabotage) -> Result<(), String> {
        let desired = fleet(&mut self.chance, &self.about);
        self.world.set_faults(NetworkFaults { launch_failed: 0, sold_out: 0, refuse_token: 0, ..self.about.faults });
        let most = if self.chance.percent(10) { 19 } else { 4 };
        let size = 2 + self.chance.below(most);
        let writers: Vec<Writer> = (0..size).map(|number| Writer::new(sabotage, number)).collect();
        self.world.log(format!("{size} writers apply {} instances at once", desired.instances.len()));
        let life = Life::new(None);
        let contexts: Vec<(Context, Duration)> = writers
            .iter()
            .map(|writer| {
                let late = Duration::from_millis(self.chance.below(8) * self.chance.below(4000));
                (writer.context(&self.world, &life, &desired, self.chance.next_u64()), late)
            })
            .collect();
        let desired_here = &desired;
        let all = contexts.iter().map(|(context, late)| async move {
            context.clock.sleep(*late).await;
            apply(context, desired_here, ApplyOptions::default(), &|_| Consent::Given).await
        });
        if self.world.clock.run(futures_util::future::join_all(all)).is_none() {
            return Err("a writer waits for what never comes".into());
        }
        self.no_violations()?;
        self.world.set_faults(NetworkFaults::default());
        for writer in &writers {
            self.good_applies(writer, &desired)?;
        }
        Ok(())
    }

    /// One apply in bad weather, that may die, be stopped, or find its disk full.
    fn bad_apply(&mut self, writer: &Writer, desired: &DesiredState, number: u64) -> Result<(), String> {
        let dies = self.chance.percent(70).then(|| self.chance.below(60));
        let life = Life::new(dies);
        if self.chance.percent(10) {
            life.fill_disk_after(self.chance.below(10));
        }
        let seed = self.chance.next_u64();
        let mut context = writer.context(&self.world, &life, desired, seed);
        if self.chance.percent(15) {
            with_signal(&mut context, &self.world, Duration::from_millis(self.chance.below(20_000)));
        }
        self.world.log(format!("apply {number} begins, dies at {dies:?}; on disk:\n{}", writer.disk.dump()));
        let ended = run_apply(&self.world, &context, &life, desired, ApplyOptions::default());
        self.world.log(match &ended {
            None => "apply hangs".to_owned(),
            Some(Ended::Died) => "apply died".to_owned(),
            Some(Ended::Over(result)) => match result.as_ref() {
                Ok(report) => format!("apply ended: {:?}", report.exit),
                Err(error) => format!("apply refused: {error}"),
            },
        });
        if ended.is_none() {
            return Err("the apply waits for what never comes".into());
        }
        if matches!(ended, Some(Ended::Died)) {
            self.passed.crashes += 1;
        }
        // The power goes with the process, now and then.
        if self.chance.percent(70) {
            writer.disk.crash(&mut self.chance);
        }
        let pause = self.chance.pick(&[0, 1, 30, 200, 700, 4000]);
        self.world.clock.advance(Duration::from_secs(pause));
        self.no_violations()
    }

    fn no_violations(&self) -> Result<(), String> {
        match self.world.violations().first() {
            Some(violation) => Err(violation.clone()),
            None => Ok(()),
        }
    }

    /// The manifest is edited between two applies: one more, one less, or another size.
    fn change(&mut self, desired: &DesiredState) -> DesiredState {
        let mut changed = desired.clone();
        let last = changed.instances.iter().next_back().map(|(address, instance)| (address.clone(), instance.clone()));
        let Some((address, instance)) = last else { return changed };
        let crate::model::Key::Index(index) = address.key else { return changed };
        match self.chance.below(2) {
            0 => {
                let mut more = instance;
                if more.spec.instance_name != address.block {
                    more.spec.instance_name = format!("{}-{}", address.block, index + 1);
                }
                changed.instances.insert(Address::indexed(address.block, index + 1), more);
            }
            _ if changed.instances.len() > 1 => drop(changed.instances.remove(&address)),
            _ => {}
        }
        self.world.log(format!("manifest changed: {} instances", changed.instances.len()));
        changed
    }

    fn good_applies(&mut self, writer: &Writer, desired: &DesiredState) -> Result<(), String> {
        let mut last = String::new();
        let mut options = ApplyOptions::default();
        for number in 0..GOOD_APPLIES_MAX {
            self.world.clock.advance(Duration::from_secs(16 * 60));
            let life = Life::new(None);
            let seed = self.chance.next_u64();
            let context = writer.context(&self.world, &life, desired, seed);
            self.world.log(format!("good apply {number} begins; on disk:\n{}", writer.disk.dump()));
            let ended = run_apply(&self.world, &context, &life, desired, options);
            self.no_violations()?;
            let result = match ended {
                None => return Err("the apply waits for what never comes".into()),
                Some(Ended::Died) => return Err("an apply died that nobody killed".into()),
                Some(Ended::Over(result)) => *result,
            };
            match result {
                Ok(report) if report.exit == ApplyExit::Done => {
                    return self.all_is_well(&report, desired);
                }
                Ok(report) => {
                    last = format!("{:?}", report.exit);
                    for item in report.items.iter().filter(|item| !item.status.is_done()) {
                        self.world.log(format!("  {} {:?} {:?}", item.address, item.status, item.detail));
                        last = format!("{last}; {} {:?} {:?}", item.address, item.status, item.detail);
                    }
                }
                Err(OpsError::Blocked(blocked)) => {
                    last = format!("blocked: {blocked:?}");
                    self.world.log(last.clone());
                    // It stopped and asked. A person who looks, and sees that what was never listed is not there, says so.
                    if blocked.iter().all(|b| b.what.contains("has never been listed")) {
                        options.buy_anyway = true;
                        continue;
                    }
                    if self.about.promised && self.about.ownership == Ownership::Tags {
                        return Err(format!("stopped and asked within the promise: {last}"));
                    }
                    return self.nothing_silently_wrong(desired);
                }
                Err(OpsError::Diagnostics(found)) => {
                    // Returned half way, then wanted again: it says so, and a person takes it out, applies, and puts it back.
                    let isolated: Vec<String> = found
                        .sorted()
                        .into_iter()
                        .filter(|d| d.code == "isolated")
                        .filter_map(|d| d.summary.split('`').nth(1).map(str::to_owned))
                        .collect();
                    if isolated.is_empty() {
                        return Err("a plan in good weather has errors".into());
                    }
                    let mut without = desired.clone();
                    without.instances.retain(|address, _| !isolated.contains(&address.to_string()));
                    self.world.log(format!("a person takes out {isolated:?}"));
                    let ended = run_apply(&self.world, &context, &life, &without, options);
                    if !matches!(ended, Some(Ended::Over(result)) if result.is_ok()) {
                        return Err(format!("taking out {isolated:?} fails"));
                    }
                }
                Err(error) => return Err(format!("an apply in good weather fails: {error}")),
            }
        }
        if !self.about.promised || self.about.ownership == Ownership::Name {
            return self.nothing_silently_wrong(desired);
        }
        Err(format!("not done after {GOOD_APPLIES_MAX} applies in good weather: {last}"))
    }

    /// Beyond the promise it may stop and ask, but it must not have said that all is well.
    fn nothing_silently_wrong(&mut self, _desired: &DesiredState) -> Result<(), String> {
        self.passed.asked = true;
        Ok(())
    }

    fn all_is_well(&mut self, report: &ApplyReport, desired: &DesiredState) -> Result<(), String> {
        let instances = self.world.instances();
        let live = live_ids(&instances);
        let known: BTreeSet<String> =
            report.state.instances.values().map(|recorded| recorded.instance_id.0.clone()).collect();
        self.passed.instances = live.len() as u64;
        self.passed.calls = self.world.calls().values().sum();
        let addresses: BTreeSet<&Address> = report.state.instances.keys().collect();
        let wanted: BTreeSet<&Address> = desired.instances.keys().collect();
        if addresses != wanted {
            return Err(format!("done, and the state has {addresses:?} instead of {wanted:?}"));
        }
        if known.len() != wanted.len() {
            return Err("done, and two addresses share an instance".into());
        }
        if report.state.deposed.iter().any(|deposed| !deposed.is_kept()) || report.open > 0 {
            return Err(format!("done, and something is left over: {:?}", report.state.deposed));
        }
        let missing: Vec<&String> = known.difference(&live).collect();
        if !missing.is_empty() {
            return Err(format!("done, and {missing:?} do not live"));
        }
        let forgotten: Vec<&String> = live.difference(&known).collect();
        if !forgotten.is_empty() && self.about.promised {
            return Err(format!("bought twice or forgotten: {forgotten:?}"));
        }
        for instance in &instances {
            let id = instance["InstanceId"].as_str().unwrap_or_default();
            let Some((address, _)) = report.state.instances.iter().find(|(_, r)| r.instance_id.0 == id) else {
                continue;
            };
            let name = instance["InstanceName"].as_str().unwrap_or_default();
            if name != desired.instances[address].spec.instance_name {
                return Err(format!("done, and {address} is called {name}"));
            }
        }
        Ok(())
    }
}
