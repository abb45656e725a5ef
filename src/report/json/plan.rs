//! A plan as JSON, format 1.0. Written piece by piece, one change a line, so that a large plan needs no second copy of
//! itself and two plans can be compared line by line.

use super::checks;
use crate::diag::{Diagnostic, Diagnostics, Severity, Span};
use crate::manifest::source::Sources;
use crate::model::{Address, InstanceId};
use crate::plan::attribute::{Kind, Way};
use crate::plan::change::{Action, After, Blocked, Change, Evidence, Plan};
use crate::plan::drift::Drift;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Version of the plan document.
pub const FORMAT_VERSION: &str = "1.0";

/// What of a new instance only the service can tell.
const UNKNOWN_BEFORE_APPLY: [&str; 5] =
    ["created_time", "expired_time", "instance_id", "private_addresses", "public_addresses"];

/// Instances that one call can change, upgrade and isolate.
const CHANGE_BATCH_MAX: usize = 100;
const UPGRADE_BATCH_MAX: usize = 15;
const ISOLATE_BATCH_MAX: usize = 20;

/// What the document is made of.
pub struct PlanDocument<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What forbids to apply it.
    pub blocked: &'a [Blocked],
    /// Addresses found again without our tags.
    pub adopted: &'a [Address],
    /// Errors and warnings.
    pub diagnostics: &'a Diagnostics,
    /// Where spans point to.
    pub sources: &'a Sources,
    /// The fleet.
    pub stack: &'a str,
    /// Its region.
    pub region: &'a str,
    /// What was read to make the plan.
    pub inputs: Value,
    /// What was last applied to an instance.
    pub before: &'a dyn Fn(&InstanceId) -> Option<Value>,
}

/// Writes the document and a newline.
///
/// # Errors
/// Those of the writer.
pub fn write(document: &PlanDocument<'_>, out: &mut dyn Write) -> io::Result<()> {
    let PlanDocument { plan, blocked, adopted, diagnostics, sources, stack, region, inputs, before } = document;
    write!(
        out,
        "{{\"format_version\":{},\"stack\":{},\"region\":{}",
        json!(FORMAT_VERSION),
        json!(stack),
        json!(region)
    )?;
    write!(out, ",\n\"inputs\":{inputs}")?;
    let changes = plan.changes.iter().map(|change| {
        let mut object = one_change(change, sources, *before);
        checks::add_month(&mut object["price"], change, &plan.checks);
        object
    });
    list(out, "resource_changes", changes)?;
    list(out, "drift", plan.drift.iter().map(one_drift))?;
    let open = plan.open.iter().map(|open| {
        json!({"token": open.token, "members": open.members, "attempts": open.attempts, "answered": open.answered})
    });
    let orders = plan.orders.iter().map(|order| {
        json!({
            "order": order.kind.as_str(), "to": order.to, "members": order.members, "answered": order.accepted,
        })
    });
    list(out, "resume", open.chain(orders))?;
    list(out, "consents", plan.needs.iter().map(|need| json!({"flag": need.flag, "for": need.what})))?;
    list(out, "preflight", checks::preflight(&plan.checks))?;
    write!(out, ",\n\"price\":{}", checks::price(&plan.checks))?;
    let obstacles =
        blocked.iter().map(|blocked| json!({"code": blocked.kind.code(), "what": blocked.what, "help": blocked.help}));
    let violations = plan.checks.violations.iter().map(|one| checks::violation(one, sources));
    list(out, "blocked", obstacles.chain(violations))?;
    list(out, "adopted", adopted.iter().map(|address| json!(address)))?;
    let mut all = (*diagnostics).clone();
    all.extend(plan.checks.violations.clone());
    all.extend(plan.checks.failures.clone());
    let sorted = all.sorted();
    list(out, "diagnostics", sorted.iter().map(|diagnostic| one_diagnostic(diagnostic, sources)))?;
    writeln!(out, ",\n\"summary\":{}}}", summary(plan))
}

