//! Nodes to what one file of the manifest says, with every problem found on the way.

use super::bounds::{Limits, Policy};
use super::instance::unknown;
use super::keys::{MANIFEST, MOVED};
use super::node::{Node, Scalar, ScalarKind, Value};
use super::read::Reader;
use super::schema::{MovedEntry, RateLimits, Text};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::model::{Ownership, Site};
use std::time::Duration;

/// What one file says.
#[derive(Clone, Debug)]
pub struct FileManifest<'n> {
    /// Where the file starts.
    pub start: Span,
    /// `version`: its place.
    pub version: Option<Span>,
    /// `stack`.
    pub stack: Option<Text>,
    /// `region`.
    pub region: Option<Text>,
    /// `site`.
    pub site: Option<Spanned<Site>>,
    /// `ownership`.
    pub ownership: Option<Spanned<Ownership>>,
    /// `allowed_accounts`, and where the key stands.
    pub allowed_accounts: Option<Spanned<Vec<Text>>>,
    /// `token_ttl`.
    pub token_ttl: Option<Spanned<Duration>>,
    /// `visibility_grace`.
    pub visibility_grace: Option<Spanned<Duration>>,
    /// `rate_limits`, and where the key stands.
    pub rate_limits: Option<Spanned<RateLimits>>,
    /// `defaults`, not yet decoded, and where the key stands.
    pub defaults: Option<Spanned<&'n Node>>,
    /// `instances`, each block not yet decoded; none if the file has no such key.
    pub instances: Option<Vec<(Text, Node)>>,
    /// `outputs`.
    pub outputs: Vec<(Text, Node)>,
    /// `moved`.
    pub moved: Vec<MovedEntry>,
    /// `forget`.
    pub forget: Vec<Text>,
    /// `limits`, and where the key stands.
    pub limits: Option<Spanned<Limits>>,
    /// `policy`, and where the key stands.
    pub policy: Option<Spanned<Policy>>,
    /// Keys that are there, whether or not their values could be read: what is wrong is not also missing.
    pub written: Vec<&'static str>,
}

/// Takes what stands under `instances` out of the tree of a file: most of what a large manifest says is there, and each block is
/// let go once it is decoded.
pub fn take_instances(root: &mut Node) -> Option<Node> {
    let Value::Map(entries) = &mut root.value else { return None };
    let entry = entries.iter_mut().find(|entry| entry.key.text == "instances")?;
    let nothing = Node { span: entry.value.span, value: Value::Map(Vec::new()) };
    Some(std::mem::replace(&mut entry.value, nothing))
}

/// Decodes the tree of one file, and what was taken out of it.
pub fn decode<'n>(root: &'n Node, instances: Option<Node>, diagnostics: &mut Diagnostics) -> FileManifest<'n> {
    let mut reader = Reader { diagnostics };
    let mut file = FileManifest {
        start: Span { start: 0, end: 0, ..root.span },
        version: None,
        stack: None,
        region: None,
        site: None,
        ownership: None,
        allowed_accounts: None,
        token_ttl: None,
        visibility_grace: None,
        rate_limits: None,
        defaults: None,
        instances: None,
        outputs: Vec::new(),
        moved: Vec::new(),
        forget: Vec::new(),
        limits: None,
        policy: None,
        written: Vec::new(),
    };
    let entries = reader.entries(root, &MANIFEST);
    if entries.is_none() {
        // A text that is no map at all says nothing; what it lacks is not worth listing.
        file.written = MANIFEST.known.to_vec();
    }
    for (key, entry) in entries.unwrap_or_default() {
        let (value, span) = (&entry.value, entry.key_span);
        file.written.push(key);
        match key {
            "version" => file.version = reader.version(value),
            "stack" => file.stack = reader.text(value),
            "region" => file.region = reader.text(value),
            "site" => {
                let words = [Site::China, Site::International].map(|site| (site.as_str(), site));
                file.site = reader.word(value, "a site", &words);
            }
            "ownership" => {
                let words = [Ownership::Tags, Ownership::Name].map(|ownership| (ownership.as_str(), ownership));
                file.ownership = reader.word(value, "a rule of ownership", &words);
            }
            "allowed_accounts" => {
                file.allowed_accounts = reader.accounts(value).map(|value| Spanned { value, span });
            }
            "token_ttl" => {
                file.token_ttl = reader.duration(value).map(|duration| Spanned { value: duration, span: value.span });
            }
            "visibility_grace" => {
                file.visibility_grace =
                    reader.duration(value).map(|duration| Spanned { value: duration, span: value.span });
            }
            "rate_limits" => file.rate_limits = reader.rate_limits(value).map(|value| Spanned { value, span }),
            "defaults" => file.defaults = Some(Spanned { value, span }),
            "instances" => {}
            "outputs" => file.outputs = reader.outputs(value).unwrap_or_default(),
            "moved" => file.moved = reader.list(value, Reader::moved).unwrap_or_default(),
            "forget" => file.forget = reader.list(value, Reader::text).unwrap_or_default(),
            "limits" => file.limits = reader.limits(value).map(|value| Spanned { value, span }),
            "policy" => file.policy = reader.policy(value).map(|value| Spanned { value, span }),
            // Read before anything else: what they say decides what all the rest is.
            "include" | "variables" => {}
            _ => unknown(key),
        }
    }
    file.instances = instances.and_then(|instances| Reader { diagnostics }.instances(instances));
    file
}

