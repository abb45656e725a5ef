//! Plans of changes, from manifest texts: three-way comparison row by row, consents, what leaves, renewals, drift.

use super::change::{ACCEPT_NO_REFUND, ALLOW_DATA_LOSS, Change};
use super::check::check;
use super::drift::{Decision, Drift, drift};
use super::{Action, Inputs, Options, Planned, Reason, plan};
use crate::desired::{DesiredState, load_sources};
use crate::manifest::Sources;
use crate::manifest::variable::Given;
use crate::model::attributes::Field;
use crate::model::{Address, Attributes, InstanceId, Lineage, ObservedInstance, Predecessor, Replace, Site, Timestamp};
use crate::observe::catalogue::{BundleSize, Catalogue, Returnable, UpgradeOffer};
use crate::observe::state::ObservedState;
use crate::state::{AppliedSpec, Binding, DepartureReason, Deposed, OpenIntents, PriorState, RecordedInstance};
use std::collections::BTreeSet;
use std::time::Duration;

const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn of_text(text: &str) -> DesiredState {
    let environment = |name: &str| Some(format!("Pass-word-{name}-1"));
    let (desired, sources, diagnostics) =
        load_sources(Sources::from_texts([("lighthouse.yaml", text)]), &Given::default(), &environment);
    desired.unwrap_or_else(|| panic!("{:?} in {:?}", diagnostics.sorted(), sources.ids()))
}

fn db() -> Address {
    Address::single("db")
}

/// As a purchase sets them.
fn own_tags(stack: &str) -> [(String, String); 2] {
    [("lhprov-batch", "0123456789abcdef"), ("lhprov-stack", stack)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
}

/// A cloud and a state in which `applied` was applied.
pub(super) struct Case {
    pub(super) prior: PriorState,
    pub(super) observed: ObservedState,
}

impl Case {
    pub(super) fn of(applied: &DesiredState) -> Self {
        let binding = Binding {
            stack: applied.stack.clone(),
            site: Site::China,
            region: applied.region.clone(),
            endpoint: "sandbox".into(),
            account: None,
        };
        let mut prior = PriorState::new(Lineage("l".into()), binding);
        let mut observed = ObservedState { at: NOON, asked: true, ..ObservedState::default() };
        for (number, (address, instance)) in applied.instances.iter().enumerate() {
            let spec = &instance.spec;
            let id = InstanceId(format!("lhins-{number}"));
            let attributes = Attributes {
                state: "RUNNING".into(),
                instance_name: spec.instance_name.clone(),
                bundle_id: spec.bundle_id.clone(),
                blueprint_id: spec.blueprint_id.clone(),
                zone: "ap-guangzhou-3".into(),
                renew_flag: spec.charge.renew_flag.as_str().into(),
                tags: spec.tags.clone().into_iter().chain(own_tags(applied.stack.as_str())).collect(),
                expired_time: Some(NOON.plus(DAY * 20)),
                ..Attributes::default()
            };
            let recorded = RecordedInstance {
                instance_id: id.clone(),
                predecessor: Predecessor::None,
                seen: true,
                protect: instance.protect,
                unconfirmed: false,
                spec: AppliedSpec::from(spec.to_json("salt")),
                replacing: false,
                attributes: attributes.clone(),
            };
            prior.instances.insert(address.clone(), recorded);
            let live = ObservedInstance {
                id: id.clone(),
                attributes,
                operation_request_id: String::new(),
                operation_state: "SUCCESS".into(),
                platform: "LINUX_UNIX".into(),
            };
            observed.instances.insert(id, live);
        }
        observed.catalogue = catalogue();
        Self { prior, observed }
    }

    fn live(&mut self) -> &mut Attributes {
        &mut self.observed.instances.get_mut(&InstanceId::from("lhins-0")).expect("it stands").attributes
    }

    pub(super) fn inputs<'a>(&'a self, desired: &'a DesiredState, open: &'a OpenIntents) -> Inputs<'a> {
        Inputs { desired, manifest: desired, prior: &self.prior, open, observed: &self.observed, selection: None }
    }

    fn planned(&self, desired: &DesiredState) -> Planned {
        self.planned_with(desired, Options::default())
    }

    pub(super) fn planned_with(&self, desired: &DesiredState, options: Options) -> Planned {
        let open = OpenIntents::new();
        let inputs = self.inputs(desired, &open);
        let planned = plan(inputs, options);
        assert_eq!(check(inputs, &planned), Vec::<String>::new());
        planned
    }

    fn drift(&self, desired: &DesiredState) -> Vec<Drift> {
        drift(desired, &self.prior, &self.observed)
    }
}

