//! Values of a block: replaced at their place, added below the block's name, taken out.

use super::yaml::scalar;
use super::{Editor, Refused, Yaml};
use crate::diag::{Diagnostic, Span};
use crate::manifest::node::{Entry, Node, Value};
use std::collections::BTreeSet;

impl Editor<'_> {
    /// Whether the text has a block.
    pub fn has_block(&self, block: &str) -> bool {
        self.block(block).is_some()
    }

    /// Sets the value at `path` (`charge`, `renew_flag`) of a block.
    ///
    /// # Errors
    /// When the value comes from somewhere else, or stands in a form that cannot be changed alone.
    pub fn set(&mut self, block: &str, path: &[&str], value: &Yaml) -> Result<(), Refused> {
        let found = self.block_map(block, path)?;
        let (mut node, mut depth) = (&found.value, 0);
        while let Some(inner) = path.get(depth).and_then(|key| node.entry(key)) {
            node = &inner.value;
            depth += 1;
            self.refuse_what_is_shared(node, path)?;
        }
        if depth == path.len() {
            let edit = self.replaced(node, path, value)?;
            self.edits.push(edit);
            return Ok(());
        }
        // What is not there is made, inside of what is.
        let mut value = value.clone();
        for key in path[depth + 1..].iter().rev() {
            value = Yaml::Map(vec![((*key).to_owned(), value)]);
        }
        let text = format!("{}: {}", scalar(path[depth]), value.to_text());
        let edit = self.inserted(node, path, &text)?;
        self.edits.push(edit);
        Ok(())
    }

    /// Takes the key at `path` out of a block.
    ///
    /// # Errors
    /// As `set`.
    pub fn remove(&mut self, block: &str, path: &[&str]) -> Result<(), Refused> {
        let found = self.block_map(block, path)?;
        let mut map = &found.value;
        let mut inner = None;
        for (depth, key) in path.iter().enumerate() {
            let Some(next) = map.entry(key) else {
                return Err(refused(map.span, format!("`{}` is not written here", path.join("."))).into());
            };
            self.refuse_what_is_shared(&next.value, path)?;
            if depth + 1 == path.len() {
                inner = Some(next);
            } else {
                map = &next.value;
            }
        }
        let (Some(leaving), Value::Map(entries)) = (inner, &map.value) else { return Ok(()) };
        if entries.len() == 1 && !self.is_flow(map) {
            // An empty block is no map any more.
            return self.remove(block, &path[..path.len() - 1]);
        }
        let edit = self.removed(map, entries, leaving, path)?;
        self.edits.push(edit);
        Ok(())
    }

    /// Where `defaults` of this text has a key that blocks of other texts follow.
    pub fn default_place(&self, path: &[&str]) -> Option<Span> {
        let defaults = self.root.entry("defaults")?;
        path.iter()
            .try_fold((&defaults.value, defaults.key_span), |(node, _), key| {
                node.entry(key).map(|entry| (&entry.value, entry.key_span))
            })
            .map(|(_, span)| span)
    }

    /// Whether a block says the value at `path` itself; a `login` of its own is whole.
    pub fn says(&self, block: &str, path: &[&str]) -> bool {
        let own = self.block(block).and_then(|found| {
            path.iter().try_fold(&found.value, |node, key| node.entry(key).map(|entry| &entry.value))
        });
        let has_login = || self.block(block).is_some_and(|found| found.value.entry("login").is_some());
        own.is_some() || (path.first() == Some(&"login") && has_login())
    }

    fn block(&self, block: &str) -> Option<&Entry> {
        self.root.entry("instances")?.value.entry(block)
    }

    /// The block, if what is sought in it can be changed there.
    fn block_map(&self, block: &str, path: &[&str]) -> Result<&Entry, Refused> {
        let Some(found) = self.block(block) else {
            return Err(refused(self.root.span, format!("this file has no block `{block}`")).into());
        };
        let shown = path.join(".");
        if self.is_alias(&found.value) || !matches!(found.value.value, Value::Map(_)) {
            let what =
                format!("`{shown}` cannot be changed: the block `{block}` stands for something written elsewhere");
            return Err(refused(found.value.span, what).help("write the block out here").into());
        }
        self.refuse_what_is_shared(&found.value, path)?;
        // A key of the block's own lies over that of `defaults`, key by key where the key has maps below it.
        match self.default_place(path).filter(|_| !self.says(block, path)) {
            Some(span) => Err(of_defaults(block, path, span)),
            None => Ok(found),
        }
    }

    /// A value that stands in several places, or is worked out, is not this block's alone.
    fn refuse_what_is_shared(&self, node: &Node, path: &[&str]) -> Result<(), Refused> {
        let shown = path.join(".");
        if self.is_alias(node) || self.is_anchored(node) {
            let what = format!("`{shown}` is shared with other places by an anchor");
            return Err(refused(node.span, what).help("write the value out here").into());
        }
        if let Some(found) = node.scalar().filter(|found| has_interpolation(&found.text)) {
            let what = format!("`{shown}` is worked out: `{}`", found.text);
            return Err(refused(node.span, what)
                .help("change what it is worked out from, or write the value out here")
                .into());
        }
        Ok(())
    }

    fn replaced(&self, node: &Node, path: &[&str], value: &Yaml) -> Result<(std::ops::Range<usize>, String), Refused> {
        let range = self.range(node);
        let written = self.written_at(node);
        let shown = path.join(".");
        let by_hand = |what: &str| {
            let help = format!("write it by hand: `{}: {}`", path.last().unwrap_or(&""), value.to_text());
            Refused::from(refused(node.span, format!("`{shown}` {what}")).help(help))
        };
        match (&node.value, value) {
            (Value::Scalar(_), _) if written.starts_with(['|', '>']) || written.contains('\n') => {
                Err(by_hand("goes over several lines, and cannot be changed in place"))
            }
            (Value::Scalar(_), value) => Ok((range, value.to_text())),
            (Value::List(items), Yaml::List(wanted)) => {
                if let Some(worked_out) = items.iter().find(|item| {
                    item.scalar().is_none_or(|scalar| has_interpolation(&scalar.text)) || self.is_alias(item)
                }) {
                    let what = format!("`{shown}` has an element that is worked out or stands elsewhere");
                    return Err(refused(worked_out.span, what).help("write the value out here").into());
                }
                if self.is_flow(node) {
                    return match written.contains(['\n', '#']) {
                        true => Err(by_hand("goes over several lines, and cannot be changed in place")),
                        false => Ok((range, value.to_text())),
                    };
                }
                self.replaced_items(node, items, wanted).ok_or_else(|| by_hand("cannot be changed in place"))
            }
            _ => Err(by_hand("is not of the form that is to be written")),
        }
    }

    /// A list whose items stand on lines of their own: lines go and come, the others stay.
    fn replaced_items(
        &self,
        node: &Node,
        items: &[Node],
        wanted: &[String],
    ) -> Option<(std::ops::Range<usize>, String)> {
        let newline = self.newline();
        let wanted_set: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        let first = items.first()?;
        // The dash of the first item: what its line begins with.
        let indent = &self.text[self.line_start(first.span.start as usize)..first.span.start as usize];
        if wanted.is_empty() || !indent.trim_start().starts_with('-') || self.is_alias(node) {
            return None;
        }
        let start = self.line_start(first.span.start as usize);
        let end = self.next_line(items.last()?.span.end as usize);
        let mut out = String::new();
        let mut kept = BTreeSet::new();
        let mut at = start;
        for item in items {
            let line = self.line_start(item.span.start as usize);
            let after = self.next_line(item.span.end as usize);
            if self.text[line..item.span.start as usize].trim() != "-" || self.written(item.span).contains('\n') {
                return None;
            }
            // Comments on lines of their own.
            out.push_str(&self.text[at..line]);
            let text = item.scalar()?.text.as_str();
            if wanted_set.contains(text) && kept.insert(text) {
                out.push_str(&self.text[line..after]);
            }
            at = after;
        }
        if !out.is_empty() && !out.ends_with('\n') {
            out.push_str(newline);
        }
        for new in wanted.iter().filter(|new| !kept.contains(new.as_str())) {
            out.push_str(indent);
            out.push_str(&Yaml::Text((*new).clone()).to_text());
            out.push_str(newline);
        }
        Some((start..end, out))
    }

    /// A new key in a map.
    fn inserted(&self, map: &Node, path: &[&str], text: &str) -> Result<(std::ops::Range<usize>, String), Refused> {
        let Value::Map(entries) = &map.value else {
            let what = format!("`{}` cannot be added here", path.join("."));
            return Err(refused(map.span, what).help(format!("write it by hand: `{text}`")).into());
        };
        if self.is_flow(map) {
            let Some(last) = entries.last() else {
                return Ok((self.range(map), format!("{{ {text} }}")));
            };
            let at = self.end_of_flow_value(last);
            return Ok((at..at, format!(", {text}")));
        }
        let Some(first) = entries.first() else {
            return Err(refused(map.span, "there is nothing here to put a key beside".to_owned()).into());
        };
        let start = self.line_start(first.key_span.start as usize);
        let indent = &self.text[start..first.key_span.start as usize];
        if !indent.trim().is_empty() {
            let what = format!("`{}` cannot be added here", path.join("."));
            return Err(refused(first.key_span, what).help(format!("write it by hand: `{text}`")).into());
        }
        // Above the comment of the first key, if it has one.
        let mut at = start;
        while at > 0 {
            let line = self.line_start(at - 1);
            if !self.text[line..at].trim_start().starts_with('#') {
                break;
            }
            at = line;
        }
        Ok((at..at, format!("{indent}{text}{}", self.newline())))
    }

    /// One past the value of an entry between braces.
    fn end_of_flow_value(&self, entry: &Entry) -> usize {
        self.range(&entry.value).end.max(entry.key_span.end as usize)
    }

    fn removed(
        &self,
        map: &Node,
        entries: &[Entry],
        leaving: &Entry,
        path: &[&str],
    ) -> Result<(std::ops::Range<usize>, String), Refused> {
        let index = entries.iter().position(|entry| entry.key_span == leaving.key_span).unwrap_or_default();
        let start = leaving.key_span.start as usize;
        if self.is_flow(map) {
            let range = match (index.checked_sub(1).and_then(|before| entries.get(before)), entries.get(index + 1)) {
                (_, Some(next)) => start..next.key_span.start as usize,
                (Some(before), None) => self.end_of_flow_value(before)..self.end_of_flow_value(leaving),
                (None, None) => self.range(map).start + 1..self.range(map).end - 1,
            };
            return Ok((range, String::new()));
        }
        let is_short = match &leaving.value.value {
            Value::Scalar(_) => !self.written(leaving.value.span).contains('\n'),
            _ if self.is_flow(&leaving.value) => !self.written_at(&leaving.value).contains('\n'),
            Value::Map(inner) => inner.len() <= 1,
            Value::List(_) => false,
        };
        let end = match &leaving.value.value {
            Value::Map(inner) if !self.is_flow(&leaving.value) => {
                inner.first().map_or(start, |only| only.value.span.end as usize)
            }
            _ => self.end_of_flow_value(leaving),
        };
        if !is_short || !self.text[self.line_start(start)..start].trim().is_empty() {
            let what = format!("`{}` goes over several lines, and cannot be taken out in place", path.join("."));
            return Err(refused(leaving.key_span, what).help("take it out by hand").into());
        }
        Ok((self.line_start(start)..self.next_line(end), String::new()))
    }
}

/// That a value comes from `defaults`.
pub fn of_defaults(block: &str, path: &[&str], span: Span) -> Refused {
    let shown = path.join(".");
    let help = format!("write `{shown}` into `{block}` itself, or change it here for all");
    refused(span, format!("`{shown}` of `{block}` comes from `defaults`, which other blocks share")).help(help).into()
}

/// Whether a text has `${…}` in it that is worked out.
fn has_interpolation(text: &str) -> bool {
    text.replace("$${", "").contains("${")
}

fn refused(span: Span, what: String) -> Diagnostic {
    Diagnostic::error("not-editable", what).at(span)
}
