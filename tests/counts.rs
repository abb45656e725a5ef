//! No work grows faster than the fleet: calls, syncs and bytes of an apply of 30, 300 and 3000 equal instances, and the time
//! it takes. Time is virtual, so every number is the same in every run.
#![allow(clippy::print_stdout, reason = "tests tell what they measured")]

use lhprov::clock::{BoxFuture, Clock};
use lhprov::cloud::CloudError;
use lhprov::cloud::paced::Paced;
use lhprov::cloud::port::{Prepared, Reply, Service as ServiceName, Transport};
use lhprov::desired::{self, DesiredState};
use lhprov::event::{Event, EventSink};
use lhprov::manifest::{Given, Sources};
use lhprov::model::{Lineage, Timestamp};
use lhprov::ops::{ApplyExit, ApplyOptions, ApplyReport, Consent, Context, PlanOptions, apply, plan};
use lhprov::sandbox::fault::Faults;
use lhprov::sandbox::port::InProcess;
use lhprov::sandbox::service::Service;
use lhprov::sandbox::settings::{BatchNames, Settings};
use lhprov::sandbox::store::Store as Account;
use lhprov::sim::disk::{Gate, SimDisk};
use lhprov::sim::executor::VirtualClock;
use lhprov::state::lock::Holder;
use lhprov::state::{Disk, Store};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const REGION: &str = "ap-guangzhou";

/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(40);

const BOOT: Duration = Duration::from_secs(2);

/// Between two purchases: five in 1.02 seconds.
const BETWEEN_PURCHASES: Duration = Duration::from_millis(204);

/// Between two polls while instances are young.
const TICK: Duration = Duration::from_millis(250);

const SIZES: [usize; 3] = [30, 300, 3000];

/// Counts what the disk is asked to do.
#[derive(Default)]
struct Counting(Mutex<BTreeMap<&'static str, u64>>);

impl Gate for Counting {
    fn pass(&self, operation: &'static str) -> io::Result<()> {
        *self.0.lock().unwrap().entry(operation).or_default() += 1;
        Ok(())
    }
}

/// Counts the instances that are asked about by id.
struct Asked {
    inner: InProcess,
    ids: Arc<AtomicU64>,
}

impl Transport for Asked {
    fn prepare(
        &self,
        service: ServiceName,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        self.inner.prepare(service, action, body)
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        if prepared.action == "DescribeInstances" {
            let body: serde_json::Value = serde_json::from_str(&prepared.body).expect("JSON");
            let ids = body["InstanceIds"].as_array().map_or(0, Vec::len);
            self.ids.fetch_add(ids as u64, Ordering::SeqCst);
        }
        self.inner.send(prepared)
    }

    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }
}

struct Deaf;

impl EventSink for Deaf {
    fn emit(&self, _event: Event) {}
}

/// An account, a disk, a fleet.
struct World {
    clock: VirtualClock,
    service: Arc<Service>,
    gate: Arc<Counting>,
    asked: Arc<AtomicU64>,
    disk: SimDisk,
    desired: DesiredState,
}

/// What something cost.
#[derive(Debug)]
struct Cost {
    /// By action.
    calls: BTreeMap<String, u64>,
    /// By operation.
    disk: BTreeMap<&'static str, u64>,
    bytes: u64,
    time: Duration,
}

impl Cost {
    fn calls(&self, action: &str) -> u64 {
        self.calls.get(action).copied().unwrap_or(0)
    }

    fn disk(&self, operation: &str) -> u64 {
        self.disk.get(operation).copied().unwrap_or(0)
    }
}

fn less<K: Ord + Clone>(after: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let since = |(key, count): (&K, &u64)| (key.clone(), count - before.get(key).unwrap_or(&0));
    after.iter().map(since).filter(|(_, count)| *count > 0).collect()
}

impl World {
    fn new(number: usize, name: &str, names: BatchNames, faults: &[&str]) -> Self {
        Self::far(number, name, names, faults, ROUND_TRIP)
    }

