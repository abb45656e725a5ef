//! `${…}` inside texts: where they are and what they name. There is no programming language in it.

use crate::diag::did_you_mean;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Taken as it is.
    Literal(&'t str),
    /// What stands between `${` and `}`.
    Expression(&'t str),
    /// A `${` that nothing closes.
    Unclosed(&'t str),
}

/// Takes a text apart. `$${` is a literal `${`.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        if rest[..dollar].ends_with('$') {
            // The first `$` is dropped, `${` stays.
            parts.push(Part::Literal(&rest[..dollar - 1]));
            parts.push(Part::Literal(&rest[dollar..dollar + 2]));
            rest = &rest[dollar + 2..];
            continue;
        }
        parts.push(Part::Literal(&rest[..dollar]));
        let inner = &rest[dollar + 2..];
        let Some(close) = closing_brace(inner) else {
            parts.push(Part::Unclosed(&rest[dollar..]));
            return parts;
        };
        parts.push(Part::Expression(&inner[..close]));
        rest = &inner[close + 1..];
    }
    parts.push(Part::Literal(rest));
    parts.retain(|part| *part != Part::Literal(""));
    parts
}

/// Where an expression ends. A brace inside a key, `["a}"]`, does not end it.
fn closing_brace(inner: &str) -> Option<usize> {
    let (mut quoted, mut before, mut escaped) = (false, ' ', false);
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted || before == '[' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            // A quote that nothing closes is no quote.
            '\n' if quoted => break,
            _ => {}
        }
        before = character;
    }
    inner.find('}')
}