fn list(out: &mut dyn Write, name: &str, values: impl Iterator<Item = Value>) -> io::Result<()> {
    write!(out, ",\n{}:[", json!(name))?;
    for (number, value) in values.enumerate() {
        write!(out, "{}{value}", if number == 0 { "\n" } else { ",\n" })?;
    }
    out.write_all(b"]")
}

fn one_change(change: &Change, sources: &Sources, before: &dyn Fn(&InstanceId) -> Option<Value>) -> Value {
    let recorded = change.instance_id.as_ref().and_then(before);
    let unchanged = || recorded.clone().unwrap_or(Value::Null);
    let after = || change.after.as_ref().map(After::to_json);
    let (before, after, unknown) = match change.action {
        Action::Create => (Value::Null, after().unwrap_or(Value::Null), &UNKNOWN_BEFORE_APPLY[..]),
        action if action.is_alteration() => {
            let mut before = unchanged();
            let mut after = after().unwrap_or_else(|| before.clone());
            for diff in &change.diffs {
                set(&mut before, diff.kind.name(), &diff.before);
                set(&mut after, diff.kind.name(), &diff.after);
            }
            (before, after, &[][..])
        }
        Action::Isolate | Action::Purge | Action::Forget => (unchanged(), Value::Null, &[][..]),
        Action::Replace(_) => (unchanged(), after().unwrap_or(Value::Null), &UNKNOWN_BEFORE_APPLY[..]),
        Action::Import => (Value::Null, after().unwrap_or(Value::Null), &[][..]),
        Action::Resume => (unchanged(), unchanged(), &["public_addresses", "private_addresses"][..]),
        _ => (unchanged(), unchanged(), &[][..]),
    };
    let unknown: Map<String, Value> = unknown.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
    let mut object = json!({
        "address": change.address,
        "instance_id": change.instance_id,
        "source": change.source.map(|span| place(span, sources)),
        "change": {"actions": actions(change), "before": before, "after": after, "after_unknown": unknown},
        "reason": change.reason.to_string(),
        "forces_replace": change.forces_replace.iter().map(|forced| forced.kind.name()).collect::<Vec<_>>(),
        "forced_by": change
            .forces_replace
            .iter()
            .map(|forced| json!({"attribute": forced.kind.name(), "source": place(forced.span, sources)}))
            .collect::<Vec<_>>(),
        "data_loss": change.action.loses_data(),
        "batch": change.batch,
        "price": change.price.as_ref().map(|(price, currency)| json!({"now": price, "currency": currency})),
        "refund": change
            .refund
            .as_ref()
            .map(|refund| json!({"returnable": refund.is_returnable, "code": refund.code, "reason": refund.why()})),
        "notes": change.notes,
    });
    match &change.unconfirmed {
        Some(Evidence::Tag(tag)) => object["unconfirmed"] = json!({"tag": tag}),
        Some(Evidence::Name(name)) => object["unconfirmed"] = json!({"name": name}),
        None => {}
    }
    if let Some(from) = &change.moved_from {
        object["previous_address"] = json!(from);
    }
    object
}

/// The action of the change as a whole first, then what else its differences ask for.
fn actions(change: &Change) -> Vec<&'static str> {
    let mut actions = vec![change.action.as_str()];
    let others = change.diffs.iter().filter(|_| change.action.is_alteration()).map(|diff| match diff.kind.row().way {
        Way::Upgrade(_) => "upgrade",
        Way::Reinstall(_) => "reinstall",
        Way::Power(..) if diff.after == "stopped" => "stop",
        Way::Power(..) => "start",
        Way::InPlace(_) | Way::Replace | Way::Recorded | Way::NotAProperty => "update",
    });
    for action in others {
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    if change.moved_from.is_some() && change.action != Action::Move {
        actions.insert(0, Action::Move.as_str());
    }
    actions
}

fn one_drift(drift: &Drift) -> Value {
    json!({
        "address": drift.address,
        "instance_id": drift.instance_id,
        "attribute": drift.name(),
        "applied": drift.applied,
        "live": drift.live,
        "decision": drift.decision.as_str(),
        "what": drift.what,
    })
}

