//! Drift as a page.

use super::escape::{code, prose};
use super::page::{Entry, Form, Page, Section};
use super::plan::{drifted, open_list};
use crate::plan::drift::Due;
use crate::report::human::drift::{DriftText, first_line};
use crate::report::text::sandbox_mark;

/// The page of what was found.
pub fn drift(stack: &str, region: &str, shown: DriftText<'_>) -> Page {
    let DriftText { drift, paid, instances: _, within, unreported, sandbox } = shown;
    let due = paid.iter().filter(|paid| paid.due != Due::No).map(|paid| {
        let (address, id) = (code(&paid.address.to_string()), code(paid.instance_id.as_str()));
        Entry::line(match (paid.until, paid.renews) {
            (Some(until), Some(_)) => format!("{address} {id} is paid until {until} and does not renew by itself"),
            (Some(until), None) => {
                format!("{address} {id} is paid until {until}; whether it renews by itself is not known")
            }
            (None, _) => format!("{address} {id}: until when it is paid is not known"),
        })
    });
    let mut lead = vec![code(region)];
    lead.extend(within.map(|within| format!("asked about the next {} hours", within.as_secs() / 3600)));
    lead.extend(unreported.sentence().map(|note| prose(&note)));
    Page {
        command: "drift",
        stack: Some(stack.to_owned()),
        title: format!("Drift of {}: {}{}", code(stack), prose(&first_line(&shown)), sandbox_mark(sandbox)),
        lead: vec![lead.join(" · ")],
        sections: vec![
            open_list("Ends soon", due.collect(), "lhprov drift"),
            Section {
                heading: "Differences".into(),
                folded: true,
                form: Form::Code("text"),
                entries: drifted(drift),
                all: "lhprov drift".into(),
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::super::COMMENT_MAX;
    use super::*;
    use crate::model::{Address, Timestamp};
    use crate::plan::drift::{Decision, Drift, PaidUntil};
    use crate::plan::unreported::NotReported;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn differences_and_what_ends() {
        let found = [Drift {
            address: Address::indexed("web", 0),
            instance_id: "lhins-1".into(),
            attribute: Some(crate::plan::attribute::Kind::InstanceName),
            applied: json!("a"),
            live: json!("b ``` </details>\u{1b}[1m"),
            decision: Decision::Revert,
            what: None,
            price: None,
        }];
        let ends = [PaidUntil {
            address: Address::single("db"),
            instance_id: "lhins-2".into(),
            until: Some(Timestamp::from_secs(1_800_000_000)),
            renews: Some(false),
            due: Due::Yes,
        }];
        let within = Some(Duration::from_secs(7 * 86_400));
        let unreported = NotReported::default();
        let shown =
            DriftText { drift: &found, paid: &ends, instances: 2, within, unreported: &unreported, sandbox: true };
        insta::assert_snapshot!(drift("shop", "ap-guangzhou", shown).render(COMMENT_MAX), @r#"
        <!-- lhprov:drift stack=shop -->
        ### Drift of `shop`: 1 difference in 2 instances (sandbox)

        `ap-guangzhou` · asked about the next 168 hours

        **Ends soon**

        - `db` `lhins-2` is paid until 2027-01-15T08:00:00Z and does not renew by itself

        <details><summary>Differences (1)</summary>

        ````text
        web[0]  lhins-1  instance_name: "a" → "b ``` </details>\u001b[1m" (the next apply reverts it)
        ````

        </details>
        "#);
    }
}
