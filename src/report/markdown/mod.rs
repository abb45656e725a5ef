//! Output for comments on pull requests and for summaries of a build: markdown that fits and that nobody's names break.
//!
//! A page begins with a hidden comment by which a later one takes its place. What costs money or destroys data stands
//! first; all of the changes are folded below.

mod account;
mod drift;
mod escape;
mod failure;
mod page;
mod plan;

pub use account::{AccountPage, account};
pub use drift::drift;
pub use failure::failure;
pub use page::{COMMENT_MAX, LIMIT_MIN, Page};
pub use plan::{PlanPage, plan};

/// Most entries of an open list; what is more is folded elsewhere, or counted.
const OPEN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
    use crate::event::{Item, ItemStatus};
    use crate::manifest::Sources;
    use crate::model::Address;
    use crate::plan::change::{Action, After, Blocked, Change, Need, Plan, Reason};
    use crate::plan::unreported::NotReported;
    use crate::plan::{AttributeDiff, Decision, Drift};
    use crate::report::human::account::AccountText;
    use crate::report::human::drift::DriftText;
    use crate::report::human::plan::PlanText;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};
    use serde_json::json;
    use std::collections::BTreeMap;

    /// What GitHub knows beside CommonMark.
    fn options() -> Options {
        Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_GFM
            | Options::ENABLE_MATH
    }

    /// What a page is made of, as a reader of markdown understands it: how many of which, texts left out.
    fn understood(page: &str) -> Result<BTreeMap<String, usize>, String> {
        let ours = |html: &str| {
            let html = html.trim();
            html.is_empty()
                || html == "</details>"
                || (html.starts_with("<!-- lhprov:") && html.ends_with("-->") && html.matches("-->").count() == 1)
                || (html.starts_with("<details><summary>") && html.ends_with("</summary>"))
        };
        let mut found = BTreeMap::new();
        for event in Parser::new_ext(page, options()) {
            let what = match event {
                Event::Html(html) | Event::InlineHtml(html) if ours(&html) => "our html".to_owned(),
                Event::Start(Tag::Heading { .. }) => "heading".to_owned(),
                Event::Start(Tag::CodeBlock(_)) => "block".to_owned(),
                Event::Start(Tag::Strong) => "strong".to_owned(),
                Event::Start(Tag::List(None)) => "list".to_owned(),
                Event::Start(Tag::Item) => "item".to_owned(),
                Event::Start(Tag::Paragraph | Tag::HtmlBlock)
                | Event::End(_)
                | Event::Text(_)
                | Event::Code(_)
                | Event::SoftBreak => continue,
                other => return Err(format!("{other:?}")),
            };
            *found.entry(what).or_default() += 1;
        }
        Ok(found)
    }

    /// Every page there is, with `text` wherever others have a say.
    fn pages(text: &str) -> Vec<Page> {
        let sources = Sources::from_texts([("m`|<b>.yaml", text)]);
        let address = Address::named(text, text);
        let change = |action, reason| Change {
            instance_id: Some(text.into()),
            diffs: vec![AttributeDiff {
                kind: crate::plan::attribute::Kind::InitCommand,
                before: json!(text),
                after: json!({"content": text, text: [text]}),
            }],
            after: Some(After::Words(json!({"bundle_id": text, "zones": [text], "blueprint_id": text}))),
            notes: vec![text.to_owned()],
            price: Some((text.to_owned(), text.to_owned())),
            ..Change::new(&address, action, reason)
        };
        let drift = [Drift {
            address: address.clone(),
            instance_id: text.into(),
            attribute: Some(crate::plan::attribute::Kind::Tags),
            applied: json!(text),
            live: json!([text]),
            decision: Decision::Tell,
            what: Some(text.to_owned()),
            price: None,
        }];
        let plan = Plan {
            changes: vec![
                change(Action::Upgrade, Reason::Removed(text.to_owned())),
                change(Action::Create, Reason::New),
                change(Action::Purge, Reason::NothingLeft(text.to_owned())),
                change(Action::Isolate, Reason::Deposed(text.to_owned())),
            ],
            needs: vec![Need { flag: "--adopt", what: text.to_owned() }],
            drift: drift.to_vec(),
            ..Plan::default()
        };
        let blocked =
            [Blocked { kind: crate::plan::BlockedKind::Protected, what: text.to_owned(), help: vec![text.to_owned()] }];
        let span = Span { source: SourceId(0), start: 0, end: u32::try_from(text.len()).unwrap() };
        let warning = Diagnostic::warning("code", text).at(span).label(text).help(text).detail(text);
        let adopted = [address.clone()];
        let shown = PlanText {
            plan: &plan,
            blocked: &blocked,
            adopted: &adopted,
            consented: &[],
            sandbox: true,
            refreshed: false,
            sources: Some(&sources),
        };
        let diagnostics = Diagnostics::from(warning);
        let of_plan = PlanPage {
            command: "plan",
            stack: text,
            region: text,
            shown,
            diagnostics: &diagnostics,
            sources: &sources,
        };
        let items = [ItemStatus::Running, ItemStatus::Failed, ItemStatus::Kept].map(|status| Item {
            address: address.clone(),
            status,
            instance_id: Some(text.into()),
            public_addresses: vec![text.to_owned()],
            created: true,
            detail: Some(text.to_owned()),
            request_id: Some(format!("{text}r")),
        });
        let of_account = AccountPage {
            command: "apply",
            stack: text,
            region: text,
            items: &items,
            shown: AccountText {
                done: "Applied",
                again: Some(text),
                way_out: |text| Some(text.to_owned()),
                sandbox: false,
            },
            troubles: &[format!("{text}x")],
            outputs: &BTreeMap::from([(text.to_owned(), json!(text))]),
        };
        let unreported = NotReported::default();
        let of_drift =
            DriftText { drift: &drift, paid: &[], instances: 1, within: None, unreported: &unreported, sandbox: false };
        vec![
            super::plan(of_plan),
            super::account(of_account),
            super::drift(text, text, of_drift),
            super::failure("plan", Some(text), text, &format!("{text}x")),
        ]
    }

    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("`"),
            Just("```"),
            Just("~~~"),
            Just("</details>"),
            Just("<details>"),
            Just("<script>"),
            Just("<!--"),
            Just("-->"),
            Just("|"),
            Just("|-|-|"),
            Just("\n"),
            Just("\n\n"),
            Just("\r"),
            Just("# "),
            Just("- "),
            Just("1. "),
            Just("> "),
            Just("@team"),
            Just("http://x.yz/a"),
            Just("www.x.yz"),
            Just("[a](b)"),
            Just("![a](b)"),
            Just("[^1]"),
            Just("[[x]]"),
            Just("<http://x.yz>"),
            Just("<a@b.cd>"),
            Just("&lt;"),
            Just("\\"),
            Just("*a*"),
            Just("_a_"),
            Just("**"),
            Just("~~a~~"),
            Just("$a$"),
            Just("$$"),
            Just("\u{1b}[31m"),
            Just("    "),
            Just("\t"),
            Just("---"),
            Just("==="),
            Just(" "),
            Just("a"),
            Just("{#id .c}"),
            Just(":::"),
            Just("^a^"),
            Just("+++"),
        ];
        prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a name, a comment or an answer holds: a page keeps its form, and no escape gets out.
        #[test]
        fn nobodys_text_breaks_a_page(text in hostile()) {
            for (page, plain) in pages(&text).iter().zip(pages("plain")) {
                let (page, plain) = (page.render(COMMENT_MAX), plain.render(COMMENT_MAX));
                let found = understood(&page);
                prop_assert_eq!(&found, &understood(&plain), "{}", page);
                prop_assert!(found.is_ok(), "{}", page);
                prop_assert!(page.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{}", page);
                prop_assert!(!has_mention(&page), "{}", page);
            }
        }

        #[test]
        fn every_page_fits(text in hostile(), times in 1usize..400) {
            for page in pages(&text.repeat(times)) {
                prop_assert!(page.render(LIMIT_MIN).len() <= LIMIT_MIN);
            }
        }
    }

    /// Whether somebody is called by name, or an issue or a link is made, outside of code.
    fn has_mention(page: &str) -> bool {
        let mut in_block = false;
        Parser::new_ext(page, options()).any(|event| match event {
            Event::Start(Tag::CodeBlock(_)) => {
                in_block = true;
                false
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
                in_block = false;
                false
            }
            Event::Text(text) => !in_block && (text.contains(['@', '#', '$']) || text.contains("://")),
            _ => false,
        })
    }
}
