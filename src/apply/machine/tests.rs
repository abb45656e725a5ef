//! The machine alone, an input at a time: what follows from how old an attempt is, who still wants it, and what was seen.

use super::*;
use crate::apply::effect::Effect;
use crate::cloud::{CloudError, ErrorClass};
use crate::desired::{DesiredState, load_sources};
use crate::manifest::{Given, Sources};
use crate::model::{Attributes, Lineage, ObservedInstance};
use crate::observe::state::ObservedState;
use crate::plan::{Inputs, Options, Planned, plan};
use crate::state::fold::Attempt;
use crate::state::{Binding, OpenIntent, PriorState};

const MINUTE: Duration = Duration::from_secs(60);
const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);
const BUNDLE: &str = "bundle_rs_nmc_lin_med2_01";

fn wanted(count: u32, bundle: &str, ownership: &str) -> DesiredState {
    let text = format!(
        "version: 1\nstack: shop\nregion: ap-guangzhou\nownership: {ownership}\ninstances:\n  web:\n    count: {count}\n    \
         bundle_id: {bundle}\n    blueprint_id: lhbp-f1lkcd41\n    instance_name: web\n    charge: {{ period: 1 }}\n"
    );
    load(&text)
}

fn load(text: &str) -> DesiredState {
    let (desired, _, problems) = load_sources(Sources::from_texts([("m.yaml", text)]), &Given::default(), &|_| None);
    desired.unwrap_or_else(|| panic!("{problems:?}"))
}

fn empty_state(desired: &DesiredState) -> PriorState {
    let binding = Binding {
        stack: desired.stack.clone(),
        site: desired.site,
        region: desired.region.clone(),
        endpoint: "sandbox".into(),
        account: None,
    };
    PriorState::new(Lineage("l".into()), binding)
}

fn seen(at: Timestamp, instances: &[ObservedInstance]) -> ObservedState {
    ObservedState {
        at,
        instances: instances.iter().map(|instance| (instance.id.clone(), instance.clone())).collect(),
        owned: instances.iter().map(|instance| instance.id.clone()).collect(),
        asked: true,
        ..ObservedState::default()
    }
}

fn planned(desired: &DesiredState, observed: &ObservedState, options: Options) -> Planned {
    let (prior, open) = (empty_state(desired), OpenIntents::new());
    plan(Inputs { desired, manifest: desired, prior: &prior, open: &open, observed, selection: None }, options)
}

/// An instance of that name, created at that time.
fn instance(id: &str, bundle: &str, created: Timestamp) -> ObservedInstance {
    ObservedInstance {
        id: InstanceId(id.into()),
        attributes: Attributes {
            state: "RUNNING".into(),
            instance_name: "web".into(),
            bundle_id: bundle.into(),
            blueprint_id: "lhbp-f1lkcd41".into(),
            zone: "ap-guangzhou-3".into(),
            created_time: Some(created),
            ..Attributes::default()
        },
        operation_request_id: String::new(),
        operation_state: String::new(),
        platform: String::new(),
    }
}

/// What purchasing `bought` left open, its attempts so long before noon.
fn left_open(bought: &DesiredState, attempts: &[Duration]) -> OpenIntents {
    let batch = planned(bought, &seen(NOON, &[]), Options::default()).plan.batches.remove(0);
    let intent = Intent {
        token: batch.token.clone(),
        body: batch.body.clone(),
        members: batch.members.clone(),
        spec: batch.spec.to_json("salt"),
        secret: None,
        since: None,
    };
    let mut entry = OpenIntent::new(intent);
    entry.attempts = attempts.iter().map(|ago| Attempt { at: NOON.minus(*ago), no_effect: false }).collect();
    let mut open = OpenIntents::new();
    open.insert(batch.token, entry);
    open
}

fn setup(desired: &DesiredState) -> Setup {
    Setup::new(desired, "salt".into(), 7)
}

fn settling(desired: &DesiredState, open: OpenIntents) -> Machine {
    Machine::new(setup(desired), empty_state(desired), open, Job::Settle { desired })
}

fn buying(desired: &DesiredState, observed: &ObservedState, options: Options) -> Machine {
    let planned = planned(desired, observed, options);
    let setup = Setup { buy_anyway: options.buy_anyway, ..setup(desired) };
    let job = Job::Apply { plan: &planned.plan, desired, observed };
    Machine::new(setup, empty_state(desired), OpenIntents::new(), job)
}