/// Differences of `lhprov drift` as JSON.
pub fn drift_values(drift: &[Drift]) -> Vec<Value> {
    drift.iter().map(one_drift).collect()
}

fn set(object: &mut Value, name: &str, value: &Value) {
    if !object.is_object() {
        *object = json!({});
    }
    object[name] = value.clone();
}

pub(super) fn place(span: Span, sources: &Sources) -> Value {
    let location = sources.location(span);
    json!({"file": location.path, "line": location.line, "column": location.column})
}

/// A problem in the form that plan and validate share.
pub fn one_diagnostic(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let Diagnostic { severity, code, summary, span, label, related, detail, help, subjects: _ } = diagnostic;
    let related: Vec<Value> =
        related.iter().map(|(span, note)| json!({"source": place(*span, sources), "note": note})).collect();
    json!({
        "severity": match severity { Severity::Error => "error", Severity::Warning => "warning" },
        "code": code,
        "summary": summary,
        "source": span.map(|span| place(span, sources)),
        "label": label,
        "related": related,
        "detail": detail,
        "help": help,
    })
}

fn summary(plan: &Plan) -> Value {
    let counts = plan.summary();
    json!({
        "create": counts.create,
        "update": counts.update,
        "upgrade": counts.upgrade,
        "reinstall": counts.reinstall,
        "replace": counts.replace,
        "isolate": counts.isolate,
        "purge": counts.purge,
        "renew": counts.renew,
        "start": counts.start,
        "stop": counts.stop,
        "import": counts.import,
        "move": counts.moved,
        "forget": counts.forget,
        "resume": counts.resume + plan.open.len() + plan.orders.len(),
        "data_loss": counts.data_loss(),
        "api_calls": api_calls(plan),
    })
}

/// Calls that change something, if each is answered at the first time: purchases, names, returns. Reads depend on how
/// long the machines boot.
fn api_calls(plan: &Plan) -> usize {
    let purchases = plan.batches.len();
    let renames: usize = plan
        .batches
        .iter()
        .map(|batch| {
            let names = batch.members.iter().map(|member| &member.name);
            names.filter(|name| **name != batch.spec.instance_name).collect::<BTreeSet<_>>().len()
        })
        .sum();
    // Instances that share an attribute's new value share a call.
    let mut values: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| change.action.is_alteration()) {
        for diff in &change.diffs {
            *values.entry((diff.kind, diff.after.to_string())).or_default() += 1;
        }
    }
    let altered: usize = values.iter().map(|((kind, _), number)| number.div_ceil(shared_by(*kind))).sum();
    let counts = plan.summary();
    purchases
        + renames
        + altered
        + (counts.to_destroy()).div_ceil(ISOLATE_BATCH_MAX)
        + counts.purge.div_ceil(CHANGE_BATCH_MAX)
        + counts.renew.div_ceil(CHANGE_BATCH_MAX)
}