    /// A service so far away.
    fn far(number: usize, name: &str, names: BatchNames, faults: &[&str], round_trip: Duration) -> Self {
        let text = format!(
            "version: 1
stack: counted
region: {REGION}
instances:
  web:
    count: {number}
    instance_name: \"{name}\"
    bundle_id: bundle_rs_nmc_lin_med2_01
    blueprint_id: lhbp-f1lkcd41
    charge: {{ period: 1 }}
"
        );
        let (desired, _, diagnostics) =
            desired::load_sources(Sources::from_texts([("lighthouse.yaml", text)]), &Given::default(), &|_| None);
        let settings = Settings {
            boot_ms: BOOT.as_millis() as u64,
            latency_ms: round_trip.as_millis() as u64,
            batch_names: names,
            ..Settings::default()
        };
        let faults = Faults::new(1, faults.iter().map(|fault| fault.parse().expect("a fault")).collect());
        let gate = Arc::new(Counting::default());
        Self {
            clock: VirtualClock::new(Timestamp::from_secs(1_800_000_000)),
            service: Arc::new(Service::new(Account::memory(settings), faults)),
            disk: SimDisk::new(Arc::clone(&gate) as Arc<dyn Gate>, false),
            gate,
            asked: Arc::default(),
            desired: desired.unwrap_or_else(|| panic!("{diagnostics:?}")),
        }
    }

    /// Equal instances, which the service calls what it was asked to.
    fn equal(number: usize, faults: &[&str]) -> Self {
        Self::new(number, "web", BatchNames::Same, faults)
    }

    fn context(&self) -> Context {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let cloud = InProcess::new(Arc::clone(&self.service), Arc::clone(&clock), REGION);
        let cloud = Asked { inner: cloud, ids: Arc::clone(&self.asked) };
        let cloud = Arc::new(Paced::new(cloud, Arc::clone(&clock), 1));
        Context {
            endpoint_origin: "the test",
            assumed_account: None,
            read: Arc::clone(&cloud) as _,
            write: cloud,
            clock,
            events: Arc::new(Deaf),
            store: Store::new(Arc::new(self.disk.clone()) as Arc<dyn Disk>, "state/counted.json"),
            endpoint: "sandbox".into(),
            holder: Holder { host: "here".into(), pid: 1, command: "apply".into(), since: Timestamp(0) },
            locking: false,
            lock_timeout: Duration::ZERO,
            seed: 1,
            select: lhprov::plan::Select::default(),
            lineage: Lineage("counted".into()),
            beside: lhprov::ops::at_once(),
            signals: Arc::new(|| -> BoxFuture<'static, String> { Box::pin(std::future::pending()) }),
        }
    }

    fn so_far(&self) -> (BTreeMap<String, u64>, BTreeMap<&'static str, u64>, u64, Timestamp) {
        let calls = self.service.store().status(self.clock.now()).expect("in memory").counts.calls;
        (calls, self.gate.0.lock().unwrap().clone(), self.disk.counts().1, self.clock.now())
    }

    fn cost<T>(&self, work: impl Future<Output = T>) -> (T, Cost) {
        let (calls, disk, bytes, began) = self.so_far();
        let result = self.clock.run(work).expect("it comes to its end");
        let (calls_after, disk_after, bytes_after, ended) = self.so_far();
        let cost = Cost {
            calls: less(&calls_after, &calls),
            disk: less(&disk_after, &disk),
            bytes: bytes_after - bytes,
            time: ended.since(began),
        };
        (result, cost)
    }

    fn apply(&self) -> (ApplyReport, Cost) {
        let context = self.context();
        let consent = |_: lhprov::ops::Question<'_>| Consent::Given;
        let work = apply(&context, &self.desired, ApplyOptions::default(), &consent);
        let (report, cost) = self.cost(work);
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.exit, ApplyExit::Done);
        assert_eq!(report.state.instances.len(), self.desired.instances.len());
        (report, cost)
    }

    /// An apply whose process dies when every purchase is on its way and none is answered.
    fn die_in_flight(&self, batches: u64) {
        let context = self.context();
        let consent = |_: lhprov::ops::Question<'_>| Consent::Given;
        let work = Box::pin(apply(&context, &self.desired, ApplyOptions::default(), &consent));
        let death = self.clock.sleep(BETWEEN_PURCHASES * (batches as u32) + ROUND_TRIP * 3);
        let ended = self.clock.run(futures_util::future::select(death, work)).expect("it comes to its end");
        assert!(matches!(ended, futures_util::future::Either::Left(_)), "it dies before it is over");
        let calls = self.service.store().status(self.clock.now()).expect("in memory").counts.calls;
        assert_eq!(calls["CreateInstances"], batches);
    }
}

