//! A plan as people read it: what happens to which address and why, what stands in the way, and how many of what.
//!
//! Equal things of a block are told once; `View::Full` tells every address apart.

use super::cost;
use crate::manifest::Sources;
use crate::model::Address;
use crate::plan::change::{
    Action, After, Blocked, Change, DestroyScope, Evidence, OpenPurchase, Plan, Reason, UnsettledOrder,
};
use crate::report::difference::{self, show};
use crate::report::style::{Label, Palette};
use crate::report::text::{WIDTH, clean, clean_line, columns, count, cut, members, pad, sandbox_mark, wrap};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Equal changes of a block together.
    #[default]
    Compact,
    /// One entry for each address, with all attributes.
    Full,
}

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct PlanText<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What forbids to apply it.
    pub blocked: &'a [Blocked],
    /// Addresses found again without our tags.
    pub adopted: &'a [Address],
    /// Flags of consent that were given already.
    pub consented: &'a [&'static str],
    /// Whether the cloud is the sandbox.
    pub sandbox: bool,
    /// Whether the cloud was asked.
    pub refreshed: bool,
    /// What places point into.
    pub sources: Option<&'a Sources>,
}

/// Most changes of one group whose ids or differences are listed.
const LISTED_MAX: usize = 3;

/// Columns before the second line of an entry.
const INDENT: usize = 6;