fn catalogue() -> Catalogue {
    let size = |cpu| {
        Some(BundleSize { cpu: Some(cpu), memory: Some(2), disk: Some(40), bandwidth: Some(4), traffic: Some(300) })
    };
    let offer = UpgradeOffer::Available { price: Some("30.00".into()), currency: "CNY".into() };
    Catalogue {
        bundles: [("small".to_owned(), size(2)), ("large".to_owned(), size(4))].into(),
        upgrades: [("lhins-0".into(), offer)].into(),
        platforms: ["linux", "other"].map(|id| (id.to_owned(), Some("LINUX_UNIX".to_owned()))).into(),
        ..Catalogue::default()
    }
}

fn only(planned: &Planned) -> &Change {
    assert_eq!(planned.plan.changes.len(), 1, "{:#?}", planned.plan.changes);
    &planned.plan.changes[0]
}

fn names(change: &Change) -> Vec<&'static str> {
    change.diffs.iter().map(|diff| diff.kind.name()).collect()
}

/// Attribute, keys that give it one value, and keys that give it another; what a changed manifest asks for.
const ROWS: &[(&str, &str, &str, Action)] = &[
    ("instance_name", "instance_name: a", "instance_name: b", Action::Update),
    ("renew_flag", "", "charge: { period: 1, renew_flag: NOTIFY_AND_AUTO_RENEW }", Action::Update),
    ("tags", "tags: { a: x }", "tags: { a: y }", Action::Update),
    ("bundle_id", "", "bundle_id: large", Action::Upgrade),
    ("blueprint_id", "", "blueprint_id: other", Action::Reinstall),
    ("login.key_ids", "login: { key_ids: [lhkp-a] }", "login: { key_ids: [lhkp-b] }", Action::Update),
    ("login.password", "login: { password: \"${env:A}\" }", "login: { password: \"${env:B}\" }", Action::Update),
    ("login.auto_generate_password", "", "login: { auto_generate_password: true }", CREATE_FIRST),
    ("power", "power: running", "power: stopped", Action::Stop),
    ("zones", "zones: [ap-guangzhou-3]", "zones: [ap-guangzhou-6]", CREATE_FIRST),
    ("containers", "", "containers: [{ container_image: nginx }]", CREATE_FIRST),
    ("init_command", "init_command: { content: a }", "init_command: { content: b }", CREATE_FIRST),
    ("firewall_template_id", "", "firewall_template_id: lhft-abc", Action::Update),
    ("domain_name", "domain_name: a.example", "domain_name: b.example", CREATE_FIRST),
    ("subdomain", "domain_name: a.example\nsubdomain: a", "domain_name: a.example\nsubdomain: b", CREATE_FIRST),
];

const CREATE_FIRST: Action = Action::Replace(Replace::CreateFirst);