/// Once it is known how long a boot takes, nothing is asked about that cannot have changed.
#[test]
fn each_instance_is_asked_about_a_few_times() {
    let (world, _) = bought(3000);
    let looks = world.asked.load(Ordering::SeqCst) as usize;
    println!("{looks} looks at 3000 instances");
    // The first hundred at every tick of a boot. Then each halfway and when it should run; those that boot when the last
    // was bought closer to that.
    let ticks = (BOOT.as_millis() / TICK.as_millis()) as usize + 1;
    let last = 30 * (BOOT.as_millis() / BETWEEN_PURCHASES.as_millis() + 1) as usize;
    assert!(looks <= 100 * ticks + 3 * 3000 + 5 * last, "{looks}");
}

/// A fleet of each size, bought, and what it cost. Made once for all tests.
fn bought(number: usize) -> &'static (World, Cost) {
    static ALL: [OnceLock<(World, Cost)>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let place = SIZES.iter().position(|size| *size == number).expect("one of the sizes");
    ALL[place].get_or_init(|| {
        let world = World::equal(number, &[]);
        let (_, cost) = world.apply();
        (world, cost)
    })
}

fn in_parts_of(size: usize, number: usize) -> u64 {
    number.div_ceil(size) as u64
}

#[test]
fn buying_costs_calls_and_syncs_by_the_batch() {
    let mut before: Option<&Cost> = None;
    for number in SIZES {
        let (_, cost) = bought(number);
        println!("{number}: {cost:?}");
        let batches = in_parts_of(30, number);
        assert_eq!(cost.calls("CreateInstances"), batches);
        assert_eq!(cost.calls("GetCallerIdentity"), 1);
        assert_eq!(cost.calls("ModifyInstancesAttribute"), 0);
        // The plan lists what is owned, the look lists it again. Then each tick asks for what boots, and for what has begun
        // to run since the tick before: that is bounded by the rate of purchases, whatever the size of the fleet.
        let booting = 30 * ((BOOT + TICK + 2 * ROUND_TRIP).as_millis() / BETWEEN_PURCHASES.as_millis() + 2) as usize;
        let ticks = (cost.time.as_millis() / TICK.as_millis()) as u64 + 1;
        let most = 2 + ticks * in_parts_of(100, booting.min(number));
        let describes = cost.calls("DescribeInstances");
        assert!(describes <= most, "{number}: {describes} DescribeInstances, at most {most}");
        // The intents at once, then an attempt and an answer for each purchase; a state once.
        assert!(cost.disk("append") <= 1 + 2 * batches, "{number}: {cost:?}");
        assert!(cost.disk("sync") <= 1 + 2 * batches + 2, "{number}: {cost:?}");
        assert!(cost.disk("write") <= 2 && cost.disk("sync folder") <= 4, "{number}: {cost:?}");
        if let Some(before) = before {
            // Ten times the fleet, ten times the bytes; numbers with a digit more cost their digit.
            let growth = cost.bytes as f64 / before.bytes as f64;
            assert!((8.0..10.5).contains(&growth), "{number}: {growth}");
        }
        before = Some(cost);
    }
}

#[test]
fn names_of_their_own_cost_one_call_each() {
    let world = World::new(300, "web-${count.index}", BatchNames::Dash, &[]);
    let (_, cost) = world.apply();
    println!("{cost:?}");
    assert_eq!(cost.calls("CreateInstances"), 10);
    // One before it runs, which the service refuses, tells for all of them that names have to wait.
    assert!(cost.calls("ModifyInstancesAttribute") <= 1 + 300, "{cost:?}");
    // Who is who is decided at first sight, so it is written down apart from the answer; a new name is not written down.
    assert!(cost.disk("append") <= 1 + 3 * 10, "{cost:?}");
}

