//! The end of a run as people read it: what is running and how to reach it, what is not done and why, how to go on.

use super::table::table;
use crate::event::{Item, ItemStatus};
use crate::model::InstanceId;
use crate::report::style::{Label, Palette};
use crate::report::text::{clean, columns, count, members, sandbox_mark, wrap};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most entries of one kind that are shown.
const SHOWN_MAX: usize = 20;

/// What the account says beside its items.
#[derive(Clone, Copy, Debug)]
pub struct AccountText<'a> {
    /// `Applied` or `Destroyed`.
    pub done: &'a str,
    /// The command that goes on, where not everything is done.
    pub again: Option<&'a str>,
    /// What would help against an error, found in the text about it.
    pub way_out: fn(&str) -> Option<String>,
    /// Whether the cloud is the sandbox.
    pub sandbox: bool,
}

/// Renders the account, its summary line last.
pub fn render(items: &[Item], shown: AccountText<'_>, palette: Palette) -> String {
    let mut out = String::new();
    for status in [
        ItemStatus::Running,
        ItemStatus::Updated,
        ItemStatus::Renewed,
        ItemStatus::Imported,
        ItemStatus::Isolated,
        ItemStatus::Purged,
        ItemStatus::Forgotten,
        ItemStatus::Kept,
    ] {
        out.push_str(&done(items, status, palette));
    }
    out.push_str(&bought(items, palette));
    for status in
        [ItemStatus::Pending, ItemStatus::Unknown, ItemStatus::Unclear, ItemStatus::Failed, ItemStatus::NotStarted]
    {
        out.push_str(&not_done(items, status, shown.way_out, palette));
    }
    if let Some(again) = shown.again {
        let text = format!("All of it is recorded. To go on, run `{again}` again.");
        let _ = writeln!(out, "{}\n", wrap(&text, 0, 0));
    } else if items.iter().any(|item| !item.status.is_done()) {
        let text = "All of it is recorded. Before the command is run again, do what the lines above say.";
        let _ = writeln!(out, "{}\n", wrap(text, 0, 0));
    }
    out.push_str(&last_line(items, shown, palette));
    out
}

/// `Applied: 4 running, 1 still pending, 2 not started.`
fn last_line(items: &[Item], shown: AccountText<'_>, palette: Palette) -> String {
    let counts = counts(items);
    let words: Vec<String> = counts.iter().map(|(status, number)| format!("{number} {}", status.as_str())).collect();
    let text = match words.is_empty() {
        true => format!("{}: nothing to do.", shown.done),
        false => format!("{}: {}.", shown.done, words.join(", ")),
    };
    let mark = sandbox_mark(shown.sandbox);
    format!("{}{mark}\n", palette.paint(Label::Heading, &text))
}

/// How many items are in which status.
pub fn counts(items: &[Item]) -> BTreeMap<ItemStatus, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item.status).or_default() += 1;
    }
    counts
}

/// The heading of what is in a status, and how it looks.
pub(in crate::report) fn heading(status: ItemStatus) -> (&'static str, Label) {
    match status {
        ItemStatus::Running => ("Running", Label::Add),
        ItemStatus::Updated => ("Updated", Label::Add),
        ItemStatus::Renewed => ("Renewed", Label::Add),
        ItemStatus::Imported => ("Found again", Label::Add),
        ItemStatus::Purged => ("Destroyed for good", Label::Remove),
        ItemStatus::Isolated => ("Isolated, recoverable for seven days", Label::Remove),
        ItemStatus::Forgotten => ("Forgotten", Label::Faint),
        ItemStatus::Moved => ("Moved", Label::Add),
        ItemStatus::Kept => ("Left over, not taken back by the service", Label::Faint),
        ItemStatus::Pending => ("Still pending", Label::Change),
        ItemStatus::Failed => ("Failed", Label::Remove),
        ItemStatus::NotStarted => ("Not started", Label::Faint),
        ItemStatus::Unknown => ("Unknown, the next apply settles it", Label::Change),
        ItemStatus::Unclear => ("Unclear, stopped before buying", Label::Change),
    }
}