/// Renders the plan, its summary last.
pub fn render(shown: PlanText<'_>, view: View, palette: Palette) -> String {
    let PlanText { plan, blocked, adopted, consented, sandbox: _, refreshed, sources } = shown;
    let mut out = String::new();
    for open in &plan.open {
        out.push_str(&open_purchase(open, palette));
    }
    for order in &plan.orders {
        out.push_str(&unsettled_order(order, palette));
    }
    for group in groups(plan, view) {
        out.push_str(&entry(&group, view, palette));
        for line in more_about(group.changes[0], group.changes.len(), sources) {
            let _ = writeln!(out, "{}{}", " ".repeat(INDENT + 2), wrap(&line, INDENT + 2, INDENT + 4));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    if !adopted.is_empty() {
        let text = format!(
            "found by name and not by tags: {}. Taking what was found into the state needs consent",
            members(adopted)
        );
        let _ = writeln!(out, "{}: {}\n", palette.paint(Label::Found, "note"), wrap(&text, 6, INDENT));
    }
    if !refreshed {
        let text = "the cloud was not asked (--no-refresh): this compares with what the state remembers";
        let _ = writeln!(out, "{}: {}\n", palette.paint(Label::Found, "note"), wrap(text, 6, INDENT));
    }
    let outside = plan.drift.iter().filter(|drift| drift.counts() && drift.what.is_none()).count();
    if outside > 0 {
        let text = format!(
            "{} changed since the last apply, and not by it; `lhprov drift` lists what",
            if outside == 1 { "1 attribute was".to_owned() } else { format!("{outside} attributes were") }
        );
        let _ = writeln!(out, "{}: {}\n", palette.paint(Label::Found, "note"), wrap(&text, 6, INDENT));
    }
    out.push_str(&cost::not_checked(&plan.checks, palette));
    for need in plan.needs.iter().filter(|need| !consented.contains(&need.flag)) {
        let text = format!("{}: {}", need.flag, need.what);
        let _ = writeln!(out, "{} {}\n", palette.paint(Label::Remove, "needs"), wrap(&text, 6, INDENT));
    }
    for obstacle in blocked {
        out.push_str(&blocked_text(obstacle, palette));
        out.push('\n');
    }
    out.push_str(&summary(shown, palette));
    out
}

/// The summary lines alone.
pub fn summary(shown: PlanText<'_>, palette: Palette) -> String {
    let plan = shown.plan;
    let counts = plan.summary();
    let mark = sandbox_mark(shown.sandbox);
    if plan.is_empty() {
        let text = match counts.no_op {
            _ if plan.destroy.is_some() && !shown.blocked.is_empty() => "No changes: the plan is blocked.".to_owned(),
            number => match (plan.destroy, number) {
                (Some(scope), _) => format!("No changes. {}", nothing_to_destroy(scope, shown.refreshed)),
                (None, 0) => "No changes. The manifest wants no instance, and there is none.".to_owned(),
                (None, 1) => "No changes. 1 instance is as the manifest wants it.".to_owned(),
                (None, many) => format!("No changes. {many} instances are as the manifest wants them."),
            },
        };
        return format!("{}{mark}\n", palette.paint(Label::Heading, &text));
    }
    let first = format!(
        "Plan: {} to add, {} to change, {} to destroy.",
        counts.to_add(),
        counts.to_change(),
        counts.to_destroy()
    );
    let mut out = format!("{}{mark}\n", palette.paint(Label::Heading, &first));
    out.push_str(&cost::line(plan, mark));
    let others = other_counts(plan);
    if !others.is_empty() {
        let _ = writeln!(out, "      {}.{mark}", others.join(", "));
    }
    out
}

/// Why a destroy has nothing to do.
pub fn nothing_to_destroy(scope: DestroyScope, refreshed: bool) -> String {
    match scope.left_out {
        1 => "1 instance is left out by --only or --skip.".to_owned(),
        2.. => format!("{} instances are left out by --only or --skip.", scope.left_out),
        0 if scope.is_limited => "Nothing that --only and --skip select has an instance.".to_owned(),
        0 if refreshed => "The stack has no instance.".to_owned(),
        0 => "The state records no instance.".to_owned(),
    }
}

/// How many of what the first line does not count.
pub(in crate::report) fn other_counts(plan: &Plan) -> Vec<String> {
    let counts = plan.summary();
    let others = [
        (plan.open.len(), if plan.open.len() == 1 { "purchase to settle" } else { "purchases to settle" }),
        (plan.orders.len(), if plan.orders.len() == 1 { "order to settle" } else { "orders to settle" }),
        (counts.renew, "to renew"),
        (counts.resume, "to resume"),
        (counts.import, "found again"),
        (counts.moved, "to move"),
        (counts.forget, "to forget"),
        (counts.no_op, "unchanged"),
    ];
    others.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect()
}

/// What stands in the way, and the way out.
pub fn blocked_text(blocked: &Blocked, palette: Palette) -> String {
    let mut out = format!("{} {}\n", palette.paint(Label::Error, "blocked:"), wrap(&clean(&blocked.what), 9, INDENT));
    for help in &blocked.help {
        let _ = writeln!(out, "  {} {}", palette.paint(Label::Help, "help:"), wrap(&clean(help), 8, 8));
    }
    out
}

/// Changes that are told together.
pub(in crate::report) struct Group<'a> {
    /// What happens.
    pub action: Action,
    /// To whom.
    pub changes: Vec<&'a Change>,
}

pub(in crate::report) fn groups(plan: &Plan, view: View) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    // Where the groups of the present block begin: changes come by address, so the blocks come one after another.
    let mut block_begin = 0;
    for change in plan.changes.iter().filter(|change| change.action != Action::NoOp) {
        let same_block = groups.last().is_some_and(|group| group.changes[0].address.block == change.address.block);
        if !same_block {
            block_begin = groups.len();
        }
        let like = groups[block_begin..]
            .iter_mut()
            .find(|group| view == View::Compact && is_told_together(group.changes[0], change));
        match like {
            Some(group) => group.changes.push(change),
            None => groups.push(Group { action: change.action, changes: vec![change] }),
        }
    }
    groups
}

/// Whether two changes of one block differ in nothing that a line about both would say.
fn is_told_together(a: &Change, b: &Change) -> bool {
    a.action == b.action
        && reason_of_many(&a.reason) == reason_of_many(&b.reason)
        && a.diffs.iter().map(|diff| diff.kind).eq(b.diffs.iter().map(|diff| diff.kind))
        && a.unconfirmed.as_ref().map(std::mem::discriminant) == b.unconfirmed.as_ref().map(std::mem::discriminant)
        && (&a.price, &a.notes, &a.refund, &a.forces_replace) == (&b.price, &b.notes, &b.refund, &b.forces_replace)
        && match (&a.after, &b.after) {
            (Some(a), Some(b)) => a.is_like(b),
            (a, b) => a.is_none() && b.is_none(),
        }
}

