//! Drift: what is live against what was last applied, although nobody edited the manifest. Managed attributes only.

use super::alongside::Alongside;
use super::attribute::{Kind, TABLE};
use super::diff::{recorded, reported, wanted};
use super::ownership_tags::{self, OwnershipTags};
use super::same;
use crate::desired::{DesiredInstance, DesiredState};
use crate::model::attributes::Field;
use crate::model::tag::OWN_PREFIX;
use crate::model::{Address, Attributes, InstanceId, Life, ObservedInstance, Power, RenewFlag, Timestamp};
use crate::observe::state::ObservedState;
use crate::state::{PriorState, RecordedInstance};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is said of an instance that was there and is no more.
const GONE: &str = "is deleted in the cloud";

/// So long an isolated instance can be brought back (refund rules of the product).
pub const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What becomes of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// The next apply makes it as the manifest wants it.
    Revert,
    /// The manifest wants what is live: the next apply records it.
    Adopt,
    /// `ignore_changes` names it.
    Ignore,
    /// Nothing that a manifest could say; it is told.
    Tell,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 4] = [Decision::Revert, Decision::Adopt, Decision::Ignore, Decision::Tell];

    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Revert => "revert",
            Decision::Adopt => "adopt",
            Decision::Ignore => "ignore",
            Decision::Tell => "tell",
        }
    }
}

/// One difference of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Where it stands.
    pub address: Address,
    /// Which.
    pub instance_id: InstanceId,
    /// The attribute; none for what is said of the whole instance.
    pub attribute: Option<Kind>,
    /// What was last applied.
    pub applied: Value,
    /// What is live.
    pub live: Value,
    /// What becomes of it.
    pub decision: Decision,
    /// In plain words, for what is said of the whole instance.
    pub what: Option<String>,
    /// What it costs to buy it again, with its currency, where that was asked and is known.
    pub price: Option<String>,
}

impl Drift {
    /// The name of the attribute; `state` for the whole instance.
    pub fn name(&self) -> &'static str {
        self.attribute.map_or("state", Kind::name)
    }

    /// Whether the whole instance is gone.
    pub fn is_gone(&self) -> bool {
        self.attribute.is_none() && self.live == ""
    }

    /// Whether the cloud differs from what it should be.
    pub fn counts(&self) -> bool {
        self.decision != Decision::Ignore
    }
}

/// Until when an instance is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidUntil {
    /// Where it stands.
    pub address: Address,
    /// Which.
    pub instance_id: InstanceId,
    /// Until when, where the cloud reports it.
    pub until: Option<Timestamp>,
    /// Whether the service renews it by itself, where the cloud reports it.
    pub renews: Option<bool>,
    /// Whether it ends within the time that was asked about, and nothing renews it.
    pub due: Due,
}

/// Whether paid time ends within the time that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It ends, and nothing renews it.
    Yes,
    /// It does not end, or renews by itself, or nobody asked.
    No,
    /// The cloud does not report what would tell.
    Unknown,
}

impl PaidUntil {
    /// Until when an instance is paid, and whether that is within a time from `at`.
    pub fn of(
        (address, instance_id): (&Address, &InstanceId),
        live: &Attributes,
        at: Timestamp,
        within: Option<Duration>,
    ) -> Self {
        let renews =
            (!live.unreported.has(Field::RenewFlag)).then(|| live.renew_flag == RenewFlag::NotifyAndAutoRenew.as_str());
        let soon = |within| live.expired_time.map(|until| until <= at.plus(within));
        let due = match (within.map(soon), renews) {
            (None | Some(Some(false)), _) | (_, Some(true)) => Due::No,
            (Some(Some(true)), Some(false)) => Due::Yes,
            (Some(Some(true)), None) | (Some(None), _) => Due::Unknown,
        };
        Self { address: address.clone(), instance_id: instance_id.clone(), until: live.expired_time, renews, due }
    }
}

