//! A process that dies at every effect of an upgrade, a reinstall, a replacement and a renewal, on a disk that keeps what was
//! synced, before a network that loses answers: nothing is ordered twice, and an address has never two instances for good, and
//! never none.

use super::chance::Chance;
use super::executor::VirtualClock;
use super::life::{Death, Life};
use super::network::NetworkFaults;
use super::sabotage::{self, Sabotage};
use super::world::World;
use super::writer::{CONSENTING, Ended, Writer, run_apply};
use crate::desired::moves::Moves;
use crate::desired::state::{TOKEN_TTL_DEFAULT, VISIBILITY_GRACE_DEFAULT};
use crate::desired::{DesiredInstance, DesiredState, Timeouts};
use crate::diag::{SourceId, Span};
use crate::model::{Address, Charge, InstanceSpec, Ownership, RenewFlag, Replace, Site, StackName, Timestamp};
use crate::ops::{ApplyExit, ApplyOptions, Consent, OpsError, RenewOptions, renew};
use crate::sandbox::settings::{Afterwards, Settings};
use futures_util::future::{Either, select};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const SMALL: &str = "bundle_rs_nmc_lin_med2_01";
const LARGE: &str = "bundle_rs_nmc_lin_med4_01";

/// Effects of one process before it is certainly done.
const EFFECTS_MAX: u64 = 120;