/// Why, for several at once.
fn reason_of_many(reason: &Reason) -> String {
    match reason {
        Reason::Gone(_) => "are gone from the cloud, will be created again".to_owned(),
        Reason::LaunchFailed(_) => "failed to launch, will be created again".to_owned(),
        Reason::Removed(_) => "stood there before and were removed".to_owned(),
        Reason::Short => "got no instance from an earlier purchase".to_owned(),
        Reason::FoundAgain(_) => "were bought for them and are found again".to_owned(),
        Reason::NotInManifest => "are not in the manifest".to_owned(),
        Reason::DestroyRequested => reason.to_string(),
        Reason::StillPending => "are still being created".to_owned(),
        Reason::NotYetListed => "were bought and are not listed yet".to_owned(),
        Reason::Deposed(why) => format!("are left over: {why}"),
        Reason::AsDesired => "are as desired".to_owned(),
        Reason::New => String::new(),
        Reason::Moved(from) => format!("stood at {}[…]", from.block),
        Reason::LetGo => "the manifest lets them go; they stay in the cloud".to_owned(),
        Reason::Differs => "differ from the manifest".to_owned(),
        Reason::Forced => "cannot be changed in place".to_owned(),
        Reason::Asked => "their replacement was asked for".to_owned(),
        Reason::MoreTime { .. } => reason.to_string(),
        Reason::ReturnedAlready => "are returned already".to_owned(),
        Reason::NothingLeft(what) => {
            what.strip_prefix("is ").map_or_else(|| what.clone(), |rest| format!("are {rest}"))
        }
    }
}

fn entry(group: &Group<'_>, view: View, palette: Palette) -> String {
    let symbol = group.action.symbol();
    let addresses = members(group.changes.iter().map(|change| &change.address));
    let head = format!("  {} {}  ", pad(symbol, 2), addresses);
    let painted = format!(
        "  {}{} {}  ",
        palette.paint(label(group.action), symbol),
        " ".repeat(2 - columns(symbol).min(2)),
        palette.paint(Label::Heading, &addresses)
    );
    let mut out = format!("{painted}{}\n", wrap(&clean_line(&sentence(group, view)), columns(&head), INDENT + 2));
    if view == View::Full {
        out.push_str(&attributes(group.changes[0], palette));
    }
    for line in differences(group, WIDTH - INDENT - 2) {
        let text = match line {
            Line::Sentence(text) => wrap(&text, INDENT + 2, INDENT + 4),
            Line::Removed(text) => palette.paint(Label::Remove, &text),
            Line::Added(text) => palette.paint(Label::Add, &text),
            Line::Around(text) => text,
        };
        let _ = writeln!(out, "{}{text}", " ".repeat(INDENT + 2));
    }
    out
}

/// A line about what differs.
pub(in crate::report) enum Line {
    /// A sentence, which may be broken.
    Sentence(String),
    /// What was there, after a `-`.
    Removed(String),
    /// What is to be there, after a `+`.
    Added(String),
    /// What is around it.
    Around(String),
}

/// What differs, and where from it moves, for the first few of a group. Lines are no wider than `room`.
pub(in crate::report) fn differences(group: &Group<'_>, room: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for change in group.changes.iter().take(LISTED_MAX) {
        if let (Some(from), true) = (&change.moved_from, change.action != Action::Move) {
            lines.push(Line::Sentence(clean_line(&format!("{} moves here from {from}", change.address))));
        }
        for diff in &change.diffs {
            let whose = match group.changes.len() {
                1 => diff.kind.name().to_owned(),
                _ => format!("{}  {}", change.address, diff.kind.name()),
            };
            let told = difference::lines(&whose, &diff.before, &diff.after, room);
            let is_sentence = told.len() == 1;
            lines.extend(told.into_iter().enumerate().map(|(number, line)| match line.as_bytes().first() {
                _ if is_sentence => Line::Sentence(line),
                Some(b'-') if number > 0 => Line::Removed(line),
                Some(b'+') if number > 0 => Line::Added(line),
                _ => Line::Around(line),
            }));
        }
    }
    if group.changes.len() > LISTED_MAX && group.changes.iter().any(|change| !change.diffs.is_empty()) {
        lines.push(Line::Around(format!("… and {} more", group.changes.len() - LISTED_MAX)));
    }
    lines
}

fn label(action: Action) -> Label {
    match action {
        Action::Create | Action::Renew => Label::Add,
        Action::Update | Action::Start | Action::Stop | Action::Upgrade | Action::Resume => Label::Change,
        Action::Import | Action::Move => Label::Found,
        Action::Isolate | Action::Purge | Action::Reinstall | Action::Replace(_) => Label::Remove,
        Action::Forget | Action::NoOp => Label::Faint,
    }
}

