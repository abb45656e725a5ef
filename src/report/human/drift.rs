//! Drift as people read it: what differs and what becomes of it, and until when everything is paid.

use super::table::table;
use crate::model::time::show_duration;
use crate::plan::drift::{Decision, Drift, PaidUntil};
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
    /// Whether the cloud is the sandbox.
    pub sandbox: bool,
}

/// Renders it, its summary first.
pub fn render(shown: DriftText<'_>, palette: Palette) -> String {
    let DriftText { drift, paid, instances, within, sandbox } = shown;
    let mark = sandbox_mark(sandbox);
    let first = match drift.iter().any(Drift::counts) {
        false => format!("No drift{} {}.", if instances == 0 { ":" } else { "." }, first_line(&shown)),
        true => format!("Drift: {}.", first_line(&shown)),
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
    out.push_str(&paid_text(paid, within, palette));
    out
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
    let due = paid.iter().filter(|paid| paid.is_due).count();
    let (title, rows): (String, Vec<&PaidUntil>) = match within {
        Some(within) if due > 0 => (
            format!("Paid for no longer than {} and not renewed by itself:", show_days(within)),
            paid.iter().filter(|paid| paid.is_due).collect(),
        ),
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
            let renews = if paid.renews { "renews automatically" } else { "does not renew automatically" };
            let until = paid.until.to_string();
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
        }
    }

    fn paid(name: &str, renews: bool, is_due: bool) -> PaidUntil {
        let until = Timestamp::from_secs(1_800_000_000);
        PaidUntil { address: Address::single(name), instance_id: "lhins-1".into(), until, renews, is_due }
    }

    #[test]
    fn each_decision_in_words() {
        let found = [
            drift("instance_name", Decision::Revert, None),
            drift("renew_flag", Decision::Adopt, None),
            drift("tags", Decision::Ignore, None),
            drift("state", Decision::Tell, Some("is in rescue mode")),
        ];
        let ends = [paid("db", false, true), paid("web", true, false)];
        let shown = DriftText { drift: &found, paid: &ends, instances: 2, within: None, sandbox: true };
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
        let shown = DriftText { within: Some(Duration::from_secs(7 * 86_400)), drift: &[], ..shown };
        insta::assert_snapshot!(render(shown, Palette::plain()), @r#"
        No drift. 2 instances are as they were left. (sandbox)

        Paid for no longer than 7 days and not renewed by itself:
          db  lhins-1  2027-01-15T08:00:00Z  does not renew automatically
        "#);
    }
}
