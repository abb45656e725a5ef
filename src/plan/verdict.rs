//! What a set of differences asks for: in place, a larger bundle, a fresh disk, another instance, or nothing that the API
//! would do. Pure: the attribute table, and what the catalogue says.

use super::attribute::{Kind, Way};
use super::change::{Action, AttributeDiff};
use crate::diag::Diagnostic;
use crate::model::{InstanceId, ObservedInstance, Power, Site};
use crate::observe::catalogue::{Catalogue, UpgradeOffer};
use std::fmt::Write as _;

/// Regions of mainland China by their names. There a reinstall may go from Linux to Windows and back (model, ResetInstance).
const MAINLAND: [&str; 11] = [
    "ap-guangzhou",
    "ap-shenzhen",
    "ap-qingyuan",
    "ap-shanghai",
    "ap-nanjing",
    "ap-hangzhou",
    "ap-beijing",
    "ap-tianjin",
    "ap-chengdu",
    "ap-chongqing",
    "ap-zhongwei",
];

/// What is judged.
pub(super) struct Case<'a> {
    pub diffs: &'a [AttributeDiff],
    pub id: &'a InstanceId,
    /// Absent where the cloud was not asked.
    pub live: Option<&'a ObservedInstance>,
    pub catalogue: &'a Catalogue,
    pub region: &'a str,
    pub site: Site,
}

/// The judgement.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// The weightiest change in place; none if nothing is to be done in place.
    pub action: Option<Action>,
    /// Attributes that force another instance.
    pub forced: Vec<Kind>,
    pub price: Option<(String, String)>,
    pub notes: Vec<String>,
    /// What the API would refuse: attribute, and why.
    pub refused: Vec<(Kind, Diagnostic)>,
}