/// The expression that a text consists of, where it is one whole `${…}`.
pub fn whole(text: &str) -> Option<&str> {
    if !text.starts_with("${") || !text.ends_with('}') {
        return None;
    }
    match parts(text)[..] {
        [Part::Expression(expression)] => Some(expression),
        _ => None,
    }
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.name` or `["name"]`.
    Key(String),
    /// `[3]`.
    Index(u32),
    /// `[*]`.
    All,
}

/// What an expression may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// `count.index`.
    CountIndex,
    /// `stack`.
    Stack,
    /// `each.key`.
    EachKey,
    /// `each.value`, and what is in it.
    EachValue(Vec<Step>),
    /// `var.x`, and what is in it.
    Variable(String, Vec<Step>),
    /// `instances.x`, and what is in it.
    Instances(String, Vec<Step>),
}

/// Names that stand by themselves.
const NAMES: [(&str, Name); 3] =
    [("count.index", Name::CountIndex), ("stack", Name::Stack), ("each.key", Name::EachKey)];

/// Why an expression names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nameless {
    /// `env:…` outside of a password.
    Environment,
    /// Anything else, with the nearest name.
    Unknown(Option<String>),
}

/// What an expression names.
///
/// # Errors
/// Why it names nothing.
pub fn name(expression: &str) -> Result<Name, Nameless> {
    let expression = expression.trim();
    if let Some((_, name)) = NAMES.iter().find(|(text, _)| *text == expression) {
        return Ok(name.clone());
    }
    if expression.starts_with("env:") {
        return Err(Nameless::Environment);
    }
    let mut path = path(expression).unwrap_or_default().into_iter();
    match (path.next(), path.next()) {
        (Some(Step::Key(root)), Some(Step::Key(name))) if root == "var" => Ok(Name::Variable(name, path.collect())),
        (Some(Step::Key(root)), Some(Step::Key(name))) if root == "instances" => {
            Ok(Name::Instances(name, path.collect()))
        }
        (Some(Step::Key(root)), Some(Step::Key(name))) if root == "each" && name == "value" => {
            Ok(Name::EachValue(path.collect()))
        }
        _ => Err(Nameless::Unknown(nearest(expression))),
    }
}

/// The name that was probably meant.
fn nearest(expression: &str) -> Option<String> {
    // Some slips are of the mind and not of the hand.
    for (slip, meant) in
        [("index", "count.index"), ("count", "count.index"), ("key", "each.key"), ("value", "each.value")]
    {
        if expression == slip {
            return Some(meant.to_owned());
        }
    }
    for prefix in ["variables.", "variable.", "vars."] {
        if let Some(rest) = expression.strip_prefix(prefix) {
            return Some(format!("var.{rest}"));
        }
    }
    let names = NAMES.iter().map(|(text, _)| *text).chain(["each.value"]);
    did_you_mean(expression, names).map(str::to_owned)
}

/// `a.b["c"][0][*]`, the first step without a dot. None where it is anything else.
pub fn path(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    let mut wants_name = true;
    while wants_name || !rest.is_empty() {
        if wants_name {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Key(name.to_owned()));
            (rest, wants_name) = (after, false);
        } else if let Some(after) = rest.strip_prefix('.') {
            (rest, wants_name) = (after, true);
        } else {
            let inner = rest.strip_prefix('[')?;
            let (step, after) = bracket(inner)?;
            steps.push(step);
            rest = after;
        }
    }
    Some(steps)
}

/// What stands between brackets, and what comes after them.
fn bracket(inner: &str) -> Option<(Step, &str)> {
    if inner.starts_with('"') {
        let mut keys = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let key = keys.next()?.ok()?;
        return Some((Step::Key(key), inner[keys.byte_offset()..].strip_prefix(']')?));
    }
    let (text, after) = inner.split_once(']')?;
    let step = match text {
        "*" => Step::All,
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => Step::Index(number.parse().ok()?),
        _ => return None,
    };
    Some((step, after))
}

/// Steps as they are written behind a name.
pub fn written(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| match step {
            Step::Key(key) if key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') && !key.is_empty() => {
                format!(".{key}")
            }
            Step::Key(key) => format!("[{}]", serde_json::Value::from(key.as_str())),
            Step::Index(index) => format!("[{index}]"),
            Step::All => "[*]".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_texts_apart() {
        assert_eq!(parts("web"), [Part::Literal("web")]);
        assert_eq!(
            parts("a-${ stack }-${count.index}"),
            [Part::Literal("a-"), Part::Expression(" stack "), Part::Literal("-"), Part::Expression("count.index")]
        );
        assert_eq!(parts("$${HOME}"), [Part::Literal("${"), Part::Literal("HOME}")]);
        assert_eq!(parts("a ${b"), [Part::Literal("a "), Part::Unclosed("${b")]);
        assert_eq!(parts("$HOME $1 $"), [Part::Literal("$HOME $1 $")]);
        assert_eq!(parts(r#"${a["x}"].b}-"#), [Part::Expression(r#"a["x}"].b"#), Part::Literal("-")]);
        assert_eq!(parts(r#"${a["x}"#), [Part::Expression(r#"a["x"#)]);
        assert_eq!(whole("${ var.x }"), Some(" var.x "));
        assert_eq!((whole("${a}${b}"), whole("$${a}"), whole("x${a}")), (None, None, None));
    }

    #[test]
    fn knows_what_names_name() {
        let key = |name: &str| Step::Key(name.to_owned());
        assert_eq!(name("count.index"), Ok(Name::CountIndex));
        assert_eq!(name(" var.x "), Ok(Name::Variable("x".into(), vec![])));
        assert_eq!(name("var.x.y[2]"), Ok(Name::Variable("x".into(), vec![key("y"), Step::Index(2)])));
        assert_eq!(name("each.value"), Ok(Name::EachValue(vec![])));
        assert_eq!(name("each.value.zone"), Ok(Name::EachValue(vec![key("zone")])));
        let path = vec![key("a]\" b"), key("public_addresses"), Step::Index(0)];
        let text = r#"instances.web["a]\" b"].public_addresses[0]"#;
        assert_eq!(name(text), Ok(Name::Instances("web".into(), path.clone())));
        assert_eq!(written(&path), r#"["a]\" b"].public_addresses[0]"#);
        assert_eq!(name("instances.web[*].zone"), Ok(Name::Instances("web".into(), vec![Step::All, key("zone")])));
        let unknown = |near: Option<&str>| Err(Nameless::Unknown(near.map(str::to_owned)));
        assert_eq!(name("count.idnex"), unknown(Some("count.index")));
        assert_eq!(name("vars.x"), unknown(Some("var.x")));
        assert_eq!(name("env:X"), Err(Nameless::Environment));
        for text in ["flavour", "var.", "var", "var.x.", "var.x[", "var.x[1", "var.x[a]", "1 + 1", "", "instances"] {
            assert_eq!(name(text), unknown(None), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Nothing is lost: the parts put together are the text, but for one `$` of each `$${`.
        #[test]
        fn parts_are_the_text(text in "[${}a .\\[\"]{0,30}") {
            let written: String = parts(&text)
                .into_iter()
                .map(|part| match part {
                    Part::Literal(literal) => literal.to_owned(),
                    Part::Expression(expression) => format!("${{{expression}}}"),
                    Part::Unclosed(rest) => rest.to_owned(),
                })
                .collect();
            prop_assert!(text.len() >= written.len() && text.replace('$', "") == written.replace('$', ""));
            let _ = name(&text);
        }
    }
}
