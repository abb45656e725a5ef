//! `${…}` inside texts: where they are and what they may name. There is no programming language in it.

use crate::diag::did_you_mean;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Taken as it is.
    Literal(&'t str),
    /// What stands between `${` and `}`.
    Expression(&'t str),
    /// A `${` that nothing closes.
    Unclosed(&'t str),
}

/// Takes a text apart. `$${` is a literal `${`.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
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
        let Some(close) = inner.find('}') else {
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

/// What an expression may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `count.index`.
    CountIndex,
    /// `stack`.
    Stack,
}

/// Names with their meaning.
const NAMES: [(&str, Name); 2] = [("count.index", Name::CountIndex), ("stack", Name::Stack)];

/// Why an expression names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nameless {
    /// `env:…` outside of a password.
    Environment,
    /// Designed, and not in this version.
    Later,
    /// Anything else, with the nearest name.
    Unknown(Option<&'static str>),
}

/// What an expression names.
pub(super) fn name(expression: &str) -> Result<Name, Nameless> {
    let expression = expression.trim();
    if let Some((_, name)) = NAMES.iter().find(|(text, _)| *text == expression) {
        return Ok(*name);
    }
    Err(if expression.starts_with("env:") {
        Nameless::Environment
    } else if ["var.", "each.", "instances."].iter().any(|prefix| expression.starts_with(prefix)) {
        Nameless::Later
    } else {
        let candidates = NAMES.iter().map(|(text, _)| *text);
        // `index` alone is too far from `count.index` for a slip of the hand, and still what is meant.
        let near = if expression == "index" || expression == "count" { Some("count.index") } else { None };
        Nameless::Unknown(near.or_else(|| did_you_mean(expression, candidates)))
    })
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
        assert_eq!(name("count.index"), Ok(Name::CountIndex));
        assert_eq!(name("count.idnex"), Err(Nameless::Unknown(Some("count.index"))));
        assert_eq!(name("var.x"), Err(Nameless::Later));
        assert_eq!(name("flavour"), Err(Nameless::Unknown(None)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Nothing is lost: the parts put together are the text, but for one `$` of each `$${`.
        #[test]
        fn parts_are_the_text(text in "[${}a .]{0,30}") {
            let written: String = parts(&text)
                .into_iter()
                .map(|part| match part {
                    Part::Literal(literal) => literal.to_owned(),
                    Part::Expression(expression) => format!("${{{expression}}}"),
                    Part::Unclosed(rest) => rest.to_owned(),
                })
                .collect();
            prop_assert!(text.len() >= written.len() && text.replace('$', "") == written.replace('$', ""));
        }
    }
}