/// What the driver is asked for, a word each; progress and notes left out. A signature asked for is given at once.
fn step(machine: &mut Machine, now: Timestamp, input: Input) -> Vec<String> {
    let mut words = Vec::new();
    let mut inputs = vec![input];
    while let Some(input) = inputs.pop() {
        for effect in machine.handle(now, input) {
            words.extend(match effect {
                Effect::Journal(records) => records
                    .iter()
                    .map(|record| {
                        let word = match record {
                            Record::Intent(_) => "intent",
                            Record::Attempt { .. } => "attempt",
                            Record::NoEffect { .. } => "no effect",
                            Record::Closed { .. } => "closed",
                            Record::Refused { .. } => "refused for good",
                            Record::Assigned { .. } => "assigned",
                            _ => "other",
                        };
                        word.to_owned()
                    })
                    .collect(),
                Effect::Sign { purchase, .. } => {
                    inputs.push(Input::Signed { purchase, result: Ok(now) });
                    vec!["sign".to_owned()]
                }
                Effect::Look => vec!["look".to_owned()],
                Effect::Turn(action) => vec![format!("turn {action}")],
                Effect::Send { .. } => vec!["send".to_owned()],
                Effect::DryRun { .. } => vec!["dry run".to_owned()],
                Effect::Timer { id: TimerId::Look, at } => vec![format!("look in {} s", at.since(now).as_secs())],
                Effect::Describe(_) | Effect::Write { .. } | Effect::Timer { .. } | Effect::Emit(_) => Vec::new(),
            });
        }
    }
    words
}

fn refusal() -> CloudError {
    CloudError {
        code: Some("ResourcesSoldOut.BundleSoldOut".into()),
        ..CloudError::transport(ErrorClass::Refused, "CreateInstances", "sold out")
    }
}

fn statuses(machine: Machine) -> Vec<(String, ItemStatus)> {
    machine.finish().items.iter().map(|item| (item.address.to_string(), item.status)).collect()
}

#[test]
fn what_nobody_wants_any_more_is_looked_for_and_not_asked_for() {
    let open = left_open(&wanted(2, BUNDLE, "tags"), &[MINUTE]);
    let mut machine = settling(&wanted(1, BUNDLE, "tags"), open);
    assert_eq!(step(&mut machine, NOON, Input::Start), ["look"]);
    assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(vec![]))), ["look in 5 s"]);
    let later = NOON.plus(15 * MINUTE);
    assert_eq!(step(&mut machine, later, Input::Timer(TimerId::Look)), ["look"]);
    assert_eq!(step(&mut machine, later, Input::Looked(Ok(vec![]))), ["closed"]);
    assert!(machine.is_finished());
}

#[test]
fn what_is_still_wanted_is_asked_for_again_however_batches_are_cut_now() {
    for now_wanted in [2, 3] {
        let open = left_open(&wanted(2, BUNDLE, "tags"), &[MINUTE]);
        let mut machine = settling(&wanted(now_wanted, BUNDLE, "tags"), open);
        assert_eq!(step(&mut machine, NOON, Input::Start), ["sign", "look"]);
        let words = step(&mut machine, NOON, Input::Looked(Ok(vec![])));
        assert_eq!(words, ["turn CreateInstances", "attempt"]);
    }
}

#[test]
fn a_refusal_is_as_old_as_the_look_before_it() {
    // A request is certainly listed after 6 minutes. The look was made at 4, the refusal is read at 7.
    let mut desired = wanted(2, BUNDLE, "tags");
    desired.visibility_grace = MINUTE;
    let mut machine = settling(&desired, left_open(&desired, &[4 * MINUTE]));
    step(&mut machine, NOON, Input::Start);
    step(&mut machine, NOON, Input::Looked(Ok(vec![])));
    step(&mut machine, NOON, Input::Turn(crate::cloud::port::WriteAction::CreateInstances));
    let late = Input::Sent { purchase: 0, result: Err(refusal()) };
    assert_eq!(step(&mut machine, NOON.plus(3 * MINUTE), late), ["no effect", "look in 0 s"]);
    assert_eq!(machine.open.len(), 1);
}