/// The keys of one case, over those that every case has.
fn with(keys: &str) -> DesiredState {
    let mut text = String::new();
    let own: Vec<&str> = keys.lines().filter_map(|line| line.split(':').next()).collect();
    for (key, line) in [
        ("bundle_id", "bundle_id: small"),
        ("blueprint_id", "blueprint_id: linux"),
        ("charge", "charge: { period: 1 }"),
    ] {
        if !own.contains(&key) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text.extend(keys.lines().map(|line| format!("    {line}\n")));
    of_text(&format!("version: 1\nstack: shop\nregion: ap-guangzhou\ninstances:\n  db:\n{text}"))
}

fn applied(keys: &str) -> Case {
    let desired = with(keys);
    let mut case = Case::of(&desired);
    if keys.contains("lhkp-a") {
        case.live().key_ids = vec!["lhkp-a".into()];
    }
    case
}

#[test]
fn a_changed_manifest_row_by_row() {
    for (name, before, after, action) in ROWS {
        let case = applied(before);
        assert_eq!(only(&case.planned(&with(before))).action, Action::NoOp, "{name}");
        let planned = case.planned(&with(after));
        assert!(!planned.diagnostics.has_errors(), "{name}: {:?}", planned.diagnostics.sorted());
        let change = only(&planned);
        assert_eq!((change.action, names(change)), (*action, vec![*name]), "{name}");
        assert_eq!(
            change.forces_replace.iter().map(|forced| forced.kind.name()).collect::<Vec<_>>(),
            match action {
                Action::Replace(_) => vec![*name],
                _ => vec![],
            }
        );
        // Neither of the manifest's last word nor of the cloud's: nobody is asked to change anything.
        let ignoring = format!("{after}\nignore_changes: [{}]", name.split('.').next().unwrap_or(name));
        assert_eq!(only(&case.planned(&with(&ignoring))).action, Action::NoOp, "{name} is ignored");
        let lost = planned.plan.needs.iter().any(|need| need.flag == ALLOW_DATA_LOSS);
        assert_eq!(lost, matches!(action, Action::Reinstall | Action::Replace(_)), "{name}");
    }
}

#[test]
fn what_changed_in_the_cloud_is_changed_back_where_the_cloud_tells() {
    type Touch = fn(&mut Attributes);
    let rows: &[(&str, &str, Touch, Action)] = &[
        ("instance_name", "", |live| live.instance_name = "x".into(), Action::Update),
        ("renew_flag", "", |live| live.renew_flag = "NOTIFY_AND_AUTO_RENEW".into(), Action::Update),
        ("tags", "tags: { a: x }", |live| drop(live.tags.remove("a")), Action::Update),
        ("bundle_id", "bundle_id: large", |live| live.bundle_id = "small".into(), Action::Upgrade),
        ("blueprint_id", "", |live| live.blueprint_id = "other".into(), Action::Reinstall),
        ("login.key_ids", "login: { key_ids: [lhkp-a] }", |live| live.key_ids.clear(), Action::Update),
        ("power", "power: running", |live| live.state = "STOPPED".into(), Action::Start),
    ];
    for (name, keys, touch, action) in rows {
        let mut case = applied(keys);
        touch(case.live());
        let desired = with(keys);
        let planned = case.planned(&desired);
        let change = only(&planned);
        assert_eq!((change.action, names(change)), (*action, vec![*name]), "{name}");
        let found = case.drift(&desired);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].decision, Decision::Revert, "{name}");
        assert_eq!(planned.plan.drift, found);
    }
    // Tags of others, and what nobody manages.
    let mut case = applied("");
    case.live().tags.insert("theirs".into(), "x".into());
    case.live().key_ids = vec!["lhkp-theirs".into()];
    case.live().state = "STOPPED".into();
    assert_eq!(only(&case.planned(&with(""))).action, Action::NoOp);
}

#[test]
fn a_manifest_written_after_the_cloud_adopts_it() {
    let mut case = applied("instance_name: a");
    case.live().instance_name = "b".into();
    let found = case.drift(&with("instance_name: b"));
    assert_eq!((found[0].name(), found[0].decision), ("instance_name", Decision::Adopt));
    assert_eq!(only(&case.planned(&with("instance_name: b"))).action, Action::NoOp);
    let ignoring = with("instance_name: a\nignore_changes: [instance_name]");
    assert_eq!(case.drift(&ignoring)[0].decision, Decision::Ignore);
    assert!(!case.drift(&ignoring)[0].counts());
}

/// The service names what it brings in its own way, and a run that is stopped does not come to rename it.
#[test]
fn a_name_that_was_never_set_was_changed_by_nobody() {
    let mut case = applied("instance_name: a");
    case.live().instance_name = "a-1".into();
    assert_eq!(case.drift(&with("instance_name: a")).len(), 1);
    for seen in ["a-1", ""] {
        case.prior.instances.get_mut(&db()).expect("it stands").attributes.instance_name = seen.into();
        assert_eq!(case.drift(&with("instance_name: a")), [], "{seen}");
    }
    assert_eq!(only(&case.planned(&with("instance_name: a"))).action, Action::Update);
    assert_eq!(case.drift(&with("instance_name: a-1"))[0].decision, Decision::Adopt);
}

