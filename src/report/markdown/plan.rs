//! A plan as a page.

use super::OPEN_MAX;
use super::escape::{block_text, code, prose};
use super::page::{Entry, Form, Page, Section};
use crate::diag::{Diagnostics, Severity};
use crate::manifest::Sources;
use crate::plan::Drift;
use crate::plan::change::{Action, Blocked, Plan};
use crate::report::human::cost::parts;
use crate::report::human::diagnostic;
use crate::report::human::drift::sentence as drift_sentence;
use crate::report::human::plan::{
    Group, Line, PlanText, View, differences, groups, more_about, order_sentence, other_counts, purchase_sentence,
    sentence,
};
use crate::report::text::{clean_line, count, cut, members, sandbox_mark};

/// Columns that the lines of changes keep to.
const ROOM: usize = 100;

/// Columns of the first line of an entry.
const HEAD_MAX: usize = 300;

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct PlanPage<'a> {
    /// The command it was made by.
    pub command: &'static str,
    /// The fleet.
    pub stack: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The plan and what belongs to it.
    pub shown: PlanText<'a>,
    /// Errors and warnings.
    pub diagnostics: &'a Diagnostics,
    /// Where they point to.
    pub sources: &'a Sources,
}

/// The page of a plan.
pub fn plan(page: PlanPage<'_>) -> Page {
    let PlanPage { command, stack, region, shown, diagnostics, sources } = page;
    let groups = groups(shown.plan, View::Compact);
    let mut lead = vec![code(region)];
    lead.extend(parts(shown.plan).iter().map(|part| prose(part)));
    lead.extend(other_counts(shown.plan));
    let all = format!("lhprov {command}");
    let list = |heading: &str, entries: Vec<Entry>| open_list(heading, entries, &all);
    let of = |wanted: fn(Action) -> bool| entries(&groups, wanted, &shown);
    let mut sections = Vec::new();
    // A plan with errors in it is no plan. What it would break or meet is none of them.
    let is_plan = errors(&shown, diagnostics) == 0;
    if is_plan {
        sections.push(list("Costs money", of(Action::costs_money)));
        sections.push(list("Destroys data", of(Action::loses_data)));
        sections
            .push(list("Is returned, and can be brought back for seven days", of(|action| action == Action::Isolate)));
        let needs = shown.plan.needs.iter().filter(|need| !shown.consented.contains(&need.flag));
        sections.push(list(
            "Needs consent",
            needs.map(|need| Entry::line(format!("{}: {}", code(need.flag), prose(&need.what)))).collect(),
        ));
    }
    sections.push(list("Blocked", blocked(shown.blocked)));
    sections.push(problems(diagnostics, sources));
    if is_plan {
        sections.push(list("Left open by an earlier run", left_open(shown.plan)));
        sections.push(list("To be known", notes(&shown)));
        sections.push(Section {
            heading: "Changes".into(),
            folded: true,
            form: Form::Code("diff"),
            entries: groups.iter().map(|group| change(group, shown.sources)).collect(),
            all: all.clone(),
        });
        sections.push(Section {
            heading: "Changed since the last apply, and not by it".into(),
            folded: true,
            form: Form::Code("text"),
            entries: drifted(&shown.plan.drift),
            all: "lhprov drift".into(),
        });
    }
    Page {
        command,
        stack: Some(stack.to_owned()),
        title: title(stack, &shown, diagnostics),
        lead: vec![lead.join(" · ")],
        sections,
    }
}

fn title(stack: &str, shown: &PlanText<'_>, diagnostics: &Diagnostics) -> String {
    let counts = shown.plan.summary();
    let what = match (errors(shown, diagnostics), shown.plan.is_empty()) {
        (0, true) => "no changes".to_owned(),
        (0, false) => {
            format!("{} to add, {} to change, {} to destroy", counts.to_add(), counts.to_change(), counts.to_destroy())
        }
        (number, _) => count(number, "error"),
    };
    let checks = &shown.plan.checks;
    let blocked = match (shown.blocked.is_empty() && checks.violations.is_empty(), checks.failures.is_empty()) {
        (false, _) => "blocked. ",
        (true, false) => "would fail. ",
        (true, true) => "",
    };
    format!("Plan for {}: {blocked}{what}{}", code(stack), sandbox_mark(shown.sandbox))
}

/// Errors of the plan itself: not what it would break, nor what would fail.
fn errors(shown: &PlanText<'_>, diagnostics: &Diagnostics) -> usize {
    let found = shown.plan.checks.violations.count() + shown.plan.checks.failures.count();
    diagnostics.iter().filter(|one| one.severity == Severity::Error).count().saturating_sub(found)
}