/// Compares everything that is recorded and wanted. Nothing where the cloud was not asked.
pub fn drift(desired: &DesiredState, prior: &PriorState, observed: &ObservedState) -> Vec<Drift> {
    let mut found = Vec::new();
    if !observed.asked {
        return found;
    }
    let mut wishes = Alongside::new(&desired.instances);
    for (address, recorded) in &prior.instances {
        if let Some(wanted) = wishes.get(address) {
            let live = observed.instances.get(&recorded.instance_id);
            drift_at(desired, (address, wanted, recorded), (live, observed.at), &mut found);
        }
    }
    found
}

/// Compares what is recorded and wanted at one address with what is live at a time, and adds what differs.
pub(super) fn drift_at(
    desired: &DesiredState,
    (address, wanted, recorded): (&Address, &DesiredInstance, &RecordedInstance),
    (live, at): (Option<&ObservedInstance>, Timestamp),
    found: &mut Vec<Drift>,
) {
    found.extend(condition(address, wanted, recorded, live, at));
    if let Some(live) = live.filter(|live| matches!(live.attributes.life(), Life::Running | Life::Other)) {
        attributes(address, wanted, recorded, &live.attributes, found);
        found.extend(ownership(desired, address, recorded, &live.attributes));
    }
}

/// What is to be said of the tags by which an instance is found without a state.
fn ownership(desired: &DesiredState, address: &Address, prior: &RecordedInstance, live: &Attributes) -> Option<Drift> {
    let (what, decision) = match ownership_tags::compare(desired, live) {
        OwnershipTags::Kept => return None,
        OwnershipTags::Lost(keys) => {
            (format!("has lost the tags by which it is found without a state ({})", keys.join(", ")), Decision::Revert)
        }
        OwnershipTags::OfAnother(stack) => (format!("carries the tags of stack `{stack}`"), Decision::Tell),
    };
    let own = |tags: &BTreeMap<String, String>| {
        let own = tags.iter().filter(|(key, _)| key.starts_with(OWN_PREFIX));
        json!(own.collect::<BTreeMap<_, _>>())
    };
    Some(Drift {
        address: address.clone(),
        instance_id: prior.instance_id.clone(),
        attribute: Some(Kind::OwnershipTags),
        applied: own(&prior.attributes.tags),
        live: own(&live.tags),
        decision,
        what: Some(what),
        price: None,
    })
}

fn attributes(
    address: &Address,
    desired: &DesiredInstance,
    prior: &RecordedInstance,
    live: &Attributes,
    found: &mut Vec<Drift>,
) {
    if prior.spec.is_null() {
        return;
    }
    // The power is said of the whole instance.
    for row in TABLE.iter().filter(|row| row.is_reported_by(live) && row.kind != Kind::Power) {
        if same::as_applied(row.kind, desired, &prior.spec, live) {
            continue;
        }
        let Some(after) = wanted(row.kind, desired) else { continue };
        let Some(now) = reported(row.kind, desired, &prior.spec, live) else { continue };
        let applied = recorded(row, &prior.spec);
        // A zone was not applied but chosen by the service among those that were allowed.
        let same = match row.kind {
            Kind::Zones => {
                applied.is_null() || applied.as_array().is_some_and(|zones| zones.contains(&json!(live.zone)))
            }
            // Before the manifest managed it there was nothing to compare with.
            Kind::KeyIds => applied == now || prior.spec["login"]["key_ids"].is_null(),
            _ => applied == now,
        };
        if same {
            continue;
        }
        let decision = if row.is_ignored(&desired.ignore_changes) {
            Decision::Ignore
        } else if after == now {
            Decision::Adopt
        } else {
            Decision::Revert
        };
        // So it was when it was seen last, if it was: the service named it, and a run that was cut short did not come to name
        // it. It is renamed now, but nobody has changed it.
        let seen = prior.attributes.instance_name.as_str();
        let never_named = row.kind == Kind::InstanceName && (seen.is_empty() || seen == live.instance_name);
        if never_named && decision == Decision::Revert {
            continue;
        }
        found.push(Drift {
            address: address.clone(),
            instance_id: prior.instance_id.clone(),
            attribute: Some(row.kind),
            applied,
            live: now,
            decision,
            what: None,
            price: None,
        });
    }
}

