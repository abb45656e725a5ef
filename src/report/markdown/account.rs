//! The end of a run as a page: what is not done first, then what was bought, then all that stands.

use super::escape::{block_text, code, prose};
use super::page::{Entry, Form, Page, Section};
use super::plan::open_list;
use crate::event::{Item, ItemStatus};
use crate::report::human::account::{AccountText, causes, counts, heading, purchases};
use crate::report::text::{clean_line, count, cut, members, sandbox_mark};
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns of an output.
const OUTPUT_MAX: usize = 400;

/// Ids and addresses of an instance that are written into one line.
const LISTED_MAX: usize = 5;

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct AccountPage<'a> {
    /// `apply`, `destroy` or `renew`.
    pub command: &'static str,
    /// The fleet.
    pub stack: &'a str,
    /// Its region.
    pub region: &'a str,
    /// What became of everything.
    pub items: &'a [Item],
    /// What the account says beside its items.
    pub shown: AccountText<'a>,
    /// What ended the run before its end, as a terminal shows it.
    pub troubles: &'a [String],
    /// Outputs of the manifest.
    pub outputs: &'a BTreeMap<String, Value>,
}

/// The page of an account.
pub fn account(page: AccountPage<'_>) -> Page {
    let AccountPage { command, stack, region, items, shown, troubles, outputs } = page;
    let all = "lhprov show";
    let mut lead = vec![code(region)];
    lead.extend(shown.again.map(|again| format!("all of it is recorded; to go on, run {} again", code(again))));
    let mut sections = vec![Section {
        heading: "Errors".into(),
        folded: false,
        form: Form::Code("text"),
        entries: troubles
            .iter()
            .flat_map(|text| text.trim_end().lines())
            .map(|line| Entry::line(block_text(line)))
            .collect(),
        all: format!("lhprov {command}"),
    }];
    let open =
        [ItemStatus::Failed, ItemStatus::Unknown, ItemStatus::Unclear, ItemStatus::Pending, ItemStatus::NotStarted];
    sections.extend(open.into_iter().map(|status| open_list(heading(status).0, not_done(items, status, shown), all)));
    sections.push(open_list("Bought in this run", bought(items), all));
    let done = [
        ItemStatus::Running,
        ItemStatus::Updated,
        ItemStatus::Renewed,
        ItemStatus::Imported,
        ItemStatus::Moved,
        ItemStatus::Isolated,
        ItemStatus::Purged,
        ItemStatus::Forgotten,
        ItemStatus::Kept,
    ];
    sections.extend(done.into_iter().map(|status| Section {
        heading: heading(status).0.to_owned(),
        folded: true,
        form: Form::List,
        entries: items.iter().filter(|item| item.status == status).map(standing).collect(),
        all: all.to_owned(),
    }));
    sections.push(Section {
        heading: "Outputs".into(),
        folded: true,
        form: Form::Code("text"),
        entries: outputs.iter().map(|(name, value)| output(name, value)).collect(),
        all: "lhprov output".into(),
    });
    Page {
        command,
        stack: Some(stack.to_owned()),
        title: title(command, stack, items, &shown),
        lead: vec![lead.join(" · ")],
        sections,
    }
}

fn title(command: &str, stack: &str, items: &[Item], shown: &AccountText<'_>) -> String {
    let words: Vec<String> =
        counts(items).iter().map(|(status, number)| format!("{number} {}", status.as_str())).collect();
    let what = if words.is_empty() { "nothing to do".to_owned() } else { words.join(", ") };
    format!("`lhprov {command}` of {}: {what}{}", code(stack), sandbox_mark(shown.sandbox))
}

/// What is not done; items of one cause together.
fn not_done(items: &[Item], status: ItemStatus, shown: AccountText<'_>) -> Vec<Entry> {
    let entry = |(first, of_it): &(&Item, Vec<&Item>)| {
        let mut head = code(&members(of_it.iter().map(|item| &item.address)));
        let ids: Vec<&str> = of_it.iter().filter_map(|item| Some(item.instance_id.as_ref()?.as_str())).collect();
        if !ids.is_empty() {
            let shown = ids.iter().take(LISTED_MAX).map(|id| code(id)).collect::<Vec<_>>().join(" ");
            let more =
                if ids.len() > LISTED_MAX { format!(" and {} more", ids.len() - LISTED_MAX) } else { String::new() };
            head = format!("{head} {shown}{more}");
        }
        let detail = first.detail.as_deref().unwrap_or_default();
        if !detail.is_empty() {
            head = format!("{head}: {}", prose(detail));
        }
        let mut more = String::new();
        if let Some(request) = first.request_id.as_ref().filter(|request| !detail.contains(request.as_str())) {
            more.push_str(&format!("- request {}\n", code(request)));
        }
        if let Some(help) = (shown.way_out)(detail) {
            more.push_str(&format!("- help: {}\n", prose(&help)));
        }
        Entry { head, more }
    };
    causes(items, status).iter().map(entry).collect()
}

