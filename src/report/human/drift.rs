//! Drift as people read it: what differs and what becomes of it, and until when everything is paid.

use super::table::table;
use crate::model::time::show_duration;
use crate::plan::attribute::Kind;
use crate::plan::drift::{Decision, Drift, Due, PaidUntil};
use crate::plan::unreported::NotReported;
use crate::report::style::{Label, Palette};
use crate::report::text::{clean_line, count, sandbox_mark, wrap};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Most rows of paid times that are shown where nobody asked about them.
const ROWS_MAX: usize = 20;

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct DriftText<'a> {
    /// Differences.
    pub drift: &'a [Drift],
    /// Until when everything is paid.
    pub paid: &'a [PaidUntil],
    /// How many instances were looked at.
    pub instances: usize,
    /// The time that was asked about.
    pub within: Option<Duration>,
    /// What of the instances the cloud does not report.
    pub unreported: &'a NotReported,
    /// Whether the cloud is the sandbox.
    pub sandbox: bool,
}

/// Renders it, its summary first.
pub fn render(shown: DriftText<'_>, palette: Palette) -> String {
    let DriftText { drift, paid, instances, within, unreported, sandbox } = shown;
    let mark = sandbox_mark(sandbox);
    let ends = ends(paid);
    let first = match (drift.iter().any(Drift::counts), ends.as_str()) {
        (false, "") => format!("No drift{} {}.", if instances == 0 { ":" } else { "." }, first_line(&shown)),
        (false, _) => format!("{ends}; no drift: {}.", first_line(&shown)),
        (true, "") => format!("Drift: {}.", first_line(&shown)),
        (true, _) => format!("Drift: {}; {ends}.", first_line(&shown)),
    };
    let mut out = format!("{}{mark}\n", palette.paint(Label::Heading, &first));
    let mut by_address: BTreeMap<_, Vec<&Drift>> = BTreeMap::new();
    for one in drift {
        by_address.entry((&one.address, &one.instance_id)).or_default().push(one);
    }
    if !by_address.is_empty() {
        out.push('\n');
    }
    for ((address, id), of_it) in by_address {
        let _ = writeln!(out, "  {}  {id}", palette.paint(Label::Heading, &address.to_string()));
        for one in of_it {
            let _ = writeln!(out, "      {}", wrap(&clean_line(&sentence(one)), 6, 8));
        }
    }
    if let Some(note) = unreported.sentence() {
        let _ = writeln!(out, "\nnote: {}", wrap(&format!("{note}: whether that differs is not known."), 0, 2));
    }
    out.push_str(&paid_text(paid, within, palette));
    out
}

/// How much of the paid time ends soon, or may; empty if none does.
fn ends(paid: &[PaidUntil]) -> String {
    let of = |due| paid.iter().filter(|paid| paid.due == due).count();
    match (of(Due::Yes), of(Due::Unknown)) {
        (0, 0) => String::new(),
        (1, 0) => "Paid time ends soon for 1 instance".to_owned(),
        (due, 0) => format!("Paid time ends soon for {due} instances"),
        (0, unknown) => format!("Paid time is not known for {}", count(unknown, "instance")),
        (due, unknown) => format!("Paid time ends soon for {}, and is not known for {unknown}", count(due, "instance")),
    }
}

/// How much of it there is, without a period.
pub(in crate::report) fn first_line(shown: &DriftText<'_>) -> String {
    let counted = shown.drift.iter().filter(|drift| drift.counts()).count();
    match (counted, shown.instances) {
        (0, 0) => "the state records no instance".to_owned(),
        (0, 1) => "1 instance is as it was left".to_owned(),
        (0, many) => format!("{many} instances are as they were left"),
        (number, instances) => format!("{} in {}", count(number, "difference"), count(instances, "instance")),
    }
}

/// One difference, and what becomes of it.
pub(in crate::report) fn sentence(drift: &Drift) -> String {
    let becomes = match drift.decision {
        Decision::Revert if drift.is_gone() => match &drift.price {
            Some(price) => return format!("deleted in the cloud (the next apply buys it again, {price})"),
            None => return "deleted in the cloud (the next apply buys it again)".to_owned(),
        },
        Decision::Revert if drift.attribute == Some(Kind::OwnershipTags) => "the next apply sets them again",
        Decision::Revert => "the next apply reverts it",
        Decision::Adopt => "as the manifest wants it now: the next apply records it",
        Decision::Ignore => "ignored",
        Decision::Tell => "",
    };
    let what = match &drift.what {
        Some(what) => what.clone(),
        None => format!("{}: {} → {}", drift.name(), value(&drift.applied), value(&drift.live)),
    };
    if becomes.is_empty() { what } else { format!("{what} ({becomes})") }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    }
}