/// What is to be said of the whole instance, in plain words.
fn condition(
    address: &Address,
    desired: &DesiredInstance,
    prior: &RecordedInstance,
    live: Option<&ObservedInstance>,
    at: Timestamp,
) -> Vec<Drift> {
    let mut found = Vec::new();
    let mut say = |what: String, live: &str, decision| {
        found.push(Drift {
            address: address.clone(),
            instance_id: prior.instance_id.clone(),
            attribute: None,
            applied: json!(prior.attributes.state),
            live: json!(live),
            decision,
            what: Some(what),
            price: None,
        });
    };
    let Some(live) = live else {
        if prior.seen {
            say(GONE.into(), "", Decision::Revert);
        }
        return found;
    };
    let attributes = &live.attributes;
    let state = attributes.state.as_str();
    match standing(address, attributes, at) {
        Some(what) if state == "STOPPED" => {
            let ignored = desired.ignore_changes.iter().any(|name| name == "power");
            let decision = match desired.power {
                _ if ignored => Some(Decision::Ignore),
                Some(Power::Running) => Some(Decision::Revert),
                Some(Power::Stopped) => None,
                None => Some(Decision::Tell),
            };
            if let Some(decision) = decision {
                say(what, state, decision);
            }
        }
        Some(what) => say(what, state, Decision::Tell),
        None if state == "RUNNING" && desired.power == Some(Power::Stopped) && prior.attributes.state == "STOPPED" => {
            say("is running".into(), state, Decision::Revert);
        }
        None => {}
    }
    if !attributes.restrict_state.is_empty() && attributes.life() == Life::Running {
        let what = format!("is running, but its network is restricted ({})", attributes.restrict_state);
        say(what, state, Decision::Tell);
    }
    found
}

/// What an instance's state means, if it is not simply in service.
pub fn standing(address: &Address, live: &Attributes, at: Timestamp) -> Option<String> {
    let expired = live.expired_time.filter(|time| *time <= at);
    let text = match live.state.as_str() {
        "SHUTDOWN" => {
            let since = live.isolated_time.map(|time| format!(" since {time}")).unwrap_or_default();
            let until = live.isolated_time.map(|time| format!(" on {}", time.plus(KEPT).date())).unwrap_or_default();
            let why = if expired.is_some() { "has expired and is isolated" } else { "is isolated" };
            format!("{why}{since}; it is released{until} unless `lhprov renew {}` brings it back", address.quoted())
        }
        "TERMINATING" | "DELETING" => "is being destroyed".to_owned(),
        "LAUNCH_FAILED" => "failed to launch".to_owned(),
        _ if expired.is_some() => {
            let time = expired.map(|time| time.to_string()).unwrap_or_default();
            format!("has expired: it was paid until {time}")
        }
        "STOPPED" => "is stopped".to_owned(),
        "RESCUE_MODE" => "is in rescue mode".to_owned(),
        "ENTER_RESCUE_MODE" => "is entering rescue mode".to_owned(),
        "EXIT_RESCUE_MODE" => "is leaving rescue mode".to_owned(),
        "FREEZING" => "is frozen by the service: no network, and no operation is admitted".to_owned(),
        "STARTING" => "is starting".to_owned(),
        "STOPPING" => "is being stopped".to_owned(),
        "REBOOTING" => "is rebooting".to_owned(),
        "RUNNING" | "PENDING" | "" => return None,
        other => format!("is in a state that lhprov does not know ({other})"),
    };
    Some(text)
}