fn done(items: &[Item], status: ItemStatus, palette: Palette) -> String {
    let of_it: Vec<&Item> = items.iter().filter(|item| item.status == status).collect();
    if of_it.is_empty() {
        return String::new();
    }
    let row = |item: &&Item| {
        let id = item.instance_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let last = match item.status {
            ItemStatus::Kept => item.detail.clone().unwrap_or_default(),
            _ => item.public_addresses.join(", "),
        };
        vec![item.address.to_string(), id, last]
    };
    let rows: Vec<Vec<String>> = of_it.iter().take(SHOWN_MAX).map(row).collect();
    let (title, label) = heading(status);
    let mut out = format!("{}\n{}", palette.paint(label, &format!("{title}:")), table(&[], &rows, 2, palette));
    more(&mut out, of_it.len(), if status == ItemStatus::Running { "; `lhprov show` lists all" } else { "" });
    out
}

/// The ids of items that are told together, one line or more.
fn ids(items: &[&Item]) -> String {
    let ids: Vec<&str> = items.iter().filter_map(|item| item.instance_id.as_ref()).map(InstanceId::as_str).collect();
    if ids.is_empty() {
        return String::new();
    }
    let mut text = ids.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN_MAX {
        let _ = write!(text, " and {} more; `lhprov show` lists all", ids.len() - SHOWN_MAX);
    }
    format!("      {}\n", wrap(&clean(&text), 6, 6))
}

/// What this run bought, by the request ids of the purchases; none where an answer was lost.
pub(in crate::report) fn purchases(items: &[Item]) -> Vec<(Option<&String>, Vec<&Item>)> {
    let mut purchases: Vec<(Option<&String>, Vec<&Item>)> = Vec::new();
    for item in items.iter().filter(|item| item.created) {
        match purchases.iter_mut().find(|(request, _)| *request == item.request_id.as_ref()) {
            Some((_, of_it)) => of_it.push(item),
            None => purchases.push((item.request_id.as_ref(), vec![item])),
        }
    }
    purchases
}

/// Items of a status by what kept them from being done, with the first of each.
pub(in crate::report) fn causes(items: &[Item], status: ItemStatus) -> Vec<(&Item, Vec<&Item>)> {
    let mut causes: Vec<(&Item, Vec<&Item>)> = Vec::new();
    for item in items.iter().filter(|item| item.status == status) {
        match causes.iter_mut().find(|(first, _)| first.detail == item.detail && first.request_id == item.request_id) {
            Some((_, of_it)) => of_it.push(item),
            None => causes.push((item, vec![item])),
        }
    }
    causes
}

/// What this run bought, a line for each purchase: the receipt.
fn bought(items: &[Item], palette: Palette) -> String {
    let purchases = purchases(items);
    if purchases.is_empty() {
        return String::new();
    }
    let row = |(request, of_it): &(Option<&String>, Vec<&Item>)| {
        let how = match request {
            Some(request) => format!("request {}", clean(request)),
            None => "found after its answer was lost".to_owned(),
        };
        vec![clean(&members(of_it.iter().map(|item| &item.address))), count(of_it.len(), "instance"), how]
    };
    let rows: Vec<Vec<String>> = purchases.iter().take(SHOWN_MAX).map(row).collect();
    let heading = palette.paint(Label::Add, "Bought in this run:");
    let mut out = format!("{heading}\n{}", table(&[], &rows, 2, palette));
    more(&mut out, purchases.len(), "");
    out
}

fn more(out: &mut String, number: usize, tail: &str) {
    if number > SHOWN_MAX {
        let _ = writeln!(out, "  … and {} more{tail}", number - SHOWN_MAX);
    }
    out.push('\n');
}

