//! `limits` and `policy`: how far a plan may go, and what it may want. Nothing is worked out in them but a whole `${var.x}`.

use super::keys::{FREEZE, LIMITS, POLICY};
use super::node::{Node, Scalar, ScalarKind, Value};
use super::read::Reader;
use super::schema::Text;
use crate::diag::{Diagnostic, Span, Spanned};
use crate::model::Timestamp;
use crate::model::money::Amount;

/// What bounds the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// How far a plan may go.
    pub limits: Limits,
    /// What it may want.
    pub policy: Policy,
    /// Where the region is written.
    pub region: Option<Span>,
}

/// `limits`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Most instances of the stack.
    pub max_instances: Option<Spanned<u64>>,
    /// Most that all of them cost a month.
    pub max_per_month: Option<Spanned<Amount>>,
    /// Most that one plan destroys or replaces.
    pub max_destroy: Option<Spanned<u64>>,
}

/// `policy`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Bundles that may be written.
    pub allowed_bundles: Option<Allowed>,
    /// Blueprints that may be written.
    pub allowed_blueprints: Option<Allowed>,
    /// Regions that the stack may be in.
    pub allowed_regions: Option<Allowed>,
    /// Zones that instances may be in.
    pub allowed_zones: Option<Allowed>,
    /// Tags that every instance must have.
    pub required_tags: Vec<Text>,
    /// Why nothing may change now.
    pub freeze: Option<Freeze>,
}

/// What is allowed: ids, or patterns such as `bundle_starter_*`.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// Where the key stands.
    pub span: Span,
    /// The patterns.
    pub patterns: Vec<String>,
}

impl Allowed {
    /// Whether `id` is one of them.
    pub fn admits(&self, id: &str) -> bool {
        let is = |pattern: &String| globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(id));
        self.patterns.iter().any(is)
    }
}

/// `freeze`.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    /// Where it is written.
    pub span: Span,
    /// Why.
    pub reason: String,
    /// From when on changes are allowed again; a whole day begins at midnight UTC.
    pub until: Option<Timestamp>,
}