impl Verdict {
    fn want(&mut self, action: Action) {
        if self.action.is_none_or(|so_far| weight(action) > weight(so_far)) {
            self.action = Some(action);
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn refuse(&mut self, kind: Kind, diagnostic: Diagnostic) {
        self.refused.push((kind, diagnostic));
    }
}

/// The word for an address whose instance changes in several ways is that of the weightiest.
fn weight(action: Action) -> u8 {
    match action {
        Action::Reinstall => 5,
        Action::Upgrade => 4,
        Action::Stop => 3,
        Action::Start => 2,
        _ => 1,
    }
}

/// Judges.
pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for diff in case.diffs {
        match diff.kind.row().way {
            Way::Recorded | Way::NotAProperty => {}
            Way::Replace => verdict.forced.push(diff.kind),
            Way::Power(..) if diff.after == Power::Stopped.as_str() => verdict.want(Action::Stop),
            Way::Power(..) => verdict.want(Action::Start),
            Way::Upgrade(_) => upgrade(case, diff, &mut verdict),
            Way::Reinstall(_) => reinstall(case, diff, &mut verdict),
            Way::InPlace(_) => in_place(case, diff, &mut verdict),
        }
    }
    // What is given with a fresh disk needs no other instance.
    if verdict.action == Some(Action::Reinstall) {
        verdict.forced.retain(|kind| *kind != Kind::Containers);
    }
    if verdict.forced.is_empty() {
        state_admits(case, &mut verdict);
    }
    verdict
}

fn in_place(case: &Case<'_>, diff: &AttributeDiff, verdict: &mut Verdict) {
    verdict.want(Action::Update);
    let platform = case.live.map_or("", |live| live.platform.as_str());
    match diff.kind {
        Kind::Password if case.live.is_some_and(|live| live.attributes.state == "RUNNING") => {
            verdict.note("a running machine is shut down while its password is set");
        }
        Kind::KeyIds if platform == "WINDOWS" => verdict.refuse(
            diff.kind,
            Diagnostic::error("windows-keys", "a Windows instance takes no key pairs")
                .label("the service refuses to bind them")
                .help("use `login: {password: …}` for it"),
        ),
        Kind::KeyIds => {
            let running = case.live.is_none_or(|live| live.attributes.state == "RUNNING");
            if running && (case.site == Site::International || case.live.is_none() || stops_before_keys(case)) {
                verdict.note("a running machine is shut down while its key pairs are changed");
            }
            let is_empty = |value: &serde_json::Value| value.as_array().is_none_or(Vec::is_empty);
            if is_empty(&diff.before) && !is_empty(&diff.after) {
                verdict.note("binding a key pair turns login with the password off");
            }
        }
        Kind::FirewallTemplateId if case.site == Site::International => verdict.refuse(
            diff.kind,
            Diagnostic::error("no-firewall-template", "the API of site international applies no firewall template")
                .label("it takes one at creation only")
                .help("write the old value back, or name `firewall_template_id` in `ignore_changes`")
                .help("or ask for another instance with --replace"),
        ),
        Kind::FirewallTemplateId => {
            verdict.note("replaces all firewall rules of the instance by those of the template");
        }
        _ => {}
    }
}

/// Whether the change stops the machine before it comes to the key pairs.
fn stops_before_keys(case: &Case<'_>) -> bool {
    case.diffs.iter().any(|diff| matches!(diff.kind, Kind::BundleId | Kind::BlueprintId))
}

fn upgrade(case: &Case<'_>, diff: &AttributeDiff, verdict: &mut Verdict) {
    let (from, to) = (diff.before.as_str().unwrap_or_default(), diff.after.as_str().unwrap_or_default());
    let (Some(before), Some(after)) = (case.catalogue.bundles.get(from), case.catalogue.bundles.get(to)) else {
        verdict.want(Action::Upgrade);
        verdict.note("not checked: whether the bundle is larger and what it costs, the cloud was not asked");
        return;
    };
    let Some(after) = after else {
        let what = format!("the cloud has no bundle `{to}`");
        let help = "`lhprov catalog bundles` lists what there is";
        verdict.refuse(diff.kind, Diagnostic::error("no-such-bundle", what).label("not for sale here").help(help));
        return;
    };
    // A bundle that is no longer listed says nothing of its size; the service's word on the change does.
    let smaller = before.map(|before| before.what_shrinks_to(after)).unwrap_or_default();
    if !smaller.is_empty() {
        verdict.note(format!("`{to}` has less {} than `{from}`, and a bundle can only grow", smaller.join(", ")));
        verdict.forced.push(diff.kind);
        return;
    }
    let unknown = before.map(|before| before.what_is_not_known_beside(after)).unwrap_or_default();
    if !unknown.is_empty() {
        verdict.note(format!("not checked: whether {} shrinks, the cloud does not report it", unknown.join(", ")));
    }
    match case.catalogue.upgrades.get(case.id) {
        None => {
            verdict.want(Action::Upgrade);
            verdict.note("not checked: what the larger bundle costs");
        }
        Some(UpgradeOffer::Available { price, currency }) => {
            verdict.want(Action::Upgrade);
            verdict.price = price.clone().map(|price| (price, currency.clone()));
            verdict.note("the machine is shut down for it");
        }
        Some(UpgradeOffer::NotListed) => verdict.refuse(
            diff.kind,
            Diagnostic::error("no-upgrade", format!("the service does not upgrade {} to `{to}`", case.id))
                .label("not among the bundles that it lists for this instance")
                .help("write another bundle, or ask for another instance with --replace"),
        ),
        Some(UpgradeOffer::Refused { state, message }) => {
            let mut label = state.clone();
            if !message.is_empty() {
                let _ = write!(label, ": {}", message.trim_end_matches('.'));
            }
            verdict.refuse(
                diff.kind,
                Diagnostic::error("no-upgrade", format!("the service does not upgrade {} to `{to}` now", case.id))
                    .label(label)
                    .help("try again later, write another bundle, or ask for another instance with --replace"),
            );
        }
    }
}

fn reinstall(case: &Case<'_>, diff: &AttributeDiff, verdict: &mut Verdict) {
    let (from, to) = (diff.before.as_str().unwrap_or_default(), diff.after.as_str().unwrap_or_default());
    let target = match case.catalogue.platforms.get(to) {
        None => {
            verdict.want(Action::Reinstall);
            verdict.note("not checked: which system the image has, the cloud was not asked");
            verdict.note("wipes the system disk");
            return;
        }
        Some(None) => {
            let what = format!("the cloud has no blueprint `{to}`");
            let help = "`lhprov catalog blueprints` lists what there is";
            let diagnostic = Diagnostic::error("no-such-blueprint", what).label("not among the images").help(help);
            verdict.refuse(diff.kind, diagnostic);
            return;
        }
        Some(Some(platform)) => platform.as_str(),
    };
    let own = case.live.map(|live| live.platform.as_str()).filter(|platform| !platform.is_empty());
    let listed = case.catalogue.platforms.get(from).and_then(Option::as_deref);
    if target.is_empty() && !MAINLAND.contains(&case.region) {
        verdict.note("not checked: which system the image has, the cloud does not report it");
    }
    let changes = own.or(listed).is_some_and(|platform| !target.is_empty() && platform != target);
    if changes && !MAINLAND.contains(&case.region) {
        verdict.note(format!(
            "outside mainland China no reinstall leads to {}",
            if target == "WINDOWS" { "Windows" } else { "Linux" }
        ));
        verdict.forced.push(diff.kind);
        return;
    }
    verdict.want(Action::Reinstall);
    verdict.note("wipes the system disk");
}

/// A change that the instance's state does not admit would fail at apply.
fn state_admits(case: &Case<'_>, verdict: &mut Verdict) {
    let Some(live) = case.live else { return };
    let state = live.attributes.state.as_str();
    if matches!(state, "RUNNING" | "STOPPED") || live.attributes.is_passing() {
        return;
    }
    // Names, tags and flags are not said to need a state.
    let needs_state = |kind: Kind| {
        !matches!(kind, Kind::InstanceName | Kind::RenewFlag | Kind::Tags | Kind::OwnershipTags)
            && kind.row().is_property()
    };
    if let Some(diff) = case.diffs.iter().find(|diff| needs_state(diff.kind)) {
        let word = match state {
            "FREEZING" => "is frozen by the service",
            "RESCUE_MODE" => "is in rescue mode",
            "" => "has a state that the cloud does not report",
            _ => "is in a state that admits no change",
        };
        verdict.refuse(
            diff.kind,
            Diagnostic::error("state", format!("{} {word}", case.id))
                .label(match state {
                    "" => "whether it admits this change is not known".to_owned(),
                    state => format!("{state} does not admit this change"),
                })
                .help("bring it back into service first, or name the attribute in `ignore_changes`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attributes;
    use crate::observe::catalogue::BundleSize;
    use serde_json::{Value, json};

    const fn size(cpu: u64, memory: u64, disk: u64, bandwidth: u64, traffic: u64) -> BundleSize {
        BundleSize {
            cpu: Some(cpu),
            memory: Some(memory),
            disk: Some(disk),
            bandwidth: Some(bandwidth),
            traffic: Some(traffic),
        }
    }

    const SMALL: BundleSize = size(2, 2, 40, 4, 300);
    const LARGE: BundleSize = size(4, 8, 80, 6, 600);

    fn catalogue() -> Catalogue {
        let offer = UpgradeOffer::Available { price: Some("30.00".into()), currency: "CNY".into() };
        Catalogue {
            bundles: [("small", Some(SMALL)), ("large", Some(LARGE)), ("none", None)]
                .map(|(id, size)| (id.to_owned(), size))
                .into(),
            upgrades: [("lhins-1".into(), offer)].into(),
            platforms: [
                ("linux", Some("LINUX_UNIX")),
                ("other", Some("LINUX_UNIX")),
                ("win", Some("WINDOWS")),
                ("gone", None),
            ]
            .map(|(id, platform)| (id.to_owned(), platform.map(str::to_owned)))
            .into(),
            ..Catalogue::default()
        }
    }

    fn live(state: &str) -> ObservedInstance {
        ObservedInstance {
            id: "lhins-1".into(),
            attributes: Attributes { state: state.into(), ..Attributes::default() },
            operation_request_id: String::new(),
            operation_state: "SUCCESS".into(),
            platform: "LINUX_UNIX".into(),
        }
    }

    fn judged(kind: Kind, before: Value, after: Value) -> Verdict {
        in_region("ap-guangzhou", &[AttributeDiff { kind, before, after }], &catalogue(), &live("RUNNING"))
    }

    fn in_region(region: &str, diffs: &[AttributeDiff], catalogue: &Catalogue, live: &ObservedInstance) -> Verdict {
        judge(&Case { diffs, id: &live.id, live: Some(live), catalogue, region, site: Site::China })
    }

    #[test]
    fn each_row_of_the_table() {
        use super::super::attribute::TABLE;
        let (a, b) = (json!("a"), json!("b"));
        for row in TABLE {
            let verdict = match row.kind {
                Kind::BundleId => judged(row.kind, json!("small"), json!("large")),
                Kind::BlueprintId => judged(row.kind, json!("linux"), json!("other")),
                Kind::Power => judged(row.kind, json!("running"), json!("stopped")),
                _ => judged(row.kind, a.clone(), b.clone()),
            };
            assert_eq!(verdict.refused, [], "{}", row.name);
            let expected = match row.kind {
                Kind::InstanceName
                | Kind::RenewFlag
                | Kind::Tags
                | Kind::OwnershipTags
                | Kind::KeyIds
                | Kind::Password
                | Kind::FirewallTemplateId => Some(Action::Update),
                Kind::BundleId => Some(Action::Upgrade),
                Kind::BlueprintId => Some(Action::Reinstall),
                Kind::Power => Some(Action::Stop),
                _ => None,
            };
            assert_eq!(verdict.action, expected, "{}", row.name);
            let forces = !matches!(row.name, "period" | "auto_voucher" | "protect") && expected.is_none();
            assert_eq!(verdict.forced, if forces { vec![row.kind] } else { vec![] }, "{}", row.name);
        }
    }

    #[test]
    fn a_bundle_only_grows() {
        let up = judged(Kind::BundleId, json!("small"), json!("large"));
        assert_eq!(up.price, Some(("30.00".into(), "CNY".into())));
        let down = judged(Kind::BundleId, json!("large"), json!("small"));
        assert_eq!((down.action, down.forced.as_slice()), (None, &[Kind::BundleId][..]));
        assert!(down.notes[0].contains("CPU, memory, disk, bandwidth, traffic"), "{:?}", down.notes);
        let none = judged(Kind::BundleId, json!("small"), json!("none"));
        assert_eq!(none.refused[0].1.code, "no-such-bundle");
        let unknown = judged(Kind::BundleId, json!("small"), json!("never-heard-of"));
        assert_eq!(unknown.action, Some(Action::Upgrade));
        assert!(unknown.notes[0].starts_with("not checked"), "{:?}", unknown.notes);
        let mut sold_out = catalogue();
        sold_out.upgrades =
            [("lhins-1".into(), UpgradeOffer::Refused { state: "SOLD_OUT".into(), message: String::new() })].into();
        let diff = [AttributeDiff { kind: Kind::BundleId, before: json!("small"), after: json!("large") }];
        let refused = in_region("ap-guangzhou", &diff, &sold_out, &live("RUNNING"));
        assert_eq!((refused.action, refused.refused[0].1.code), (None, "no-upgrade"));
    }

    #[test]
    fn a_system_changes_in_place_in_mainland_china_alone() {
        let diff = [AttributeDiff { kind: Kind::BlueprintId, before: json!("linux"), after: json!("win") }];
        let here = in_region("ap-guangzhou", &diff, &catalogue(), &live("RUNNING"));
        assert_eq!(here.action, Some(Action::Reinstall));
        let abroad = in_region("ap-singapore", &diff, &catalogue(), &live("RUNNING"));
        assert_eq!((abroad.action, abroad.forced.as_slice()), (None, &[Kind::BlueprintId][..]));
        let same = [AttributeDiff { kind: Kind::BlueprintId, before: json!("linux"), after: json!("other") }];
        assert_eq!(in_region("ap-singapore", &same, &catalogue(), &live("STOPPED")).action, Some(Action::Reinstall));
        assert_eq!(judged(Kind::BlueprintId, json!("linux"), json!("gone")).refused[0].1.code, "no-such-blueprint");
    }

    #[test]
    fn a_fresh_disk_takes_containers_with_it() {
        let diffs = [
            AttributeDiff { kind: Kind::BlueprintId, before: json!("linux"), after: json!("other") },
            AttributeDiff { kind: Kind::Containers, before: json!([]), after: json!([{"container_image": "nginx"}]) },
        ];
        let verdict = in_region("ap-guangzhou", &diffs, &catalogue(), &live("RUNNING"));
        assert_eq!((verdict.action, verdict.forced.len()), (Some(Action::Reinstall), 0));
    }

    #[test]
    fn what_the_state_does_not_admit_is_refused() {
        let diff = [AttributeDiff { kind: Kind::BundleId, before: json!("small"), after: json!("large") }];
        for state in ["FREEZING", "RESCUE_MODE", "SOMETHING_NEW"] {
            assert_eq!(in_region("ap-guangzhou", &diff, &catalogue(), &live(state)).refused[0].1.code, "state");
        }
        let name = [AttributeDiff { kind: Kind::InstanceName, before: json!("a"), after: json!("b") }];
        assert_eq!(in_region("ap-guangzhou", &name, &catalogue(), &live("RESCUE_MODE")).refused, []);
        let mut windows = live("RUNNING");
        windows.platform = "WINDOWS".into();
        let keys = [AttributeDiff { kind: Kind::KeyIds, before: json!([]), after: json!(["lhkp-1"]) }];
        assert_eq!(in_region("ap-guangzhou", &keys, &catalogue(), &windows).refused[0].1.code, "windows-keys");
    }
}