#[test]
fn a_changed_period_is_no_change() {
    let case = applied("");
    assert_eq!(only(&case.planned(&with("charge: { period: 12 }"))).action, Action::NoOp);
}

#[test]
fn a_replacement_names_its_place_and_is_bought_before_the_old_one_goes() {
    let case = applied("zones: [ap-guangzhou-3]");
    let desired = with("zones: [ap-guangzhou-6]");
    let planned = case.planned(&desired);
    let change = only(&planned);
    assert_eq!(change.forces_replace[0].span, desired.instances[&db()].attribute_spans["zones"]);
    let batch = &planned.plan.batches[change.batch.expect("it is bought")];
    assert_eq!(batch.members[0].predecessor.as_str(), "lhins-0");
    let first = case.planned(&with("zones: [ap-guangzhou-6]\nreplace: destroy_first"));
    assert_eq!(only(&first).action, Action::Replace(Replace::DestroyFirst));
    assert!(first.plan.batches.is_empty());
    let protected = case.planned(&with("zones: [ap-guangzhou-6]\nprotect: true"));
    assert!(protected.blocked[0].what.contains("would be replaced"), "{:?}", protected.blocked);
}

#[test]
fn what_is_not_taken_back_needs_consent() {
    let mut case = applied("");
    let refused = Returnable { is_returnable: false, code: 3, message: String::new() };
    case.observed.catalogue.returnable.insert("lhins-0".into(), refused);
    let nothing = of_text("version: 1\nstack: shop\nregion: ap-guangzhou\ninstances: {}\n");
    let planned = case.planned_with(&nothing, Options { destroy: true, ..Options::default() });
    assert_eq!(planned.plan.needs.iter().map(|need| need.flag).collect::<Vec<_>>(), [ACCEPT_NO_REFUND]);
    assert!(only(&planned).refund.as_ref().is_some_and(|refund| refund.why().contains("five days")));
    let purged = case.planned_with(&nothing, Options { destroy: true, purge: true, ..Options::default() });
    assert_eq!(only(&purged).action, Action::Purge);
    assert_eq!(purged.plan.needs.iter().map(|need| need.flag).collect::<Vec<_>>(), [ALLOW_DATA_LOSS, ACCEPT_NO_REFUND]);
}

#[test]
fn what_is_isolated_already_is_forgotten_or_destroyed() {
    let mut case = applied("");
    case.live().state = "SHUTDOWN".into();
    let nothing = of_text("version: 1\nstack: shop\nregion: ap-guangzhou\ninstances: {}\n");
    let planned = case.planned_with(&nothing, Options { destroy: true, ..Options::default() });
    assert_eq!(only(&planned).action, Action::Forget);
    let purged = case.planned_with(&nothing, Options { destroy: true, purge: true, ..Options::default() });
    assert_eq!((only(&purged).action, &only(&purged).reason), (Action::Purge, &Reason::ReturnedAlready));
}

#[test]
fn a_replaced_instance_is_kept_until_its_successor_runs() {
    let mut case = applied("");
    let old =
        ObservedInstance { id: "lhins-old".into(), ..case.observed.instances[&InstanceId::from("lhins-0")].clone() };
    case.observed.instances.insert(old.id.clone(), old);
    case.prior.deposed.push(Deposed {
        address: db(),
        instance_id: "lhins-old".into(),
        reason: DepartureReason::Displaced,
    });
    let isolates = |planned: &Planned| planned.plan.changes.iter().any(|change| change.action == Action::Isolate);
    assert!(isolates(&case.planned(&with(""))));
    case.live().state = "PENDING".into();
    assert!(!isolates(&case.planned(&with(""))));
    case.live().state = "LAUNCH_FAILED".into();
    let planned = case.planned(&with(""));
    assert!(!planned.plan.changes.iter().any(|change| change.instance_id == Some("lhins-old".into())));
}

#[test]
fn an_isolated_instance_offers_its_renewal() {
    let mut case = applied("");
    case.live().state = "SHUTDOWN".into();
    let planned = case.planned(&with(""));
    let found = planned.diagnostics.sorted();
    assert!(found[0].code == "isolated" && found[0].help[0].contains("lhprov renew db"), "{found:?}");
    // Removed, and written again.
    let recorded = case.prior.instances.remove(&db()).expect("it stood");
    case.prior.predecessors.insert(db(), Predecessor::Instance(recorded.instance_id));
    let found = case.planned(&with("")).diagnostics.sorted();
    assert!(found[0].code == "recoverable" && found[0].help[0].contains("lhprov renew db"), "{found:?}");
}