/// How many instances one call changes.
fn shared_by(kind: Kind) -> usize {
    match kind {
        Kind::BundleId => UPGRADE_BATCH_MAX,
        Kind::BlueprintId | Kind::Tags => 1,
        _ => CHANGE_BATCH_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceId;
    use crate::plan::{AttributeDiff, Reason};
    use std::cell::Cell;

    /// Counts the lines that are written.
    struct Lines<'a>(&'a Cell<i64>);

    impl Write for Lines<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            self.0.set(self.0.get() + i64::try_from(lines).unwrap_or(i64::MAX));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// No change is made into JSON before the one before it is written: a plan of any size is held once.
    #[test]
    fn changes_leave_as_they_are_made() {
        let change = |n| Change {
            instance_id: Some(format!("lhins-{n}").as_str().into()),
            ..Change::new(&Address::indexed("web", n), Action::Isolate, Reason::NotInManifest)
        };
        let plan = Plan { changes: (0..10_000).map(change).collect(), ..Plan::default() };
        let (lines, made, ahead) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let before = |_: &InstanceId| {
            made.set(made.get() + 1);
            ahead.set(ahead.get().max(made.get() - lines.get()));
            None
        };
        let document = PlanDocument {
            plan: &plan,
            blocked: &[],
            adopted: &[],
            diagnostics: &Diagnostics::default(),
            sources: &Sources::default(),
            stack: "shop",
            region: "ap-guangzhou",
            inputs: json!({}),
            before: &before,
        };
        write(&document, &mut Lines(&lines)).unwrap();
        assert_eq!(made.get(), 10_000);
        assert!(ahead.get() <= 1, "{} changes were made before they were written", ahead.get());
    }

    #[test]
    fn one_change_a_line_and_all_counters() {
        let sources = Sources::from_texts([("lighthouse.yaml", "instances:\n  db: {}\n")]);
        let change = |name: &str, action, reason| Change::new(&Address::single(name), action, reason);
        let changes = vec![
            Change {
                source: Some(Span { source: SourceId(0), start: 13, end: 15 }),
                batch: Some(0),
                after: Some(After::Words(json!({"bundle_id": "b"}))),
                ..change("db", Action::Create, Reason::New)
            },
            Change {
                instance_id: Some("lhins-1".into()),
                after: Some(After::Words(json!({"bundle_id": "b", "instance_name": "web"}))),
                diffs: vec![AttributeDiff { kind: Kind::InstanceName, before: json!("old"), after: json!("web") }],
                ..change("web", Action::Update, Reason::Differs)
            },
            Change { instance_id: Some("lhins-2".into()), ..change("x", Action::Isolate, Reason::NotInManifest) },
        ];
        let plan = Plan { changes, ..Plan::default() };
        let blocked = [Blocked {
            kind: crate::plan::BlockedKind::Protected,
            what: "`x` is protected".into(),
            help: vec!["put it back".into()],
        }];
        let document = PlanDocument {
            plan: &plan,
            blocked: &blocked,
            adopted: &[],
            diagnostics: &Diagnostics::default(),
            sources: &sources,
            stack: "shop",
            region: "ap-guangzhou",
            inputs: json!({"endpoint": "sandbox"}),
            before: &|id| Some(json!({"bundle_id": format!("of {id}")})),
        };
        let mut out = Vec::new();
        write(&document, &mut out).unwrap();
        let _whole: Value = serde_json::from_slice(&out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {"format_version":"1.0","stack":"shop","region":"ap-guangzhou",
        "inputs":{"endpoint":"sandbox"},
        "resource_changes":[
        {"address":"db","batch":0,"change":{"actions":["create"],"after":{"bundle_id":"b"},"after_unknown":{"created_time":true,"expired_time":true,"instance_id":true,"private_addresses":true,"public_addresses":true},"before":null},"data_loss":false,"forced_by":[],"forces_replace":[],"instance_id":null,"notes":[],"price":null,"reason":"is new","refund":null,"source":{"column":3,"file":"lighthouse.yaml","line":2}},
        {"address":"web","batch":null,"change":{"actions":["update"],"after":{"bundle_id":"b","instance_name":"web"},"after_unknown":{},"before":{"bundle_id":"of lhins-1","instance_name":"old"}},"data_loss":false,"forced_by":[],"forces_replace":[],"instance_id":"lhins-1","notes":[],"price":null,"reason":"differs from the manifest","refund":null,"source":null},
        {"address":"x","batch":null,"change":{"actions":["isolate"],"after":null,"after_unknown":{},"before":{"bundle_id":"of lhins-2"}},"data_loss":false,"forced_by":[],"forces_replace":[],"instance_id":"lhins-2","notes":[],"price":null,"reason":"is not in the manifest","refund":null,"source":null}],
        "drift":[],
        "resume":[],
        "consents":[],
        "preflight":[],
        "price":null,
        "blocked":[
        {"code":"protected","help":["put it back"],"what":"`x` is protected"}],
        "adopted":[],
        "diagnostics":[],
        "summary":{"api_calls":2,"create":1,"data_loss":0,"forget":0,"import":0,"isolate":1,"move":0,"purge":0,"reinstall":0,"renew":0,"replace":0,"resume":0,"start":0,"stop":0,"update":1,"upgrade":0}}
        "#);
    }
}