#[test]
fn a_token_that_is_refused_though_a_dry_run_passes_becomes_the_predecessor() {
    let desired = wanted(1, BUNDLE, "tags");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    assert_eq!(step(&mut machine, NOON, Input::Start), ["intent", "sign", "look"]);
    let mut now = NOON;
    for round in 0..2 {
        assert_eq!(step(&mut machine, now, Input::Looked(Ok(vec![]))), ["turn CreateInstances", "attempt"]);
        assert_eq!(step(&mut machine, now, Input::Turn(crate::cloud::port::WriteAction::CreateInstances)), ["send"]);
        let words = step(&mut machine, now, Input::Sent { purchase: 0, result: Err(refusal()) });
        assert_eq!(words, ["no effect", "dry run"]);
        let words = step(&mut machine, now, Input::DryRan { purchase: 0, result: Ok(()) });
        if round == 0 {
            assert_eq!(words, ["look in 0 s"]);
            now = now.plus(MINUTE);
            assert_eq!(step(&mut machine, now, Input::Timer(TimerId::Look)), ["sign", "look"]);
        } else {
            assert_eq!(words, ["refused for good"]);
        }
    }
    let token = machine.purchases[0].intent.token.clone();
    let account = machine.finish();
    assert!(account.replan && account.open.is_empty());
    assert_eq!(account.state.predecessors.values().collect::<Vec<_>>(), [&crate::model::Predecessor::Purchase(token)]);
}

/// Ids that are asked about, where an input leads to that.
fn asked_about(machine: &mut Machine, now: Timestamp, input: Input) -> Option<Vec<InstanceId>> {
    let effects = machine.handle(now, input).into_iter();
    effects.filter_map(|effect| if let Effect::Describe(ids) = effect { Some(ids) } else { None }).next()
}

#[test]
fn a_clock_that_is_set_back_stops_no_look() {
    let desired = wanted(1, BUNDLE, "tags");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    step(&mut machine, NOON, Input::Looked(Ok(vec![])));
    step(&mut machine, NOON, Input::Turn(crate::cloud::port::WriteAction::CreateInstances));
    let bought = vec![InstanceId::from("lhins-1")];
    step(&mut machine, NOON, Input::Sent { purchase: 0, result: Ok((bought.clone(), "r".into())) });
    let boots = || {
        let mut boots = instance("lhins-1", BUNDLE, NOON);
        boots.attributes.state = "PENDING".into();
        Input::Described { asked: vec![boots.id.clone()], result: Ok(BTreeMap::from([(boots.id.clone(), boots)])) }
    };
    let poll = || Input::Timer(TimerId::Poll);
    let quarter = Duration::from_millis(250);
    assert_eq!(asked_about(&mut machine, NOON, poll()), None);
    assert_eq!(asked_about(&mut machine, NOON.plus(quarter), poll()), Some(bought.clone()));
    machine.handle(NOON.plus(quarter), boots());
    let before = NOON.minus(60 * MINUTE);
    assert_eq!(asked_about(&mut machine, before, poll()), Some(bought));
    let next = machine.handle(before, boots()).into_iter().find_map(|effect| match effect {
        Effect::Timer { id: TimerId::Poll, at } => Some(at),
        _ => None,
    });
    assert_eq!(next, Some(before.plus(quarter)));
}

#[test]
fn a_dry_run_that_is_refused_as_well_ends_the_item() {
    let desired = wanted(1, BUNDLE, "tags");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    step(&mut machine, NOON, Input::Looked(Ok(vec![])));
    step(&mut machine, NOON, Input::Turn(crate::cloud::port::WriteAction::CreateInstances));
    step(&mut machine, NOON, Input::Sent { purchase: 0, result: Err(refusal()) });
    let words = step(&mut machine, NOON, Input::DryRan { purchase: 0, result: Err(refusal()) });
    assert_eq!(words, ["closed"]);
    assert!(machine.is_finished() && machine.state.predecessors.is_empty());
    assert_eq!(statuses(machine), [("web[0]".to_owned(), ItemStatus::Failed)]);
}

#[test]
fn an_answer_without_ids_is_no_answer() {
    let desired = wanted(1, BUNDLE, "tags");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    step(&mut machine, NOON, Input::Looked(Ok(vec![])));
    step(&mut machine, NOON, Input::Turn(crate::cloud::port::WriteAction::CreateInstances));
    let nothing = Input::Sent { purchase: 0, result: Ok((vec![], crate::model::RequestId("r".into()))) };
    assert_eq!(step(&mut machine, NOON, nothing), ["look in 0 s"]);
    assert!(machine.open.values().all(|entry| entry.is_unsure() && entry.answer.is_none()));
}

