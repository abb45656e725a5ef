//! A mistake of ours in the middle of a run: where events go, or where bytes do, something panics. What was durable then is
//! enough for the next run.

use lhprov::clock::{BoxFuture, Clock};
use lhprov::cloud::paced::Paced;
use lhprov::desired::{self, DesiredState};
use lhprov::event::{Event, EventSink};
use lhprov::manifest::{Given, Sources};
use lhprov::model::{Lineage, Timestamp};
use lhprov::ops::{ApplyExit, ApplyOptions, Consent, Context, apply};
use lhprov::sandbox::fault::Faults;
use lhprov::sandbox::port::InProcess;
use lhprov::sandbox::service::Service;
use lhprov::sandbox::settings::Settings;
use lhprov::sandbox::store::Store as Account;
use lhprov::sim::disk::{Gate, SimDisk};
use lhprov::sim::executor::VirtualClock;
use lhprov::state::lock::Holder;
use lhprov::state::{Disk, Store};
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the panics of this test say.
const ON_PURPOSE: &str = "on purpose";

/// Panics when it has counted to its end.
struct Bomb {
    left: AtomicU64,
    passed: AtomicU64,
}

impl Bomb {
    fn after(steps: u64) -> Self {
        Self { left: AtomicU64::new(steps), passed: AtomicU64::new(0) }
    }

    fn step(&self) {
        self.passed.fetch_add(1, Ordering::SeqCst);
        let left = self.left.load(Ordering::SeqCst);
        self.left.store(left.wrapping_sub(1), Ordering::SeqCst);
        assert!(left != 0, "{ON_PURPOSE}");
    }
}

impl EventSink for Bomb {
    fn emit(&self, _event: Event) {
        self.step();
    }
}

/// Where the bomb is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Events,
    Disk,
}

struct AtDisk(Arc<Bomb>);

impl Gate for AtDisk {
    fn pass(&self, _operation: &'static str) -> io::Result<()> {
        self.0.step();
        Ok(())
    }
}

const NEVER: u64 = u64::MAX;

fn manifest() -> DesiredState {
    let text = "version: 1
stack: panics
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 2, instance_name: \"web-${count.index}\", depends_on: [db] }
";
    let (desired, _, diagnostics) =
        desired::load_sources(Sources::from_texts([("lighthouse.yaml", text.to_owned())]), &Given::default(), &|_| {
            None
        });
    desired.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

/// One run over an account and a disk, which panics at a step. `Ok` if it came to its end before; the number of its steps.
fn run(service: &Arc<Service>, start: Timestamp, disk: &SimDisk, events: &Arc<Bomb>) -> Result<u64, ()> {
    let desired = manifest();
    let virtual_clock = VirtualClock::new(start);
    let clock: Arc<dyn Clock> = Arc::new(virtual_clock.clone());
    let cloud = InProcess::new(Arc::clone(service), Arc::clone(&clock), "ap-guangzhou");
    let cloud = Arc::new(Paced::new(cloud, Arc::clone(&clock), 1));
    let context = Context {
        endpoint_origin: "the test",
        assumed_account: None,
        read: Arc::clone(&cloud) as _,
        write: cloud,
        clock,
        events: Arc::clone(events) as _,
        store: Store::new(Arc::new(disk.clone()) as Arc<dyn Disk>, "state/panics.json"),
        endpoint: "sandbox".into(),
        holder: Holder { host: "here".into(), pid: 1, command: "apply".into(), since: Timestamp(0) },
        locking: false,
        lock_timeout: Duration::ZERO,
        seed: 1,
        lineage: Lineage("panics".into()),
        beside: lhprov::ops::at_once(),
        signals: Arc::new(|| -> BoxFuture<'static, String> { Box::pin(std::future::pending()) }),
        select: lhprov::ops::Select::default(),
    };
    let consent = |_: lhprov::ops::Question<'_>| Consent::Given;
    let work = || virtual_clock.run(apply(&context, &desired, ApplyOptions::default(), &consent));
    match catch_unwind(AssertUnwindSafe(work)) {
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            assert!(said.contains(ON_PURPOSE), "another panic: {said}");
            Err(())
        }
        Ok(report) => {
            let report = report.expect("it comes to its end").unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(report.exit, ApplyExit::Done);
            let recorded: BTreeSet<String> =
                report.state.instances.values().map(|recorded| recorded.instance_id.0.clone()).collect();
            assert_eq!(recorded.len(), 3);
            let status = service.store().status(virtual_clock.now()).expect("in memory");
            assert_eq!(status.instances.get("RUNNING"), Some(&3), "{:?}", status.instances);
            assert_eq!(status.instances.len(), 1, "{:?}", status.instances);
            Ok(events.passed.load(Ordering::SeqCst))
        }
    }
}

/// A run that panics at this step, then one that does not. `Err` if the first never came to it.
fn panics_at(place: Place, step: u64) -> Result<(), u64> {
    let settings = Settings { boot_ms: 700, latency_ms: 20, ..Settings::default() };
    // The first answer is lost, so that there is something to settle.
    let faults = Faults::new(1, vec!["lost-after:CreateInstances:at=1".parse().expect("a fault")]);
    let service = Arc::new(Service::new(Account::memory(settings), faults));
    let (on_disk, on_events) = match place {
        Place::Disk => (step, NEVER),
        Place::Events => (NEVER, step),
    };
    let disk_bomb = Arc::new(Bomb::after(on_disk));
    let disk = SimDisk::new(Arc::new(AtDisk(Arc::clone(&disk_bomb))) as Arc<dyn Gate>, false);
    let start = Timestamp::from_secs(1_800_000_000);
    let first = run(&service, start, &disk, &Arc::new(Bomb::after(on_events)));
    if first.is_ok() {
        return Err(step);
    }
    // Counted down: from here on it lets everything pass.
    let again = run(&service, start.plus(Duration::from_secs(60)), &disk, &Arc::new(Bomb::after(NEVER)));
    assert!(again.is_ok(), "{place:?} {step}");
    Ok(())
}

#[test]
fn a_panic_anywhere_is_settled_by_the_next_run() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.to_string().contains(ON_PURPOSE) {
            told(info);
        }
    }));
    for place in [Place::Events, Place::Disk] {
        let steps = (0..10_000).take_while(|step| panics_at(place, *step).is_ok()).count();
        println!("{place:?}: a panic at each of {steps} steps");
        assert!(steps > 15, "{place:?}: {steps} steps");
    }
}