#[test]
fn an_apply_of_what_is_there_asks_for_each_hundred_once() {
    for number in SIZES {
        let (world, _) = bought(number);
        let expected = BTreeMap::from([
            ("DescribeInstances".to_owned(), in_parts_of(100, number)),
            ("GetCallerIdentity".to_owned(), 1),
        ]);
        let (_, cost) = world.apply();
        println!("{number}: {cost:?}");
        assert_eq!(cost.calls, expected);
        assert_eq!(cost.bytes, 0, "nothing is written: {cost:?}");
        let context = world.context();
        let options = PlanOptions { refresh: true, ..PlanOptions::default() };
        let (report, cost) = world.cost(plan(&context, &world.desired, options));
        assert!(report.unwrap_or_else(|error| panic!("{error}")).planned.plan.is_empty());
        assert_eq!(cost.calls, expected);
        assert_eq!(cost.bytes, 0, "{cost:?}");
    }
}

#[test]
fn going_on_after_a_crash_costs_no_more_calls_than_buying() {
    for number in SIZES {
        let batches = in_parts_of(30, number);
        let (_, buying) = bought(number);
        // Carried out, with the answers still on their way; or never carried out.
        let late = format!("delay=4m:CreateInstances:n={batches}");
        let lost = format!("lost-before:CreateInstances:n={batches}");
        for (faults, creates) in [(&[late.as_str()][..], 0), (&[late.as_str(), lost.as_str()], batches)] {
            // What both show at 3000 the first shows for less.
            if number == 3000 && creates > 0 {
                continue;
            }
            let world = World::equal(number, faults);
            world.die_in_flight(batches);
            let (_, cost) = world.apply();
            println!("{number} {faults:?}: {cost:?}");
            assert_eq!(cost.calls("CreateInstances"), creates, "{faults:?}");
            // A listing has a page for each hundred; in buying there was none to list.
            let listing = 2 * in_parts_of(100, number);
            let (describes, then) = (cost.calls("DescribeInstances"), buying.calls("DescribeInstances"));
            assert!(describes <= then + listing, "{number} {faults:?}: {describes}, {then} in buying");
            assert!(cost.disk("append") <= buying.disk("append"), "{faults:?}: {cost:?}");
            let live = world.service.store().status(world.clock.now()).expect("in memory").instances;
            assert_eq!(live, BTreeMap::from([("RUNNING".to_owned(), number as u64)]));
        }
    }
}

#[test]
fn three_hundred_run_a_tick_after_the_service_permits() {
    let (_, cost) = bought(300);
    // Nine intervals between ten purchases, and the last one's boot.
    let floor = BETWEEN_PURCHASES * 9 + BOOT;
    // The plan and the look are before the first purchase; the boot of the last begins when it arrives, so its way back
    // costs nothing; a poll under way at that moment, the pause after it, and the poll that sees it run.
    let most = floor + 2 * ROUND_TRIP + (TICK + ROUND_TRIP) + ROUND_TRIP;
    println!("{:?}, from {floor:?} to {most:?}", cost.time);
    assert_eq!(cost.calls("CreateInstances"), 10);
    assert!((floor..=most).contains(&cost.time), "{:?}", cost.time);
}

/// Purchases leave at the pace of their limit from the first second, wherever the service is: distance is paid for a few times in
/// a run and not once for each call.
#[test]
fn distance_costs_a_few_round_trips() {
    let floor = BETWEEN_PURCHASES * 9 + BOOT;
    for round_trip in [50, 500].map(Duration::from_millis) {
        let world = World::far(300, "web", BatchNames::Same, &[], round_trip);
        let (_, cost) = world.apply();
        println!("{round_trip:?}: {:?}, at least {floor:?}", cost.time);
        // Before the first purchase: who and what is there, what it costs and whether it may be, the look. After the last one: the
        // poll that misses its boot, and the one that sees it run.
        assert!(cost.time <= floor + 8 * round_trip + TICK, "{round_trip:?}: {:?}", cost.time);
        assert_eq!(cost.calls("CreateInstances"), 10, "{cost:?}");
    }
}

/// Names are set at the pace of their own limit, beside the purchases and the boot.
#[test]
fn names_are_set_as_fast_as_their_limit_allows() {
    const BETWEEN_NAMES: Duration = Duration::from_millis(102);
    let world = World::new(300, "web-${count.index}", BatchNames::Same, &[]);
    let (_, cost) = world.apply();
    // The first member of each purchase has its name from it, and nothing can be renamed before the first machine runs.
    let floor = BOOT + BETWEEN_NAMES * (300 - 10);
    println!("{:?}, at least {floor:?}", cost.time);
    assert!(cost.time <= floor.mul_f64(1.05), "{:?}", cost.time);
}
