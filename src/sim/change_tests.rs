//! A process that dies at every effect of an upgrade, a reinstall, a replacement and a renewal, on a disk that keeps what was
//! synced, before a network that loses answers: nothing is ordered twice, and an address has never two instances for good, and
//! never none.

use super::fleet;
use super::sabotage::{self, Sabotage};
use super::stage::{EFFECTS_MAX, LARGE, SMALL, Stage, weather};
use crate::desired::DesiredState;
use crate::model::{Address, Site};
use crate::ops::{ApplyExit, Consent, Context, OpsError, RenewOptions, renew};
use crate::plan::limits::Ceilings;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn two() -> DesiredState {
    let instance = |n| fleet::instance(fleet::spec(SMALL, "ap-guangzhou-3", format!("web-{n}")));
    fleet::stack(Site::China, (0..2).map(|n| (Address::indexed("web", n), instance(n))).collect())
}

/// Runs a change that dies at every effect, in every weather, and lets `check` look at what came of it.
fn at_every_effect(change: impl Fn(&mut DesiredState), check: impl Fn(&Stage, &BTreeSet<String>, &str)) {
    let before = two();
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
        desired.instances.values_mut().for_each(|instance| Arc::make_mut(&mut instance.spec).bundle_id = LARGE.into());
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
        desired
            .instances
            .values_mut()
            .for_each(|instance| Arc::make_mut(&mut instance.spec).blueprint_id = "lhbp-5e8807lo".into());
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
        desired
            .instances
            .values_mut()
            .for_each(|instance| Arc::make_mut(&mut instance.spec).zones = vec!["ap-guangzhou-6".into()]);
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
    let desired = two();
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
            let options = RenewOptions {
                addresses: BTreeSet::from([Address::indexed("web", 0)]),
                months: Some(1),
                ceilings: Ceilings::default(),
                assume_yes: false,
                accept_unknown_price: true,
                adopt: false,
            };
            let work = async |context: &Context| renew(context, &desired, &options, &|_| Consent::Given).await;
            let exit = match stage.perform(&desired, Some(dies), work) {
                None => None,
                Some(Ok(report)) => Some(report.exit),
                // Bad weather may keep it from beginning.
                Some(Err(OpsError::Cloud(_))) => Some(ApplyExit::Failed),
                Some(Err(error)) => panic!("refused: {error}: {error:?}\n{}", stage.log()),
            };
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