/// What is said openly: who, what, and what it costs or loses.
fn entries(groups: &[Group<'_>], wanted: fn(Action) -> bool, shown: &PlanText<'_>) -> Vec<Entry> {
    let wanted = groups.iter().filter(|group| wanted(group.action));
    wanted
        .map(|group| {
            let addresses = members(group.changes.iter().map(|change| &change.address));
            let about = more_about(group.changes[0], group.changes.len(), shown.sources);
            Entry {
                head: format!("{} {}", code(&addresses), prose(&sentence(group, View::Compact))),
                more: about.iter().map(|line| format!("- {}\n", prose(line))).collect(),
            }
        })
        .collect()
}

/// A list that is not folded; what is beyond a few is counted, and stands among the changes.
pub(super) fn open_list(heading: &str, mut entries: Vec<Entry>, all: &str) -> Section {
    if entries.len() > OPEN_MAX {
        let left_out = entries.len() - OPEN_MAX;
        entries.truncate(OPEN_MAX);
        entries.push(Entry::line(format!("… and {left_out} more; `{all}` shows all of them")));
    }
    Section { heading: heading.to_owned(), folded: false, form: Form::List, entries, all: all.to_owned() }
}

fn blocked(blocked: &[Blocked]) -> Vec<Entry> {
    let entry = |blocked: &Blocked| Entry {
        head: prose(&blocked.what),
        more: blocked.help.iter().map(|help| format!("- help: {}\n", prose(help))).collect(),
    };
    blocked.iter().map(entry).collect()
}

/// Errors and warnings as a terminal shows them.
pub(super) fn problems(diagnostics: &Diagnostics, sources: &Sources) -> Section {
    let entries = diagnostic::each(diagnostics, sources);
    Section {
        heading: "Errors and warnings".into(),
        folded: false,
        form: Form::Code("text"),
        entries: entries.iter().map(|text| Entry::line(format!("{}\n", block_text(text)))).collect(),
        all: "lhprov validate".into(),
    }
}

fn left_open(plan: &Plan) -> Vec<Entry> {
    let purchases = plan.open.iter().map(|open| (members(&open.members), purchase_sentence(open)));
    let orders = plan.orders.iter().map(|order| (members(&order.members), order_sentence(order)));
    let line = |(who, what): (String, String)| Entry::line(format!("{} {}", code(&who), prose(&what)));
    purchases.chain(orders).map(line).collect()
}

fn notes(shown: &PlanText<'_>) -> Vec<Entry> {
    let mut notes = Vec::new();
    if !shown.adopted.is_empty() {
        let who = code(&members(shown.adopted));
        notes.push(Entry::line(format!("found by name and not by tags, and taken over only with consent: {who}")));
    }
    notes.extend(shown.plan.checks.not_made().map(|check| Entry::line(prose(&check.to_string()))));
    if !shown.refreshed {
        notes.push(Entry::line("the cloud was not asked: this compares with what the state remembers"));
    }
    notes
}

/// A group of changes as lines of a diff: what comes and what goes in the first column.
fn change(group: &Group<'_>, sources: Option<&Sources>) -> Entry {
    let mark = match group.action {
        Action::Create | Action::Import | Action::Renew => '+',
        Action::Isolate | Action::Purge | Action::Forget => '-',
        Action::NoOp | Action::Move | Action::Resume => ' ',
        _ => '!',
    };
    let addresses = members(group.changes.iter().map(|change| &change.address));
    let head = format!("{mark} {addresses}  {}", clean_line(&sentence(group, View::Compact)));
    let differences = differences(group, ROOM).into_iter().map(|line| match line {
        Line::Sentence(text) | Line::Around(text) => format!("      {text}\n"),
        // The mark goes to the first column.
        Line::Removed(text) => format!("-     {}\n", text.get(2..).unwrap_or_default()),
        Line::Added(text) => format!("+     {}\n", text.get(2..).unwrap_or_default()),
    });
    let about = more_about(group.changes[0], group.changes.len(), sources);
    let about = about.iter().map(|line| format!("      {line}\n"));
    Entry { head: block_text(&cut(&head, HEAD_MAX)), more: block_text(&differences.chain(about).collect::<String>()) }
}

/// What differs from the last apply, a line each.
pub(super) fn drifted(drift: &[Drift]) -> Vec<Entry> {
    let line = |one: &Drift| {
        let text = clean_line(&format!("{}  {}  {}", one.address, one.instance_id, drift_sentence(one)));
        Entry::line(block_text(&cut(&text, HEAD_MAX)))
    };
    drift.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::COMMENT_MAX;
    use super::*;
    use crate::diag::{Diagnostic, SourceId, Span};
    use crate::model::{Address, Replace};
    use crate::plan::AttributeDiff;
    use crate::plan::change::{ALLOW_DATA_LOSS, After, Change, Need, Reason};
    use serde_json::json;

    fn page<'a>(plan: &'a Plan, blocked: &'a [Blocked], diagnostics: &'a Diagnostics, sources: &'a Sources) -> String {
        let shown = PlanText {
            plan,
            blocked,
            adopted: &[],
            consented: &[],
            sandbox: true,
            refreshed: true,
            sources: Some(sources),
        };
        let page = PlanPage { command: "plan", stack: "shop", region: "ap-guangzhou", shown, diagnostics, sources };
        super::plan(page).render(COMMENT_MAX)
    }

    fn create(address: Address) -> Change {
        let after = json!({"bundle_id": "b_med", "blueprint_id": "lhbp-1", "zones": ["ap-guangzhou-3"],
            "charge": {"period": 1}, "instance_name": address.to_string()});
        Change {
            batch: Some(0),
            after: Some(After::Words(after)),
            ..Change::new(&address, Action::Create, Reason::New)
        }
    }

    #[test]
    fn what_costs_and_what_is_lost_stands_first() {
        let sources = Sources::from_texts([("lighthouse.yaml", "instances:\n  db: {}\n")]);
        let id = |change: Change, id: &str| Change { instance_id: Some(id.into()), ..change };
        let script = |port: u32| json!({"content": format!("#!/bin/sh\nserve --port {port}\n")});
        let plan = Plan {
            changes: vec![
                Change {
                    diffs: vec![AttributeDiff {
                        kind: crate::plan::attribute::Kind::InitCommand,
                        before: script(80),
                        after: script(81),
                    }],
                    ..id(
                        Change::new(&Address::single("api"), Action::Replace(Replace::CreateFirst), Reason::Forced),
                        "lhins-1",
                    )
                },
                Change {
                    price: Some(("12.50".into(), "CNY".into())),
                    diffs: vec![AttributeDiff {
                        kind: crate::plan::attribute::Kind::BundleId,
                        before: json!("small"),
                        after: json!("large"),
                    }],
                    ..id(Change::new(&Address::single("db"), Action::Upgrade, Reason::Differs), "lhins-2")
                },
                id(Change::new(&Address::single("old"), Action::Isolate, Reason::NotInManifest), "lhins-3"),
                create(Address::indexed("web", 0)),
                create(Address::indexed("web", 1)),
                Change::new(&Address::single("well"), Action::NoOp, Reason::AsDesired),
            ],
            needs: vec![Need { flag: ALLOW_DATA_LOSS, what: "`api` is replaced".into() }],
            ..Plan::default()
        };
        let blocked = [Blocked {
            kind: crate::plan::BlockedKind::Protected,
            what: "`old` (lhins-3) is protected".into(),
            help: vec!["put `old` back".into()],
        }];
        let span = Span { source: SourceId(0), start: 13, end: 15 };
        let warning = Diagnostic::warning("not-running", "`db` is stopped").at(span);
        insta::assert_snapshot!(page(&plan, &blocked, &warning.into(), &sources), @r#"
        <!-- lhprov:plan stack=shop -->
        ### Plan for `shop`: blocked. 3 to add, 1 to change, 2 to destroy (sandbox)

        `ap-guangzhou` · 1 with loss of data · 1 unchanged

        **Costs money**

        - `api` replace lhins-1: cannot be changed in place
        - `db` upgrade lhins-2
          - costs 12.50 CNY now
        - `web[0-1]` create 2 × b_med in ap-guangzhou-3, lhbp-1, 1 month, 1 batch

        **Destroys data**

        - `api` replace lhins-1: cannot be changed in place

        **Is returned, and can be brought back for seven days**

        - `old` isolate lhins-3: is not in the manifest

        **Needs consent**

        - `--allow-data-loss`: `api` is replaced

        **Blocked**

        - `old` (lhins-3) is protected
          - help: put `old` back

        **Errors and warnings**

        ```text
        warning[not-running]: `db` is stopped
         --> lighthouse.yaml:2:3
          |
        2 |   db: {}
          |   ^^

        ```

        <details><summary>Changes (4)</summary>

        ```diff
        ! api  replace lhins-1: cannot be changed in place
              init_command:
                content: |
                  #!/bin/sh
        -       serve --port 80
        +       serve --port 81
        ! db  upgrade lhins-2
              bundle_id: "small" → "large"
              costs 12.50 CNY now
        - old  isolate lhins-3: is not in the manifest
        + web[0-1]  create 2 × b_med in ap-guangzhou-3, lhbp-1, 1 month, 1 batch
        ```

        </details>
        "#);
    }

    #[test]
    fn nothing_to_do_and_errors() {
        let sources = Sources::from_texts([("lighthouse.yaml", "instances:\n  db: {}\n")]);
        let well = Change::new(&Address::single("well"), Action::NoOp, Reason::AsDesired);
        let plan = Plan { changes: vec![well, create(Address::single("db"))], ..Plan::default() };
        insta::assert_snapshot!(page(&Plan::default(), &[], &Diagnostics::default(), &sources), @r"
        <!-- lhprov:plan stack=shop -->
        ### Plan for `shop`: no changes (sandbox)

        `ap-guangzhou`
        ");
        let error = Diagnostic::error("no-such-bundle", "there is no such bundle").help("choose another one");
        insta::assert_snapshot!(page(&plan, &[], &error.into(), &sources), @r"
        <!-- lhprov:plan stack=shop -->
        ### Plan for `shop`: 1 error (sandbox)

        `ap-guangzhou` · 1 unchanged

        **Errors and warnings**

        ```text
        error[no-such-bundle]: there is no such bundle
         |
         = help: choose another one

        ```
        ");
    }
}