fn fleet() -> DesiredState {
    let instance = |name: &str| DesiredInstance {
        spec: InstanceSpec {
            bundle_id: SMALL.into(),
            blueprint_id: "lhbp-f1lkcd41".into(),
            charge: Charge { period: 1, renew_flag: RenewFlag::default() },
            instance_name: name.to_owned(),
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
        depends_on: Arc::from([]),
        span: Span { source: SourceId(0), start: 0, end: 0 },
        attribute_spans: Arc::default(),
        protect: false,
        ignore_changes: Arc::from([]),
        replace: Replace::CreateFirst,
        replace_now: false,
        power: None,
        timeouts: Timeouts::default(),
    };
    let instances = (0..2).map(|n| (Address::indexed("web", n), instance(&format!("web-{n}")))).collect();
    DesiredState {
        stack: StackName::from("sim"),
        site: Site::China,
        region: "ap-guangzhou".into(),
        ownership: Ownership::Tags,
        instances,
        rate_limits: BTreeMap::new(),
        variables: BTreeMap::new(),
        variables_given: Default::default(),
        outputs: BTreeMap::new(),
        moves: Moves::default(),
        allowed_accounts: Vec::new(),
        token_ttl: TOKEN_TTL_DEFAULT,
        visibility_grace: VISIBILITY_GRACE_DEFAULT,
    }
}

struct Stage {
    world: Arc<World>,
    writer: Writer,
    chance: Chance,
}

impl Stage {
    /// A fleet that stands.
    fn set(seed: u64, desired: &DesiredState) -> Self {
        let clock = VirtualClock::new(Timestamp::from_secs(1_800_000_000));
        // Whether a machine comes up by itself after such an operation is not documented.
        let after_shutdown = if (seed / 4).is_multiple_of(2) { Afterwards::Stopped } else { Afterwards::Running };
        let settings = Settings { boot_ms: 2000, seed, after_shutdown, ..Settings::default() };
        let world = World::new(settings, seed, clock, Sabotage::Sound);
        let writer = Writer::new(Sabotage::Sound, 0);
        let mut stage = Self { world, writer, chance: Chance::new(seed) };
        assert_eq!(stage.apply(desired, None), Some(ApplyExit::Done), "{}", stage.log());
        stage
    }

    fn log(&self) -> String {
        self.world.take_log().join("\n")
    }

    /// One apply, that dies at an effect. `None` if it did.
    fn apply(&mut self, desired: &DesiredState, dies: Option<u64>) -> Option<ApplyExit> {
        let life = Life::new(dies);
        let seed = self.chance.next_u64();
        let context = self.writer.context(&self.world, &life, desired, seed);
        self.world.log(format!("apply, dies at {dies:?}; on disk:\n{}", self.writer.disk.dump()));
        let exit =
            match run_apply(&self.world, &context, &life, desired, ApplyOptions { assume_yes: true, ..CONSENTING }) {
                None => panic!("the apply hangs\n{}", self.log()),
                Some(Ended::Died) => None,
                Some(Ended::Over(result)) => match result {
                    Ok(report) => Some(report.exit),
                    Err(_) if life.is_dead() => None,
                    // Bad weather may keep it from beginning.
                    Err(OpsError::Cloud(_)) => Some(ApplyExit::Failed),
                    Err(error) => panic!("refused: {error}: {error:?}\n{}", self.log()),
                },
            };
        self.world.log(format!("ended: {exit:?}"));
        if exit.is_none() {
            self.writer.disk.crash(&mut self.chance);
        }
        exit
    }

    /// Renews one address. `None` if the process died.
    fn renew(&mut self, desired: &DesiredState, dies: Option<u64>) -> Option<ApplyExit> {
        let life = Life::new(dies);
        let seed = self.chance.next_u64();
        let context = self.writer.context(&self.world, &life, desired, seed);
        let options = RenewOptions { addresses: BTreeSet::from([Address::indexed("web", 0)]), months: Some(1) };
        let work = renew(&context, desired, &options, &|_| Consent::Given);
        let ended = self.world.clock.run(async {
            match select(Death(Arc::clone(&life)), Box::pin(work)).await {
                Either::Left(_) => None,
                Either::Right((result, _)) => Some(result),
            }
        });
        match ended {
            None => panic!("the renewal hangs\n{}", self.log()),
            Some(None) => {
                self.writer.disk.crash(&mut self.chance);
                None
            }
            Some(Some(Ok(report))) => Some(report.exit),
            Some(Some(Err(_))) if life.is_dead() => None,
            Some(Some(Err(OpsError::Cloud(_)))) => Some(ApplyExit::Failed),
            Some(Some(Err(error))) => panic!("refused: {error}: {error:?}\n{}", self.log()),
        }
    }

    /// Applies in good weather until everything is done.
    fn settle(&mut self, desired: &DesiredState) {
        self.world.set_faults(NetworkFaults::default());
        for _ in 0..6 {
            self.world.clock.advance(Duration::from_secs(16 * 60));
            if self.apply(desired, None) == Some(ApplyExit::Done) {
                return;
            }
        }
        panic!("never done\n{}", self.log());
    }

    fn field(&self, id: &str, field: &str) -> String {
        let all = self.world.instances();
        let found = all.iter().find(|one| one["InstanceId"] == id);
        found.and_then(|one| one[field].as_str()).unwrap_or_default().to_owned()
    }

    fn live(&self) -> BTreeSet<String> {
        self.world.live().into_keys().collect()
    }
}

/// Weather by number: good, lost answers, late requests, both and worse.
fn weather(number: u64) -> NetworkFaults {
    let bad = |percent| if number == 3 { percent } else { 0 };
    NetworkFaults {
        lost_after: if number == 1 { 30 } else { bad(15) },
        late: if number == 2 { 40 } else { bad(15) },
        lost_before: bad(10),
        internal_after: bad(10),
        not_sent: bad(10),
        ..NetworkFaults::default()
    }
}

/// Runs a change that dies at every effect, in every weather, and lets `check` look at what came of it.
fn at_every_effect(change: impl Fn(&mut DesiredState), check: impl Fn(&Stage, &BTreeSet<String>, &str)) {
    let before = fleet();
    let mut after = before.clone();
    change(&mut after);
    let mut deaths = 0;
    for sky in 0..4 {
        for dies in 0..EFFECTS_MAX {
            let mut stage = Stage::set(dies * 4 + sky, &before);
            let old = stage.live();
            stage.world.set_faults(weather(sky));
            let exit = stage.apply(&after, Some(dies));
            let about = format!("dies at {dies} under sky {sky}");
            deaths += usize::from(exit.is_none());
            assert!(stage.live().len() >= 2, "{about}: an address has no instance\n{}", stage.log());
            let pause = stage.chance.pick(&[0, 1, 60, 400, 2000]);
            stage.world.clock.advance(Duration::from_secs(pause));
            stage.settle(&after);
            assert_eq!(stage.live().len(), 2, "{about}\n{}", stage.log());
            check(&stage, &old, &about);
            if exit == Some(ApplyExit::Done) && sky == 0 {
                break;
            }
        }
    }
    assert!(deaths > 50, "only {deaths} processes died");
}

#[test]
fn an_upgrade_is_ordered_once() {
    let change = |desired: &mut DesiredState| {
        desired.instances.values_mut().for_each(|instance| instance.spec.bundle_id = LARGE.into());
    };
    at_every_effect(change, |stage, old, about| {
        for id in old {
            assert_eq!(stage.field(id, "BundleId"), LARGE, "{about}");
            let orders = stage.world.carried_out("ModifyInstancesBundle", id);
            assert_eq!(stage.field(id, "InstanceState"), "RUNNING", "{about}\n{}", stage.log());
            assert_eq!(orders, 1, "{about}: {id} was upgraded {orders} times\n{}", stage.log());
        }
    });
}

#[test]
fn a_disk_is_wiped_once() {
    let change = |desired: &mut DesiredState| {
        desired.instances.values_mut().for_each(|instance| instance.spec.blueprint_id = "lhbp-5e8807lo".into());
    };
    at_every_effect(change, |stage, old, about| {
        for id in old {
            assert_eq!(stage.field(id, "BlueprintId"), "lhbp-5e8807lo", "{about}");
            let orders = stage.world.carried_out("ResetInstance", id);
            assert_eq!(stage.field(id, "InstanceState"), "RUNNING", "{about}\n{}", stage.log());
            assert_eq!(orders, 1, "{about}: {id} was wiped {orders} times\n{}", stage.log());
        }
    });
}

#[test]
fn a_replacement_leaves_never_two_and_never_none() {
    let change = |desired: &mut DesiredState| {
        desired.instances.values_mut().for_each(|instance| instance.spec.zones = vec!["ap-guangzhou-6".into()]);
    };
    at_every_effect(change, |stage, old, about| {
        let live = stage.live();
        assert!(live.is_disjoint(old), "{about}: an old one still stands\n{}", stage.log());
        for id in old {
            assert_eq!(stage.field(id, "InstanceState"), "SHUTDOWN", "{about}");
        }
        for id in &live {
            assert_eq!(stage.field(id, "Zone"), "ap-guangzhou-6", "{about}");
        }
        let all = stage.world.instances().len();
        assert_eq!(all, 4, "{about}: {all} were bought in all\n{}", stage.log());
    });
}

#[test]
fn a_renewal_is_ordered_once() {
    renew_at_every_effect();
}

/// The proof that these tests can fail.
#[test]
fn an_order_that_is_repeated_at_once_is_found_out() {
    sabotage::set(Sabotage::RepeatOrders);
    let found = std::panic::catch_unwind(renew_at_every_effect);
    sabotage::set(Sabotage::Sound);
    assert!(found.is_err());
}

fn renew_at_every_effect() {
    let desired = fleet();
    for sky in 0..4 {
        for dies in 0..EFFECTS_MAX {
            let mut stage = Stage::set(dies * 4 + sky, &desired);
            let id = {
                let all = stage.world.instances();
                let named = all.iter().find(|one| one["InstanceName"] == "web-0").expect("it stands");
                named["InstanceId"].as_str().expect("an id").to_owned()
            };
            let until = stage.field(&id, "ExpiredTime");
            stage.world.set_faults(weather(sky));
            let exit = stage.renew(&desired, Some(dies));
            let pause = stage.chance.pick(&[0, 1, 60, 400, 2000]);
            stage.world.clock.advance(Duration::from_secs(pause));
            // What became of it is found out, and not asked for again.
            stage.settle(&desired);
            let orders = stage.world.carried_out("RenewInstances", &id);
            let renewed = stage.field(&id, "ExpiredTime") != until;
            let about = format!("dies at {dies} under sky {sky}: ended {exit:?}");
            assert!(orders <= 1, "{about}: renewed {orders} times\n{}", stage.log());
            assert_eq!(renewed, orders == 1, "{about}");
            if exit == Some(ApplyExit::Done) {
                assert!(renewed, "{about}: it said that it was done\n{}", stage.log());
                if sky == 0 {
                    break;
                }
            }
        }
    }
}