fn paid_text(paid: &[PaidUntil], within: Option<Duration>, palette: Palette) -> String {
    let due: Vec<&PaidUntil> = paid.iter().filter(|paid| paid.due != Due::No).collect();
    let (title, rows): (String, Vec<&PaidUntil>) = match within {
        Some(within) if due.iter().all(|paid| paid.due == Due::Unknown) && !due.is_empty() => {
            (format!("Whether these end within {} is not known:", show_days(within)), due)
        }
        Some(within) if !due.is_empty() => {
            (format!("Paid for no longer than {} and not renewed by itself:", show_days(within)), due)
        }
        Some(within) => {
            let text = format!("Nothing ends within {} without being renewed by itself.", show_days(within));
            return format!("\n{text}\n");
        }
        None if paid.is_empty() || paid.len() > ROWS_MAX => return String::new(),
        None => ("Paid until:".to_owned(), paid.iter().collect()),
    };
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|paid| {
            let renews = match paid.renews {
                Some(true) => "renews automatically",
                Some(false) => "does not renew automatically",
                None => "whether it renews automatically is not known",
            };
            let until = paid.until.map_or_else(|| "not known".to_owned(), |until| until.to_string());
            vec![paid.address.to_string(), paid.instance_id.to_string(), until, renews.to_owned()]
        })
        .collect();
    format!("\n{}\n{}", palette.paint(Label::Heading, &title), table(&[], &rows, 2, palette))
}

/// `7 days`, or as other durations are shown.
fn show_days(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    let secs = duration.as_secs();
    match secs >= DAY && secs.is_multiple_of(DAY) {
        true => count(usize::try_from(secs / DAY).unwrap_or(usize::MAX), "day"),
        false => show_duration(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Timestamp};
    use serde_json::json;

    fn drift(name: &'static str, decision: Decision, what: Option<&str>) -> Drift {
        Drift {
            address: Address::indexed("web", 0),
            instance_id: "lhins-1".into(),
            attribute: crate::plan::attribute::Kind::of_name(name),
            applied: json!("a"),
            live: json!("b\u{1b}[1m"),
            decision,
            what: what.map(str::to_owned),
            price: None,
        }
    }

    fn paid(name: &str, renews: bool, due: Due) -> PaidUntil {
        let until = Some(Timestamp::from_secs(1_800_000_000));
        PaidUntil { address: Address::single(name), instance_id: "lhins-1".into(), until, renews: Some(renews), due }
    }

    #[test]
    fn each_decision_in_words() {
        let found = [
            drift("instance_name", Decision::Revert, None),
            drift("renew_flag", Decision::Adopt, None),
            drift("tags", Decision::Ignore, None),
            drift("state", Decision::Tell, Some("is in rescue mode")),
        ];
        let ends = [paid("db", false, Due::No), paid("web", true, Due::No)];
        let unreported = NotReported::default();
        let shown = DriftText {
            drift: &found,
            paid: &ends,
            instances: 2,
            within: None,
            unreported: &unreported,
            sandbox: true,
        };
        insta::assert_snapshot!(render(shown, Palette::plain()), @r#"
        Drift: 3 differences in 2 instances. (sandbox)

          web[0]  lhins-1
              instance_name: "a" → "b\u001b[1m" (the next apply reverts it)
              renew_flag: "a" → "b\u001b[1m" (as the manifest wants it now: the next
                apply records it)
              tags: "a" → "b\u001b[1m" (ignored)
              is in rescue mode

        Paid until:
          db   lhins-1  2027-01-15T08:00:00Z  does not renew automatically
          web  lhins-1  2027-01-15T08:00:00Z  renews automatically
        "#);
        let ends = [paid("db", false, Due::Yes), paid("web", true, Due::No)];
        let shown = DriftText { within: Some(Duration::from_secs(7 * 86_400)), drift: &[], paid: &ends, ..shown };
        insta::assert_snapshot!(render(shown, Palette::plain()), @r#"
        Paid time ends soon for 1 instance; no drift: 2 instances are as they were left. (sandbox)

        Paid for no longer than 7 days and not renewed by itself:
          db  lhins-1  2027-01-15T08:00:00Z  does not renew automatically
        "#);
    }
}