/// `create 300 × bundle in zone, image, 1 month, 10 batches`; `isolate lhins-1: is not in the manifest`.
pub(in crate::report) fn sentence(group: &Group<'_>, view: View) -> String {
    let number = group.changes.len();
    let first = group.changes[0];
    let mut text = group.action.as_str().to_owned();
    if number > 1 {
        let _ = write!(text, " {number}");
    }
    if group.action == Action::Create && view == View::Compact {
        let spec = first.after.as_ref().map(After::to_json);
        let spec = spec.as_ref();
        let word = |key: &str| spec.and_then(|spec| spec[key].as_str()).unwrap_or_default().to_owned();
        let _ = write!(text, "{} {}", if number > 1 { " ×" } else { "" }, word("bundle_id"));
        let zones: Vec<&str> = spec
            .and_then(|spec| spec["zones"].as_array())
            .map(|zones| zones.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        if zones.is_empty() {
            text.push_str(" in any zone");
        } else {
            let _ = write!(text, " in {}", zones.join(" or "));
        }
        let _ = write!(text, ", {}", word("blueprint_id"));
        if let Some(period) = spec.and_then(|spec| spec["charge"]["period"].as_u64()) {
            let _ = write!(text, ", {}", count(usize::try_from(period).unwrap_or(usize::MAX), "month"));
        }
        let batches: BTreeSet<usize> = group.changes.iter().filter_map(|change| change.batch).collect();
        if number > 1 {
            let _ = write!(
                text,
                ", {}",
                if batches.len() == 1 { "1 batch".to_owned() } else { format!("{} batches", batches.len()) }
            );
        }
    } else if number <= LISTED_MAX && !matches!(first.reason, Reason::FoundAgain(_)) {
        let ids: Vec<&str> =
            group.changes.iter().filter_map(|change| Some(change.instance_id.as_ref()?.as_str())).collect();
        match ids.as_slice() {
            [] => {}
            [id] => text = format!("{text} {id}"),
            _ => text = format!("{text} ({})", ids.join(", ")),
        }
    }
    let why = match (&first.reason, number) {
        (Reason::New | Reason::Differs | Reason::AsDesired, _) => return text,
        (reason, 1) => reason.to_string(),
        (reason @ (Reason::Gone(_) | Reason::LaunchFailed(_) | Reason::Removed(_)), _) => {
            format!("those before {}", reason_of_many(reason))
        }
        (reason, _) => reason_of_many(reason),
    };
    format!("{text}: {why}")
}

/// What forces a replacement and where, what it costs, what comes back, and what else is to be known.
pub(in crate::report) fn more_about(change: &Change, number: usize, sources: Option<&Sources>) -> Vec<String> {
    let mut lines = Vec::new();
    for forced in &change.forces_replace {
        let place = sources.map(|sources| sources.location(forced.span));
        let place = place.map(|place| format!(" ({}:{}:{})", place.path, place.line, place.column));
        lines.push(format!("`{}` forces another instance{}", forced.kind.name(), place.unwrap_or_default()));
    }
    lines.extend(change.notes.iter().cloned());
    if let Some(evidence) = &change.unconfirmed {
        let by = match (evidence, number) {
            (Evidence::Name(_), 2..) => "their names alone".to_owned(),
            (evidence, _) => evidence.to_string(),
        };
        let them = if number == 1 { "it" } else { "them" };
        lines.push(format!("unconfirmed: recognised by {by}; another repository with this stack name may own {them}"));
    }
    if let Some((price, currency)) = &change.price {
        lines.push(format!("costs {price} {currency}{} now", if number > 1 { " each" } else { "" }));
    }
    match &change.refund {
        Some(refund) if refund.is_returnable => lines.push("the service takes it back".to_owned()),
        Some(refund) => lines.push(format!("the service does not take it back: {}", refund.why())),
        None => {}
    }
    lines.iter().map(|line| clean_line(line)).collect()
}

/// An order of an earlier run in words.
pub(in crate::report) fn order_sentence(order: &UnsettledOrder) -> String {
    let answer = if order.accepted { "the service has taken it" } else { "no answer is known" };
    clean_line(&format!("find out about the {} ({}) of an earlier run: {answer}", order.kind.as_str(), order.to))
}

fn unsettled_order(order: &UnsettledOrder, palette: Palette) -> String {
    let addresses = members(&order.members);
    let head = format!("  …  {addresses}  ");
    format!(
        "  {}  {}  {}\n",
        palette.paint(Label::Change, "…"),
        palette.paint(Label::Heading, &addresses),
        wrap(&order_sentence(order), columns(&head), INDENT + 2)
    )
}

/// Every attribute that is to be, one a line.
fn attributes(change: &Change, palette: Palette) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    if let (Some(after), true) = (&change.after, change.diffs.is_empty()) {
        flatten("", &after.to_json(), &mut lines);
    }
    if let Some(batch) = change.batch {
        lines.push(("batch".to_owned(), (batch + 1).to_string()));
    }
    let width = lines.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in lines {
        let room = WIDTH.saturating_sub(INDENT + 2 + width + 2).max(20);
        let name = palette.paint(Label::Faint, &pad(&clean_line(&name), width));
        let _ = writeln!(out, "{}{name}  {}", " ".repeat(INDENT + 2), cut(&clean_line(&value), room));
    }
    out
}