#[test]
fn renewals() {
    let desired = with("");
    let mut case = applied("");
    let open = OpenIntents::new();
    let addresses = BTreeSet::from([db()]);
    let of = |case: &Case, months| {
        let inputs = Inputs {
            desired: &desired,
            manifest: &desired,
            prior: &case.prior,
            open: &open,
            observed: &case.observed,
            selection: None,
        };
        super::renewal::renewals(inputs, &addresses, months)
    };
    let planned = of(&case, None);
    assert_eq!(only(&planned).action, Action::Renew);
    assert!(matches!(only(&planned).reason, Reason::MoreTime { months: 1, comes_back: false, .. }));
    assert!(of(&case, Some(13)).diagnostics.has_errors());
    case.live().state = "SHUTDOWN".into();
    assert!(matches!(only(&of(&case, Some(2))).reason, Reason::MoreTime { months: 2, comes_back: true, .. }));
    // Nothing would tell afterwards.
    case.live().expired_time = None;
    assert!(of(&case, None).diagnostics.has_errors());
    case.observed.instances.clear();
    assert!(of(&case, None).diagnostics.has_errors());
    case.prior.instances.clear();
    assert!(of(&case, None).diagnostics.has_errors());
}

#[test]
fn each_state_in_plain_words() {
    let say = |state: &str| {
        let mut case = applied("");
        case.live().state = state.into();
        case.live().isolated_time = (state == "SHUTDOWN").then(|| NOON.plus(Duration::from_secs(60)));
        case.drift(&with("")).pop().and_then(|drift| drift.what).unwrap_or_default()
    };
    assert_eq!(say("RUNNING"), "");
    let words: Vec<String> = ["STOPPED", "SHUTDOWN", "FREEZING", "RESCUE_MODE", "TERMINATING", "NEW_STATE"]
        .iter()
        .map(|state| format!("{state}: {}", say(state)))
        .collect();
    insta::assert_snapshot!(words.join("\n"), @"
    STOPPED: is stopped
    SHUTDOWN: is isolated since 2027-01-15T08:01:00Z; it is released on 2027-01-22 unless `lhprov renew db` brings it back
    FREEZING: is frozen by the service: no network, and no operation is admitted
    RESCUE_MODE: is in rescue mode
    TERMINATING: is being destroyed
    NEW_STATE: is in a state that lhprov does not know (NEW_STATE)
    ");
    let mut case = applied("");
    case.live().restrict_state = "NETWORK_RESTRICT".into();
    let what = case.drift(&with("")).pop().and_then(|drift| drift.what);
    assert_eq!(what.as_deref(), Some("is running, but its network is restricted (NETWORK_RESTRICT)"));
    case.live().expired_time = Some(NOON);
    let found = case.drift(&with(""));
    assert!(found[0].what.as_ref().is_some_and(|what| what.starts_with("has expired")), "{found:?}");
    case.observed.instances.clear();
    assert_eq!(case.drift(&with("")).pop().and_then(|drift| drift.what).as_deref(), Some("is deleted in the cloud"));
}

#[test]
fn a_login_that_nobody_wishes_for_is_left_alone() {
    let case = applied("login: { password: \"${env:A}\" }");
    assert_eq!(only(&case.planned(&with(""))).action, Action::NoOp);
    assert_eq!(
        case.prior.instances[&db()].spec["login"]["password"]["fingerprint"].as_str().map(str::is_empty),
        Some(false)
    );
    assert!(!case.prior.instances[&db()].spec.is_null());
}

/// Fields, keys of a manifest that manages them, and keys that change them.
const UNREPORTED: &[(Field, &str, &str)] = &[
    (Field::State, "", "instance_name: b"),
    (Field::RestrictState, "", "instance_name: b"),
    (Field::InstanceName, "instance_name: a", "instance_name: b"),
    (Field::BundleId, "", "bundle_id: large"),
    (Field::BlueprintId, "", "blueprint_id: other"),
    (Field::Zone, "zones: [ap-guangzhou-3]", "zones: [ap-guangzhou-6]"),
    (Field::RenewFlag, "", "charge: { period: 1, renew_flag: NOTIFY_AND_AUTO_RENEW }"),
    (Field::PublicAddresses, "", "instance_name: b"),
    (Field::PrivateAddresses, "", "instance_name: b"),
    (Field::KeyIds, "login: { key_ids: [lhkp-a] }", "login: { key_ids: [lhkp-b] }"),
    (Field::Tags, "tags: { a: x }", "tags: { a: y }"),
    (Field::ExpiredTime, "", "instance_name: b"),
];

/// A case in which the cloud does not report a field.
fn without(field: Field, keys: &str) -> Case {
    let mut case = applied(keys);
    let mut live = Attributes::default();
    live.unreported.insert(field);
    let whole = case.live().clone();
    macro_rules! take {
        ($($name:ident: $field:ident),+) => { $(if field != Field::$field { live.$name = whole.$name.clone(); })+ };
    }
    take!(
        state: State, restrict_state: RestrictState, instance_name: InstanceName, bundle_id: BundleId,
        blueprint_id: BlueprintId, zone: Zone, renew_flag: RenewFlag, key_ids: KeyIds, tags: Tags,
        expired_time: ExpiredTime
    );
    *case.live() = live;
    case
}

#[test]
fn what_is_not_reported_is_no_difference_and_stops_only_what_needs_it() {
    for (field, keys, changed) in UNREPORTED {
        let case = without(*field, keys);
        let planned = case.planned(&with(keys));
        assert_eq!(only(&planned).action, Action::NoOp, "{field:?}");
        assert_eq!(case.drift(&with(keys)), [], "{field:?}");
        assert!(!planned.diagnostics.has_errors() && planned.blocked.is_empty(), "{field:?}");
        let noted = planned.diagnostics.sorted().iter().filter(|one| one.code == "not-reported").count();
        let compared = !matches!(
            field,
            Field::RestrictState | Field::PublicAddresses | Field::PrivateAddresses | Field::ExpiredTime
        );
        assert_eq!(noted, usize::from(compared), "{field:?}");
        let wanted = match changed.is_empty() {
            true => with(keys),
            false => with(changed),
        };
        let planned = case.planned(&wanted);
        let needs = matches!(field, Field::BundleId | Field::BlueprintId | Field::Zone | Field::KeyIds);
        assert_eq!(planned.diagnostics.has_errors(), needs, "{field:?}");
        assert_eq!(only(&planned).action, if needs { Action::NoOp } else { Action::Update }, "{field:?}");
    }
    // Whether it runs decides whether it is to be started.
    assert!(without(Field::State, "power: running").planned(&with("power: running")).diagnostics.has_errors());
}

#[test]
fn what_is_not_reported_stays_as_it_was_recorded() {
    for (field, keys, _) in UNREPORTED {
        let mut recorded = applied(keys).live().clone();
        recorded.key_ids = vec!["lhkp-a".into()];
        recorded.public_addresses = vec!["192.0.2.1".into()];
        let before = recorded.clone();
        let mut live = Attributes::default();
        live.unreported.insert(*field);
        recorded.update(&live);
        assert_ne!(recorded, before, "{field:?}");
        let mut all = before.clone();
        for (field, ..) in UNREPORTED {
            live.unreported.insert(*field);
        }
        live.created_time = before.created_time;
        all.update(&live);
        assert_eq!(all, before, "{field:?}");
    }
}

#[test]
fn lost_ownership_tags_are_drift_and_set_again() {
    let desired = with("tags: { a: x }");
    let mut case = applied("tags: { a: x }");
    for (gone, words) in [
        (vec!["lhprov-stack"], "has lost the tags by which it is found without a state (lhprov-stack)"),
        (
            vec!["lhprov-batch", "lhprov-stack"],
            "has lost the tags by which it is found without a state (lhprov-stack, lhprov-batch)",
        ),
    ] {
        case.live().tags.retain(|key, _| !gone.contains(&key.as_str()));
        let found = case.drift(&desired);
        assert_eq!(found.iter().map(|drift| drift.what.as_deref()).collect::<Vec<_>>(), [Some(words)]);
        let planned = case.planned(&desired);
        let change = only(&planned);
        assert_eq!((change.action, names(change)), (Action::Update, vec!["ownership_tags"]));
        // As they were when they were seen last.
        let as_bought = serde_json::json!({"lhprov-batch": "0123456789abcdef", "lhprov-stack": "shop"});
        assert_eq!(change.diffs[0].after, as_bought);
    }
    // Never seen: as if it had been bought alone, and so it is found without a state.
    case.prior.instances.get_mut(&db()).expect("it stands").attributes.tags.clear();
    let planned = case.planned(&desired);
    let value = only(&planned).diffs[0].after["lhprov-batch"].as_str().expect("text").to_owned();
    case.live().tags.extend([("lhprov-batch".to_owned(), value), ("lhprov-stack".to_owned(), "shop".to_owned())]);
    case.prior.instances.clear();
    case.observed.owned = case.observed.instances.keys().cloned().collect();
    assert_eq!(only(&case.planned(&desired)).action, Action::Import);
}

#[test]
fn tags_of_another_stack_are_told_and_left_alone() {
    let desired = with("");
    let mut case = applied("");
    case.live().tags.insert("lhprov-stack".into(), "other".into());
    let found = case.drift(&desired);
    assert_eq!(found[0].what.as_deref(), Some("carries the tags of stack `other`"));
    assert_eq!(found[0].decision, Decision::Tell);
    let planned = case.planned(&desired);
    assert_eq!(only(&planned).action, Action::NoOp);
    assert!(planned.diagnostics.sorted().iter().any(|one| one.code == "other-stack"));
}

#[test]
fn a_replacement_whose_instance_is_isolated_goes_on() {
    let zone = |zone: &str, replace: &str| format!("zones: [ap-guangzhou-{zone}]\nreplace: {replace}");
    for state in ["SHUTDOWN", "TERMINATING"] {
        // The state proves that the destroy was the first half: consent to it was given.
        let mut case = applied(&zone("3", "destroy_first"));
        case.live().state = state.into();
        case.prior.instances.get_mut(&db()).expect("it stands").replacing = true;
        for wanted in [zone("6", "destroy_first"), zone("3", "destroy_first"), zone("6", "create_first")] {
            let planned = case.planned(&with(&wanted));
            let change = only(&planned);
            assert_eq!((change.action, change.instance_id.as_ref()), (Action::Create, None), "{wanted}");
            assert_eq!(planned.plan.batches[0].members[0].predecessor, Predecessor::Instance("lhins-0".into()));
            assert!(!planned.diagnostics.has_errors() && planned.plan.needs.is_empty(), "{wanted}");
        }
        // Nothing proves it, and the manifest asks for it: consent has to be given.
        case.prior.instances.get_mut(&db()).expect("it stands").replacing = false;
        let planned = case.planned(&with(&zone("6", "destroy_first")));
        assert_eq!(only(&planned).action, Action::Replace(Replace::DestroyFirst));
        assert!(only(&planned).notes.contains(&"lhins-0 is isolated already".to_owned()));
        let needs: Vec<&str> = planned.plan.needs.iter().map(|need| need.flag).collect();
        assert_eq!((needs, planned.diagnostics.has_errors()), (vec![ALLOW_DATA_LOSS], false));
        // It does not ask for it: somebody else isolated the instance, and decides.
        for wanted in [zone("3", "destroy_first"), zone("6", "create_first")] {
            let planned = case.planned(&with(&wanted));
            let codes: Vec<&str> = planned.diagnostics.clone().sorted().iter().map(|found| found.code).collect();
            assert!(codes.contains(&"isolated") && planned.plan.batches.is_empty(), "{wanted}: {codes:?}");
        }
    }
    // Still there: planned as if nothing had been sent.
    let mut case = applied(&zone("3", "destroy_first"));
    case.prior.instances.get_mut(&db()).expect("it stands").replacing = true;
    let planned = case.planned(&with(&zone("6", "destroy_first")));
    assert_eq!(only(&planned).action, Action::Replace(Replace::DestroyFirst));
    assert_eq!(only(&case.planned(&with(&zone("3", "destroy_first")))).action, Action::NoOp);
}