/// The receipt: a line for each purchase.
fn bought(items: &[Item]) -> Vec<Entry> {
    let entry = |(request, of_it): &(Option<&String>, Vec<&Item>)| {
        let how = match request {
            Some(request) => format!("request {}", code(request)),
            None => "found after its answer was lost".to_owned(),
        };
        let who = code(&members(of_it.iter().map(|item| &item.address)));
        Entry::line(format!("{who} {}, {how}", count(of_it.len(), "instance")))
    };
    purchases(items).iter().map(entry).collect()
}

/// Who is where.
fn standing(item: &Item) -> Entry {
    let mut words = vec![code(&item.address.to_string())];
    words.extend(item.instance_id.as_ref().map(|id| code(id.as_str())));
    words.extend(item.public_addresses.iter().take(LISTED_MAX).map(|address| code(address)));
    if item.status == ItemStatus::Kept {
        words.extend(item.detail.as_deref().map(prose));
    }
    Entry::line(words.join(" "))
}

fn output(name: &str, value: &Value) -> Entry {
    let value = if value.is_null() { "(not known yet)".to_owned() } else { value.to_string() };
    Entry::line(block_text(&cut(&clean_line(&format!("{name} = {value}")), OUTPUT_MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::COMMENT_MAX;
    use super::*;
    use crate::model::Address;
    use serde_json::json;

    fn item(address: Address, status: ItemStatus, id: &str) -> Item {
        Item {
            address,
            status,
            instance_id: (!id.is_empty()).then(|| id.into()),
            public_addresses: Vec::new(),
            created: false,
            detail: None,
            request_id: None,
        }
    }

    #[test]
    fn what_is_not_done_stands_first() {
        let items = [
            Item {
                public_addresses: vec!["1.2.3.4".into()],
                created: true,
                request_id: Some("req-1".into()),
                ..item(Address::named("edge", "a`b</details>"), ItemStatus::Running, "lhins-1")
            },
            Item {
                detail: Some("CreateInstances: LimitExceeded: used up <b>".into()),
                request_id: Some("req-2".into()),
                ..item(Address::indexed("web", 0), ItemStatus::Failed, "")
            },
            Item { detail: Some("waits for web".into()), ..item(Address::single("x"), ItemStatus::NotStarted, "") },
        ];
        let shown = AccountText {
            done: "Applied",
            again: Some("lhprov apply -f 'a b'"),
            way_out: |text| text.contains("LimitExceeded").then(|| "ask for a higher quota".to_owned()),
            sandbox: true,
        };
        let page = AccountPage {
            command: "apply",
            stack: "shop",
            region: "ap-guangzhou",
            items: &items,
            shown,
            troubles: &["error: failed to write state/shop.json\n".to_owned()],
            outputs: &BTreeMap::from([("ip".to_owned(), json!("1.2.3.4")), ("later".to_owned(), Value::Null)]),
        };
        insta::assert_snapshot!(account(page).render(COMMENT_MAX), @r#"
        <!-- lhprov:apply stack=shop -->
        ### `lhprov apply` of `shop`: 1 running, 1 failed, 1 not started (sandbox)

        `ap-guangzhou` · all of it is recorded; to go on, run `lhprov apply -f 'a b'` again

        **Errors**

        ```text
        error: failed to write state/shop.json
        ```

        **Failed**

        - `web[0]`: CreateInstances: LimitExceeded: used up &lt;b&gt;
          - request `req-2`
          - help: ask for a higher quota

        **Not started**

        - `x`: waits for web

        **Bought in this run**

        - ``edge["a`b</details>"]`` 1 instance, request `req-1`

        <details><summary>Running (1)</summary>

        - ``edge["a`b</details>"]`` `lhins-1` `1.2.3.4`

        </details>

        <details><summary>Outputs (2)</summary>

        ```text
        ip = "1.2.3.4"
        later = (not known yet)
        ```

        </details>
        "#);
        let nothing = AccountPage { items: &[], troubles: &[], outputs: &BTreeMap::new(), ..page };
        insta::assert_snapshot!(account(nothing).render(COMMENT_MAX), @r"
        <!-- lhprov:apply stack=shop -->
        ### `lhprov apply` of `shop`: nothing to do (sandbox)

        `ap-guangzhou` · all of it is recorded; to go on, run `lhprov apply -f 'a b'` again
        ");
    }
}
