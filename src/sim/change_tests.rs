//! A process that dies at every effect of an upgrade, a reinstall, a replacement and a renewal, on a disk that keeps what was
//! synced, before a network that loses answers: nothing is ordered twice, and an address has never two instances for good, and
//! never none. A command that died, given again, completes what it ordered and orders nothing twice.

use super::fleet;
use super::sabotage::{self, Sabotage};
use super::stage::{EFFECTS_MAX, LARGE, SMALL, Stage, is_about_account, weather};
use crate::desired::DesiredState;
use crate::model::{Address, Replace, Site};
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
                Some(Err(OpsError::Blocked(blocked))) if blocked.iter().all(is_about_account) => {
                    Some(ApplyExit::Failed)
                }
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

fn destroy_first(desired: &mut DesiredState) {
    for instance in desired.instances.values_mut() {
        instance.replace = Replace::DestroyFirst;
        Arc::make_mut(&mut instance.spec).zones = vec!["ap-guangzhou-6".into()];
    }
}

#[test]
fn a_replacement_that_destroys_first_buys_its_second_half() {
    destroy_first_at_every_effect();
}

fn destroy_first_at_every_effect() {
    let before = two();
    let mut after = before.clone();
    destroy_first(&mut after);
    let (mut deaths, mut halves) = (0, 0);
    for sky in 0..4 {
        for dies in 0..EFFECTS_MAX {
            let mut stage = Stage::set(dies * 4 + sky, &before);
            let old = stage.live();
            stage.world.set_faults(weather(sky));
            let exit = stage.apply(&after, Some(dies));
            let about = format!("dies at {dies} under sky {sky}");
            deaths += usize::from(exit.is_none());
            let pause = stage.chance.pick(&[0, 1, 60, 400, 2000]);
            stage.world.clock.advance(Duration::from_secs(pause));
            if exit.is_none() && sky == 0 && stage.live().is_empty() {
                // Consent was given to the first half, and that is on record.
                halves += 1;
                let ended = stage.apply_without_consent(&after);
                assert!(matches!(ended, Some(Ok(ApplyExit::Done))), "{about}: {ended:?}\n{}", stage.log());
            }
            stage.settle(&after);
            let live = stage.live();
            assert_eq!(live.len(), 2, "{about}\n{}", stage.log());
            assert!(live.is_disjoint(&old), "{about}: an old one still stands\n{}", stage.log());
            let all = stage.world.instances().len();
            assert_eq!(all, 4, "{about}: {all} were bought in all\n{}", stage.log());
            if exit == Some(ApplyExit::Done) && sky == 0 {
                break;
            }
        }
    }
    assert!(deaths > 50 && halves > 3, "only {deaths} processes died, {halves} between the halves");
}

#[test]
fn a_replacement_that_was_asked_for_is_made_once() {
    replace_at_every_effect();
}

fn replace_at_every_effect() {
    let mut deaths = 0;
    for replace in [Replace::CreateFirst, Replace::DestroyFirst] {
        let mut before = two();
        before.instances.values_mut().for_each(|instance| instance.replace = replace);
        let web = Address::indexed("web", 0);
        let mut after = before.clone();
        after.instances.get_mut(&web).expect("it is wanted").replace_now = true;
        for sky in 0..4 {
            for dies in 0..EFFECTS_MAX {
                let mut stage = Stage::set(dies * 4 + sky, &before);
                stage.world.set_faults(weather(sky));
                let exit = stage.apply(&after, Some(dies));
                let about = format!("{replace:?} dies at {dies} under sky {sky}: {exit:?}");
                deaths += usize::from(exit.is_none());
                let pause = stage.chance.pick(&[0, 1, 60, 400, 2000]);
                stage.world.clock.advance(Duration::from_secs(pause));
                if dies % 3 == 0 {
                    // Another command in between, which knows of no order.
                    drop(stage.try_apply(&before));
                }
                if exit != Some(ApplyExit::Done) {
                    stage.settle(&after);
                }
                let all = stage.world.instances().len();
                assert_eq!((all, stage.live().len()), (3, 2), "{about}\n{}", stage.log());
                if exit == Some(ApplyExit::Done) && sky == 0 {
                    // It came to its end: the same words are a new order.
                    stage.settle(&after);
                    let all = stage.world.instances().len();
                    assert_eq!(all, 4, "{about}\n{}", stage.log());
                    break;
                }
            }
        }
    }
    assert!(deaths > 100, "only {deaths} processes died");
}

#[test]
fn a_renewal_that_is_commanded_again_is_ordered_once() {
    renew_until_done_at_every_effect();
}

fn renew_until_done_at_every_effect() {
    let desired = two();
    let options = RenewOptions {
        addresses: desired.instances.keys().cloned().collect(),
        months: Some(1),
        ceilings: Ceilings::default(),
        adopt: false,
        assume_yes: false,
        accept_unknown_price: true,
    };
    let mut deaths = 0;
    for sky in 0..4 {
        for dies in 0..EFFECTS_MAX {
            let mut stage = Stage::set(dies * 4 + sky, &desired);
            stage.world.set_faults(weather(sky));
            let renew_once = |stage: &mut Stage, dies: Option<u64>| {
                let work = async |context: &Context| renew(context, &desired, &options, &|_| Consent::Given).await;
                let ended = stage.perform(&desired, dies, work).map(|ended| ended.map(|report| report.exit));
                stage.world.log(format!("renew ended: {ended:?}"));
                ended
            };
            let first = renew_once(&mut stage, Some(dies));
            deaths += usize::from(first.is_none());
            let is_done = matches!(first, Some(Ok(ApplyExit::Done)));
            let about = format!("dies at {dies} under sky {sky}: {first:?}");
            let pause = stage.chance.pick(&[0, 1, 60, 400, 2000]);
            stage.world.clock.advance(Duration::from_secs(pause));
            if dies % 3 == 0 {
                drop(stage.try_apply(&desired));
            }
            stage.world.set_faults(weather(0));
            let mut again = is_done;
            for _ in 0..6 {
                again = again || matches!(renew_once(&mut stage, None), Some(Ok(ApplyExit::Done)));
                stage.world.clock.advance(Duration::from_secs(16 * 60));
            }
            assert!(again, "{about}: never done\n{}", stage.log());
            let orders = |stage: &Stage| -> Vec<usize> {
                stage.live().iter().map(|id| stage.world.carried_out("RenewInstances", id)).collect()
            };
            assert_eq!(orders(&stage), [1, 1], "{about}\n{}", stage.log());
            if is_done && sky == 0 {
                // It came to its end: the same words are a new order.
                drop(renew_once(&mut stage, None));
                assert_eq!(orders(&stage), [2, 2], "{about}\n{}", stage.log());
                break;
            }
        }
    }
    assert!(deaths > 50, "only {deaths} processes died");
}

/// The proof that these tests can fail.
#[test]
fn a_forgotten_half_and_a_repeated_order_are_found_out() {
    for (mutation, test) in [
        (Sabotage::ForgetReplacement, destroy_first_at_every_effect as fn()),
        (Sabotage::RepeatCommand, replace_at_every_effect),
        (Sabotage::RepeatCommand, renew_until_done_at_every_effect),
    ] {
        sabotage::set(mutation);
        let found = std::panic::catch_unwind(test);
        sabotage::set(Sabotage::Sound);
        assert!(found.is_err(), "{mutation:?} was not found");
    }
}