/// What is not done; items of one cause together.
fn not_done(items: &[Item], status: ItemStatus, way_out: fn(&str) -> Option<String>, palette: Palette) -> String {
    let causes = causes(items, status);
    if causes.is_empty() {
        return String::new();
    }
    let (title, label) = heading(status);
    let mut out = format!("{}\n", palette.paint(label, &format!("{title}:")));
    for (first, of_it) in causes.iter().take(SHOWN_MAX) {
        let mut head = members(of_it.iter().map(|item| &item.address));
        if let ([item], true) = (of_it.as_slice(), columns(&head) < 40)
            && let Some(id) = &item.instance_id
        {
            let _ = write!(head, "  {id}");
        } else if of_it.len() > 1 {
            let _ = write!(head, "  ({})", count(of_it.len(), "instance"));
        }
        let _ = writeln!(out, "  {}", clean(&head));
        if of_it.len() > 1 {
            out.push_str(&ids(of_it));
        }
        let detail = first.detail.as_deref().unwrap_or_default();
        if !detail.is_empty() {
            let _ = writeln!(out, "      {}", wrap(&clean(detail), 6, 6));
        }
        if let Some(request) = first.request_id.as_ref().filter(|request| !detail.contains(request.as_str())) {
            let _ = writeln!(out, "      {}", palette.paint(Label::Faint, &format!("request {}", clean(request))));
        }
        if let Some(help) = way_out(detail) {
            let _ = writeln!(out, "      {} {}", palette.paint(Label::Help, "help:"), wrap(&clean(&help), 12, 12));
        }
    }
    more(&mut out, causes.len(), "");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    fn item(address: Address, status: ItemStatus) -> Item {
        Item {
            address,
            status,
            instance_id: None,
            public_addresses: Vec::new(),
            created: false,
            detail: None,
            request_id: None,
        }
    }

    fn text(items: &[Item]) -> String {
        let way_out = |detail: &str| detail.contains("LimitExceeded").then(|| "ask for a higher quota".to_owned());
        let shown = AccountText {
            done: "Applied",
            again: (!items.is_empty()).then_some("lhprov apply -f fleet"),
            way_out,
            sandbox: true,
        };
        render(items, shown, Palette::plain())
    }

    #[test]
    fn says_what_runs_what_does_not_and_how_to_go_on() {
        let mut items: Vec<Item> = (0..23)
            .map(|n| Item {
                instance_id: Some(format!("lhins-{n:08}").into()),
                public_addresses: vec![format!("1.2.3.{n}")],
                ..item(Address::indexed("web", n), ItemStatus::Running)
            })
            .collect();
        items.push(Item {
            instance_id: Some("lhins-9".into()),
            detail: Some("PENDING after 15m00s".into()),
            ..item(Address::single("db"), ItemStatus::Pending)
        });
        items.extend((0..30).map(|n| Item {
            detail: Some(
                "CreateInstances: LimitExceeded.InstanceQuotaLimitExceeded: The quota is used up\u{1b}[0m".into(),
            ),
            request_id: Some("6f6c1f80-0000".into()),
            ..item(Address::indexed("app", n), ItemStatus::Failed)
        }));
        items.push(Item {
            detail: Some("waits for db".into()),
            ..item(Address::single("edge"), ItemStatus::NotStarted)
        });
        insta::assert_snapshot!(text(&items), @"
        Running:
          web[0]   lhins-00000000  1.2.3.0
          web[1]   lhins-00000001  1.2.3.1
          web[2]   lhins-00000002  1.2.3.2
          web[3]   lhins-00000003  1.2.3.3
          web[4]   lhins-00000004  1.2.3.4
          web[5]   lhins-00000005  1.2.3.5
          web[6]   lhins-00000006  1.2.3.6
          web[7]   lhins-00000007  1.2.3.7
          web[8]   lhins-00000008  1.2.3.8
          web[9]   lhins-00000009  1.2.3.9
          web[10]  lhins-00000010  1.2.3.10
          web[11]  lhins-00000011  1.2.3.11
          web[12]  lhins-00000012  1.2.3.12
          web[13]  lhins-00000013  1.2.3.13
          web[14]  lhins-00000014  1.2.3.14
          web[15]  lhins-00000015  1.2.3.15
          web[16]  lhins-00000016  1.2.3.16
          web[17]  lhins-00000017  1.2.3.17
          web[18]  lhins-00000018  1.2.3.18
          web[19]  lhins-00000019  1.2.3.19
          … and 3 more; `lhprov show` lists all

        Still pending:
          db  lhins-9
              PENDING after 15m00s

        Failed:
          app[0-29]  (30 instances)
              CreateInstances: LimitExceeded.InstanceQuotaLimitExceeded: The quota is
              used up␛[0m
              request 6f6c1f80-0000
              help: ask for a higher quota

        Not started:
          edge
              waits for db

        All of it is recorded. To go on, run `lhprov apply -f fleet` again.

        Applied: 23 running, 1 still pending, 30 failed, 1 not started. (sandbox)
        ");
    }

    #[test]
    fn says_when_there_was_nothing_to_do() {
        assert_eq!(text(&[]), "Applied: nothing to do. (sandbox)\n");
    }
}