impl Reader<'_> {
    pub(super) fn limits(&mut self, node: &Node) -> Option<Limits> {
        let mut limits = Limits::default();
        for (key, entry) in self.entries(node, &LIMITS)? {
            let value = &entry.value;
            match key {
                "max_instances" => limits.max_instances = self.how_many(value, key),
                "max_per_month" => limits.max_per_month = self.amount(value),
                _ => limits.max_destroy = self.how_many(value, key),
            }
        }
        Some(limits)
    }

    pub(super) fn policy(&mut self, node: &Node) -> Option<Policy> {
        let mut policy = Policy::default();
        for (key, entry) in self.entries(node, &POLICY)? {
            let (value, span) = (&entry.value, entry.key_span);
            match key {
                "allowed_bundles" => policy.allowed_bundles = self.allowed(value, key, span),
                "allowed_blueprints" => policy.allowed_blueprints = self.allowed(value, key, span),
                "allowed_regions" => policy.allowed_regions = self.allowed(value, key, span),
                "allowed_zones" => policy.allowed_zones = self.allowed(value, key, span),
                "required_tags" => policy.required_tags = self.list(value, Reader::literal).unwrap_or_default(),
                _ => policy.freeze = self.freeze(value, span),
            }
        }
        Some(policy)
    }

    /// A text in which nothing is worked out.
    fn literal(&mut self, node: &Node) -> Option<Text> {
        let text = self.text(node)?;
        if text.value.contains("${") && !text.verbatim {
            self.diagnostics.push(
                Diagnostic::error("interpolation", "nothing is worked out inside of this text")
                    .at(text.span)
                    .help("a value that is one whole `${var.x}` is"),
            );
            return None;
        }
        if text.value.trim().is_empty() {
            self.diagnostics.push(Diagnostic::error("empty", "this text may not be empty").at(text.span));
            return None;
        }
        Some(text)
    }

    fn how_many(&mut self, node: &Node, key: &str) -> Option<Spanned<u64>> {
        let number = self.number(node)?;
        let value = u64::try_from(number.value).ok();
        if value.is_none() {
            let summary = format!("`{key}` is a number of instances, from 0");
            self.diagnostics.push(Diagnostic::error("limit", summary).at(number.span));
        }
        value.map(|value| Spanned { value, span: number.span })
    }

    /// An amount of money. It is read as it is written, so that nothing is rounded.
    fn amount(&mut self, node: &Node) -> Option<Spanned<Amount>> {
        let example = "an amount is a number such as 1500 or 99.50, in the currency of the site";
        match node.scalar() {
            Some(Scalar { kind: ScalarKind::Refused, .. }) => return None,
            Some(Scalar { text, .. }) => {
                if let Some(value) = Amount::parse(text).filter(|amount| amount.0 >= 0) {
                    return Some(Spanned { value, span: node.span });
                }
                let problem = Diagnostic::error("amount", format!("`{text}` is not an amount")).at(node.span);
                self.diagnostics.push(problem.help(example));
            }
            None => {
                let problem = Diagnostic::error("wrong-type", format!("expected an amount, found {}", node.describe()));
                self.diagnostics.push(problem.at(node.span).help(example));
            }
        }
        None
    }

    fn allowed(&mut self, node: &Node, key: &str, span: Span) -> Option<Allowed> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let problem = Diagnostic::error("policy", format!("`{key}` allows nothing")).at(node.span);
            self.diagnostics.push(problem.help("name what is allowed, or leave the key out to allow anything"));
            return None;
        }
        let texts = self.list(node, Reader::literal)?;
        for text in &texts {
            if let Err(error) = globset::Glob::new(&text.value) {
                let summary = format!("`{}` is not a pattern: {}", text.value, error.kind());
                self.diagnostics.push(Diagnostic::error("pattern", summary).at(text.span));
            }
        }
        Some(Allowed { span, patterns: texts.into_iter().map(|text| text.value).collect() })
    }

    /// A reason, or `{reason: TEXT, until: DAY}`.
    fn freeze(&mut self, node: &Node, span: Span) -> Option<Freeze> {
        if !matches!(node.value, Value::Map(_)) {
            let reason = self.freeze_reason(node)?;
            return Some(Freeze { span: reason.span, reason: reason.value, until: None });
        }
        let (mut reason, mut until, mut is_written) = (None, Some(None), false);
        for (key, entry) in self.entries(node, &FREEZE)? {
            match key {
                "reason" => {
                    is_written = true;
                    reason = self.freeze_reason(&entry.value);
                }
                _ => until = self.moment(&entry.value).map(Some),
            }
        }
        if !is_written {
            self.missing(node.span, "reason", &FREEZE);
        }
        // A day that cannot be read was reported; it must not read as a freeze without end.
        Some(Freeze { span, reason: reason?.value, until: until? })
    }

    /// The reason of a freeze. A switch is refused: `freeze: no` would freeze the stack for the reason "no".
    fn freeze_reason(&mut self, node: &Node) -> Option<Text> {
        let (word, span) = match &node.value {
            Value::Scalar(scalar) => (scalar.text.clone(), node.span),
            _ => return self.literal(node),
        };
        let is_switch = ["yes", "no", "true", "false", "on", "off", "y", "n", "t", "f", "0", "1"]
            .iter()
            .any(|switch| word.trim().eq_ignore_ascii_case(switch));
        if !is_switch {
            return self.literal(node);
        }
        let problem = Diagnostic::error("wrong-type", format!("`{word}` is no reason for a freeze")).at(span);
        self.diagnostics.push(
            problem
                .help("to let the stack be changed, take `freeze` out of the policy")
                .help("to freeze it, write why: `freeze: \"year-end closing\"`"),
        );
        None
    }

    fn moment(&mut self, node: &Node) -> Option<Timestamp> {
        let text = self.literal(node)?;
        let day = (text.value.len() == 10).then(|| format!("{}T00:00:00Z", text.value));
        let moment = Timestamp::parse(day.as_deref().unwrap_or(&text.value));
        if moment.is_none() {
            self.diagnostics.push(
                Diagnostic::error("date", format!("`{}` is not a day", text.value))
                    .at(text.span)
                    .help("a day is `2026-01-05`, a moment `2026-01-05T08:00:00Z`"),
            );
        }
        moment
    }
}

impl Bounds {
    /// `limits` and `policy` as they would be written, each where there is anything in it.
    pub fn to_json(&self) -> Vec<(&'static str, serde_json::Value)> {
        use serde_json::{Map, Value as Json, json};
        let present = |entries: Vec<(&str, Option<Json>)>| -> Map<String, Json> {
            entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
        };
        let Limits { max_instances, max_per_month, max_destroy } = &self.limits;
        let limits = present(vec![
            ("max_instances", max_instances.as_ref().map(|most| json!(most.value))),
            ("max_per_month", max_per_month.as_ref().map(|most| json!(most.value.to_string()))),
            ("max_destroy", max_destroy.as_ref().map(|most| json!(most.value))),
        ]);
        let Policy { allowed_bundles, allowed_blueprints, allowed_regions, allowed_zones, required_tags, freeze } =
            &self.policy;
        let patterns = |allowed: &Option<Allowed>| allowed.as_ref().map(|allowed| json!(allowed.patterns));
        let tags: Vec<&str> = required_tags.iter().map(|tag| tag.value.as_str()).collect();
        let policy = present(vec![
            ("allowed_bundles", patterns(allowed_bundles)),
            ("allowed_blueprints", patterns(allowed_blueprints)),
            ("allowed_regions", patterns(allowed_regions)),
            ("allowed_zones", patterns(allowed_zones)),
            ("required_tags", (!tags.is_empty()).then(|| json!(tags))),
            (
                "freeze",
                freeze.as_ref().map(|freeze| match freeze.until {
                    Some(until) => json!({"reason": freeze.reason, "until": until}),
                    None => json!(freeze.reason),
                }),
            ),
        ]);
        let all = [("limits", limits), ("policy", policy)];
        all.into_iter().filter(|(_, map)| !map.is_empty()).map(|(key, map)| (key, Json::Object(map))).collect()
    }
}