#[test]
fn without_tags_a_name_alone_stops_a_purchase() {
    let desired = wanted(1, BUNDLE, "name");
    let other = instance("lhins-other", "bundle_rs_nmc_lin_med4_01", NOON.minus(60 * MINUTE));
    let plan = planned(&desired, &seen(NOON, std::slice::from_ref(&other)), Options::default());
    assert!(plan.blocked[0].what.contains("lhins-other"), "{:?}", plan.blocked);

    // The same, listed between the plan's look and the purchase's.
    let recent = instance("lhins-other", "bundle_rs_nmc_lin_med4_01", NOON.minus(2 * MINUTE));
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(vec![recent]))), ["closed"]);
    assert_eq!(statuses(machine), [("web[0]".to_owned(), ItemStatus::Unclear)]);

    // Passed over by consent, it stays passed over at the look.
    let options = Options { buy_anyway: true, ..Options::default() };
    let mut machine = buying(&desired, &seen(NOON, std::slice::from_ref(&other)), options);
    step(&mut machine, NOON, Input::Start);
    let words = step(&mut machine, NOON, Input::Looked(Ok(vec![other])));
    assert_eq!(words, ["turn CreateInstances", "attempt"]);
}

#[test]
fn without_tags_what_was_listed_since_the_plan_is_taken() {
    let desired = wanted(1, BUNDLE, "name");
    let ours = instance("lhins-ours", BUNDLE, NOON.minus(2 * MINUTE));
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    let words = step(&mut machine, NOON.plus(MINUTE), Input::Looked(Ok(vec![ours])));
    assert_eq!(words, ["assigned"]);
}

#[test]
fn without_tags_a_batch_that_is_listed_in_part_is_waited_for() {
    let desired = wanted(2, BUNDLE, "name");
    let recent = instance("lhins-one", BUNDLE, NOON.minus(MINUTE));
    let plan = planned(&desired, &seen(NOON, std::slice::from_ref(&recent)), Options::default());
    assert!(plan.blocked.is_empty(), "{:?}", plan.blocked);
    let mut machine = buying(&desired, &seen(NOON, std::slice::from_ref(&recent)), Options::default());
    step(&mut machine, NOON, Input::Start);
    assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(vec![recent]))), ["look in 5 s"]);

    // One that is older than the grace is no arrival: its batch came short long ago, or it is another's.
    let old = instance("lhins-one", BUNDLE, NOON.minus(60 * MINUTE));
    let plan = planned(&desired, &seen(NOON, &[old]), Options::default());
    assert_eq!(plan.blocked.len(), 1);
}

/// So many instances of one name, created a minute before noon.
fn many(count: usize) -> Vec<ObservedInstance> {
    (0..count).map(|number| instance(&format!("lhins-{number:02}"), BUNDLE, NOON.minus(MINUTE))).collect()
}

#[test]
fn without_tags_and_state_as_many_candidates_as_equal_members_are_no_ambiguity() {
    let desired = wanted(60, BUNDLE, "name");
    let planned = planned(&desired, &seen(NOON, &many(60)), Options::default());
    assert!(planned.blocked.is_empty() && planned.plan.batches.is_empty(), "{:?}", planned.blocked);
    assert_eq!(planned.adopted.len(), 60);
}

#[test]
fn without_tags_purchases_that_are_alike_are_decided_together() {
    let desired = wanted(60, BUNDLE, "name");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    // Another writer's, the second batch still to be listed.
    assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(many(45)))), ["look in 5 s"]);
    let now = NOON.plus(MINUTE);
    assert_eq!(step(&mut machine, now, Input::Timer(TimerId::Look)), ["sign", "sign", "look"]);
    assert_eq!(step(&mut machine, now, Input::Looked(Ok(many(60)))), ["assigned", "assigned"]);
    let ids: BTreeSet<_> = machine.state.instances.values().map(|recorded| &recorded.instance_id).collect();
    assert_eq!(ids.len(), 60);
}

#[test]
fn without_tags_what_one_on_the_wire_may_have_bought_is_not_taken_by_another() {
    let desired = wanted(60, BUNDLE, "name");
    let create = || Input::Turn(crate::cloud::port::WriteAction::CreateInstances);
    let lost = CloudError::transport(ErrorClass::Ambiguous, "CreateInstances", "no answer");
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    step(&mut machine, NOON, Input::Looked(Ok(vec![])));
    step(&mut machine, NOON, create());
    step(&mut machine, NOON, Input::Sent { purchase: 0, result: Err(lost.clone()) });
    step(&mut machine, NOON, create());
    let now = NOON.plus(MINUTE);
    assert_eq!(step(&mut machine, now, Input::Timer(TimerId::Look)), ["sign", "look"]);
    // The first one's or the second one's: that one is still on the wire.
    assert_eq!(step(&mut machine, now, Input::Looked(Ok(many(30)))), ["look in 5 s"]);
    let ids = many(30).into_iter().map(|instance| instance.id).collect();
    let answer = Ok((ids, crate::model::RequestId("r".into())));
    let words = step(&mut machine, now, Input::Sent { purchase: 1, result: answer });
    assert_eq!(words, ["other", "assigned", "look in 5 s"]);
    // They were the second one's, so the first was never bought.
    let now = now.plus(MINUTE);
    assert_eq!(step(&mut machine, now, Input::Timer(TimerId::Look)), ["sign", "look"]);
    let words = step(&mut machine, now, Input::Looked(Ok(many(30))));
    assert_eq!(words, ["turn CreateInstances", "attempt"]);
}