fn flatten(prefix: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&name, inner, lines);
            }
        }
        Value::String(text) => lines.push((prefix.to_owned(), text.clone())),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            lines.push((prefix.to_owned(), items.join(", ")));
        }
        other => lines.push((prefix.to_owned(), show(other))),
    }
}

/// A purchase of an earlier run in words.
pub(in crate::report) fn purchase_sentence(open: &OpenPurchase) -> String {
    let answer = if open.answered { "answered, not yet matched to its members" } else { "no answer is known" };
    let number = if open.members.len() == 1 { String::new() } else { format!(" of {}", open.members.len()) };
    format!(
        "resume purchase {}{number} of an earlier run: asked {}, {answer}",
        open.token.short(),
        if open.attempts == 1 { "once".to_owned() } else { count(open.attempts, "time") },
    )
}

fn open_purchase(open: &OpenPurchase, palette: Palette) -> String {
    let addresses = members(&open.members);
    let head = format!("  …  {addresses}  ");
    format!(
        "  {}  {}  {}\n",
        palette.paint(Label::Change, "…"),
        palette.paint(Label::Heading, &addresses),
        wrap(&purchase_sentence(open), columns(&head), INDENT + 2)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::AttributeDiff;
    use serde_json::json;

    pub(crate) fn change(address: Address, action: Action, reason: Reason) -> Change {
        Change::new(&address, action, reason)
    }

    fn create(address: Address, batch: usize) -> Change {
        let name = format!("n-{address}");
        let after = json!({
            "bundle_id": "bundle_starter_nmc_lin_med2_01", "blueprint_id": "lhbp-f1lkcd41", "instance_name": name,
            "zones": ["ap-guangzhou-3", "ap-guangzhou-6"], "charge": {"period": 1, "renew_flag": "NOTIFY_AND_MANUAL_RENEW"},
        });
        Change { batch: Some(batch), after: Some(After::Words(after)), ..change(address, Action::Create, Reason::New) }
    }

    fn text(plan: &Plan, blocked: &[Blocked], view: View) -> String {
        let shown =
            PlanText { plan, blocked, adopted: &[], consented: &[], sandbox: false, refreshed: true, sources: None };
        render(shown, view, Palette::plain())
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan { changes, ..Plan::default() }
    }

    #[test]
    fn three_hundred_equal_creates_are_one_entry() {
        let changes = (0..300).map(|index| create(Address::indexed("web", index), index as usize / 30)).collect();
        let out = text(&plan(changes), &[], View::Compact);
        insta::assert_snapshot!(out, @"
          +  web[0-299]  create 300 × bundle_starter_nmc_lin_med2_01 in ap-guangzhou-3
                or ap-guangzhou-6, lhbp-f1lkcd41, 1 month, 10 batches

        Plan: 300 to add, 0 to change, 0 to destroy.
        ");
    }

    #[test]
    fn every_kind_of_change() {
        let id = |change: Change, id: &str| Change { instance_id: Some(id.into()), ..change };
        let single = |name: &str| Address::single(name);
        let gone = Change { reason: Reason::Gone("lhins-0".into()), ..create(single("db"), 0) };
        let named = Change {
            diffs: vec![AttributeDiff {
                kind: crate::plan::attribute::Kind::InstanceName,
                before: json!("a\u{1b}[1m"),
                after: json!("api"),
            }],
            ..id(change(single("api"), Action::Update, Reason::Differs), "lhins-1")
        };
        let mut changes = vec![
            named,
            id(change(single("cache"), Action::Import, Reason::FoundAgain("lhins-2".into())), "lhins-2"),
            gone,
        ];
        for n in 0..5 {
            let old = change(Address::indexed("old", n), Action::Isolate, Reason::NotInManifest);
            changes.push(id(old, &format!("lhins-5{n}")));
        }
        changes.push(id(change(single("queue"), Action::Resume, Reason::StillPending), "lhins-6"));
        changes.push(id(
            change(single("spare"), Action::Forget, Reason::NothingLeft("is SHUTDOWN already".into())),
            "lhins-7",
        ));
        changes.push(change(single("well"), Action::NoOp, Reason::AsDesired));
        let mut plan = plan(changes);
        plan.open.push(OpenPurchase {
            token: "0123456789abcdef0123".into(),
            members: (0..30).map(|n| Address::indexed("web", n)).collect(),
            attempts: 2,
            answered: false,
        });
        let blocked = [Blocked {
            kind: crate::plan::BlockedKind::Protected,
            what: "`old[0]` (lhins-50) is protected and would be isolated".into(),
            help: vec![
                "put `old[0]` back into the manifest; to let it go, apply once with `protect: false`, then remove it"
                    .into(),
            ],
        }];
        insta::assert_snapshot!(text(&plan, &blocked, View::Compact), @r#"
          …  web[0-29]  resume purchase 0123456789abcdef of 30 of an earlier run: asked
                2 times, no answer is known
          ~  api  update lhins-1
                instance_name: "a\u001b[1m" → "api"
          <- cache  import: lhins-2 was bought for it and is found again
          +  db  create bundle_starter_nmc_lin_med2_01 in ap-guangzhou-3 or
                ap-guangzhou-6, lhbp-f1lkcd41, 1 month: lhins-0 is gone from the cloud,
                will be created again
          -  old[0-4]  isolate 5: are not in the manifest
          …  queue  resume lhins-6: is still being created
          o  spare  forget lhins-7: is SHUTDOWN already

        blocked: `old[0]` (lhins-50) is protected and would be isolated
          help: put `old[0]` back into the manifest; to let it go, apply once with
                `protect: false`, then remove it

        Plan: 1 to add, 1 to change, 5 to destroy.
              1 purchase to settle, 1 to resume, 1 found again, 1 to forget, 1 unchanged.
        "#);
    }

    #[test]
    fn the_full_view_names_every_attribute() {
        let changes = (0..2).map(|index| create(Address::indexed("web", index), 0)).collect();
        insta::assert_snapshot!(text(&plan(changes), &[], View::Full), @"
          +  web[0]  create
                blueprint_id       lhbp-f1lkcd41
                bundle_id          bundle_starter_nmc_lin_med2_01
                charge.period      1
                charge.renew_flag  NOTIFY_AND_MANUAL_RENEW
                instance_name      n-web[0]
                zones              ap-guangzhou-3, ap-guangzhou-6
                batch              1
          +  web[1]  create
                blueprint_id       lhbp-f1lkcd41
                bundle_id          bundle_starter_nmc_lin_med2_01
                charge.period      1
                charge.renew_flag  NOTIFY_AND_MANUAL_RENEW
                instance_name      n-web[1]
                zones              ap-guangzhou-3, ap-guangzhou-6
                batch              1

        Plan: 2 to add, 0 to change, 0 to destroy.
        ");
    }

    #[test]
    fn nothing_to_do_says_so() {
        let changes = (0..4).map(|n| change(Address::indexed("web", n), Action::NoOp, Reason::AsDesired)).collect();
        assert_eq!(
            text(&plan(changes), &[], View::Compact),
            "No changes. 4 instances are as the manifest wants them.\n"
        );
        let shown = PlanText {
            plan: &plan(vec![
                create(Address::single("db"), 0),
                change(Address::single("x"), Action::NoOp, Reason::AsDesired),
            ]),
            blocked: &[],
            adopted: &[],
            consented: &[],
            sandbox: true,
            refreshed: true,
            sources: None,
        };
        assert_eq!(
            summary(shown, Palette::plain()),
            "Plan: 1 to add, 0 to change, 0 to destroy. (sandbox)\n      1 unchanged. (sandbox)\n"
        );
    }
}