impl Reader<'_> {
    fn version(&mut self, node: &Node) -> Option<Span> {
        let version = self.number(node)?;
        if version.value != 1 {
            let summary = format!("this version of lhprov reads manifests of version 1, not {}", version.value);
            self.diagnostics.push(Diagnostic::error("version", summary).at(version.span));
            return None;
        }
        Some(version.span)
    }

    /// Accounts. They are numbers to everybody but the API, so quotes may be left out.
    fn accounts(&mut self, node: &Node) -> Option<Vec<Text>> {
        let accounts = self.list(node, |reader, node| {
            let text = match node.scalar() {
                Some(Scalar { text, kind: ScalarKind::Integer(_) | ScalarKind::Large(_), quoted, .. }) => {
                    Text { value: text.clone(), span: node.span, quoted: *quoted, verbatim: false }
                }
                _ => reader.text(node)?,
            };
            if !text.value.is_empty() && text.value.bytes().all(|b| b.is_ascii_digit()) {
                return Some(text);
            }
            let summary = format!("`{}` is not an account", text.value);
            let help = "an account is a number, its UIN, such as \"100000000001\"; `lhprov auth whoami` shows it";
            reader.diagnostics.push(Diagnostic::error("account", summary).at(text.span).help(help));
            None
        })?;
        if accounts.is_empty() && matches!(&node.value, Value::List(items) if items.is_empty()) {
            let diagnostic = Diagnostic::error("account", "`allowed_accounts` allows no account").at(node.span);
            self.diagnostics.push(diagnostic.help("name the accounts, or leave the key out to allow any"));
        }
        Some(accounts)
    }

    fn rate_limits(&mut self, node: &Node) -> Option<RateLimits> {
        let entries = self.map(node)?;
        Some(entries.iter().filter_map(|entry| Some((self.key(entry)?, self.number(&entry.value)?))).collect())
    }

    fn instances(&mut self, node: Node) -> Option<Vec<(Text, Node)>> {
        self.map(&node)?;
        let Value::Map(entries) = node.value else { return None };
        Some(entries.into_iter().filter_map(|entry| Some((self.key(&entry)?, entry.value))).collect())
    }

    fn outputs(&mut self, node: &Node) -> Option<Vec<(Text, Node)>> {
        let entries = self.map(node)?;
        Some(entries.iter().filter_map(|entry| Some((self.key(entry)?, entry.value.clone()))).collect())
    }

    fn moved(&mut self, node: &Node) -> Option<MovedEntry> {
        let (mut from, mut to) = (None, None);
        let entries = self.entries(node, &MOVED)?;
        for key in ["from", "to"] {
            if entries.iter().all(|(known, _)| *known != key) {
                self.missing(node.span, key, &MOVED);
            }
        }
        for (key, entry) in entries {
            let text = self.text(&entry.value);
            if key == "from" { from = text } else { to = text }
        }
        Some(MovedEntry { from: from?, to: to? })
    }
}