#[test]
fn a_tag_is_read_through_what_was_moved() {
    let text = "version: 1\nstack: shop\nregion: ap-guangzhou\nmoved: [{ from: old, to: web }]\ninstances:\n  web:\n    count: 1\n    \
                bundle_id: bundle_rs_nmc_lin_med2_01\n    blueprint_id: lhbp-f1lkcd41\n    charge: { period: 1 }\n";
    let mut moved = instance("lhins-moved", BUNDLE, NOON.minus(60 * MINUTE));
    moved.attributes.tags.insert("lhprov-stack".into(), "shop".into());
    moved.attributes.tags.insert("lhprov-batch".into(), "0123456789abcdef old[0-4]".into());

    // Without the state, what bears the old address may be what stands at the new one: nothing is bought beside it.
    for text in [text, &text.replace("moved: [{ from: old, to: web }]\n", "")] {
        let desired = load(text);
        let plan = planned(&desired, &seen(NOON, std::slice::from_ref(&moved)), Options::default());
        assert!(plan.blocked[0].what.contains("lhins-moved"), "{:?}", plan.blocked);
    }
    // Also where it is listed between the plan's look and the purchase's.
    let desired = load(text);
    let mut machine = buying(&desired, &seen(NOON, &[]), Options::default());
    step(&mut machine, NOON, Input::Start);
    assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(vec![moved.clone()]))), ["closed"]);
    assert_eq!(statuses(machine), [("web[0]".to_owned(), ItemStatus::Unclear)]);
    // What the manifest lets go is in nobody's way.
    let desired = load(&text.replace("moved: [{ from: old, to: web }]", "forget: [old]"));
    let plan = planned(&desired, &seen(NOON, &[moved]), Options::default());
    assert!(plan.blocked.is_empty(), "{:?}", plan.blocked);
}

#[test]
fn an_answer_with_too_many_ids_stays_unclear_until_consent_and_nothing_of_it_is_forgotten() {
    let desired = wanted(1, BUNDLE, "tags");
    let mut open = left_open(&desired, &[MINUTE]);
    let answered = crate::state::fold::Answered {
        ids: vec![InstanceId("lhins-a".into()), InstanceId("lhins-b".into())],
        at: NOON.minus(MINUTE),
        request_id: "r".into(),
    };
    open.values_mut().for_each(|entry| entry.answer = Some(answered.clone()));
    let mut machine = settling(&desired, open.clone());
    assert_eq!(step(&mut machine, NOON, Input::Start), Vec::<String>::new());
    assert_eq!(machine.open.len(), 1);
    assert_eq!(statuses(machine), [("web[0]".to_owned(), ItemStatus::Unclear)]);

    let setup = Setup { buy_anyway: true, ..setup(&desired) };
    let mut machine = Machine::new(setup, empty_state(&desired), open, Job::Settle { desired: &desired });
    assert_eq!(step(&mut machine, NOON, Input::Start), ["assigned"]);
    assert_eq!(machine.state.instances.len(), 1);
    assert_eq!(machine.state.deposed[0].instance_id.as_str(), "lhins-b");
}

#[test]
fn a_batch_that_stays_listed_in_part_is_taken_as_it_is_by_consent() {
    let desired = wanted(2, BUNDLE, "name");
    for buy_anyway in [false, true] {
        let setup = Setup { buy_anyway, ..setup(&desired) };
        let open = left_open(&desired, &[MINUTE]);
        let mut machine = Machine::new(setup, empty_state(&desired), open, Job::Settle { desired: &desired });
        step(&mut machine, NOON, Input::Start);
        assert_eq!(step(&mut machine, NOON, Input::Looked(Ok(many(1)))), ["look in 5 s"]);
        let later = NOON.plus(11 * MINUTE);
        step(&mut machine, later, Input::Timer(TimerId::Look));
        let words = step(&mut machine, later, Input::Looked(Ok(many(1))));
        assert_eq!(words, if buy_anyway { vec!["assigned"] } else { vec![] });
        let account = machine.finish();
        assert_eq!(account.replan, buy_anyway);
        assert_eq!(
            account.items.last().map(|item| item.status),
            Some(if buy_anyway { ItemStatus::NotStarted } else { ItemStatus::Unclear })
        );
    }
}
