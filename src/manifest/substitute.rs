//! A value that is one whole `${var.x}` or `${each.value.x}` becomes what it names, whatever that is: a list of zones, a
//! number of months. This is done to trees, before they are decoded, so that every key takes such a value.
//!
//! What stands inside of longer texts is left to expansion, and so is `${count.index}`.

use super::node::{Node, Scalar, ScalarKind, Value};
use super::template::{self, Name, Step};
use super::variable::{Variables, walk};
use crate::diag::{Diagnostic, Diagnostics, Span};

/// What `each.key` and `each.value` are where a tree stands.
#[derive(Clone, Copy)]
pub(super) enum Each<'a> {
    /// There is no `for_each`, so nothing.
    Nothing,
    /// There are no keys; what is left out is not missing.
    Unknown,
    /// These.
    Of(&'a str, Span, &'a Node),
}

/// Puts the variables into a tree.
pub(super) fn variables(node: &mut Node, variables: &Variables, diagnostics: &mut Diagnostics) {
    walk_wholes(node, &mut |name, span| match name {
        Name::Variable(name, steps) => Some(variables.look_up(&name, &steps).map_err(|problem| {
            diagnostics.push(problem.at(span));
        })),
        _ => None,
    });
}

/// Puts `each.key` and `each.value` into a tree.
pub(super) fn each(node: &mut Node, each: Each<'_>, diagnostics: &mut Diagnostics) {
    let key_node = match each {
        Each::Of(key, span, _) => Some(Node::text(key, span)),
        Each::Nothing | Each::Unknown => None,
    };
    walk_wholes(node, &mut |name, span| match (name, each) {
        (Name::EachKey | Name::EachValue(_), Each::Unknown) => Some(Err(())),
        (Name::EachKey | Name::EachValue(_), Each::Nothing) => {
            diagnostics.push(no_each().at(span));
            Some(Err(()))
        }
        (Name::EachKey, Each::Of(..)) => key_node.as_ref().map(Ok),
        (Name::EachValue(steps), Each::Of(_, _, value)) => {
            Some(each_value(value, &steps).map_err(|problem| diagnostics.push(problem.at(span))))
        }
        _ => None,
    });
}

/// What is said where there is no `for_each`.
pub fn no_each() -> Diagnostic {
    Diagnostic::error("interpolation", "there is no `each.key` and no `each.value` without `for_each`")
        .help("give this block a `for_each`, or write the value itself")
}

/// What `each.value` and steps into it name. The problem has no place yet.
///
/// # Errors
/// What is wrong.
#[expect(clippy::result_large_err, reason = "an error is rare, and is reported at once")]
pub fn each_value<'n>(value: &'n Node, steps: &[Step]) -> Result<&'n Node, Diagnostic> {
    walk(value, steps).map_err(|(why, near)| {
        let diagnostic =
            Diagnostic::error("each-value", format!("`each.value` {why}")).related(value.span, "this value");
        match near {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic,
        }
    })
}

impl Variables {
    /// What a variable and steps into it name. The problem has no place yet.
    ///
    /// # Errors
    /// What is wrong.
    #[expect(clippy::result_large_err, reason = "an error is rare, and is reported at once")]
    pub fn look_up(&self, name: &str, steps: &[Step]) -> Result<&Node, Diagnostic> {
        let Some(value) = self.get(name) else {
            let diagnostic = Diagnostic::error("unknown-variable", format!("there is no variable `{name}`"));
            return Err(match self.nearest(name) {
                Some(near) => diagnostic.label(format!("did you mean `${{var.{near}}}`?")),
                None => diagnostic.help(format!("declare it: `variables: {{ {name}: {{ default: … }} }}`")),
            });
        };
        walk(value, steps).map_err(|(why, near)| {
            let diagnostic = Diagnostic::error("variable-path", format!("the variable `{name}` {why}"))
                .related(value.span, "its value");
            match near {
                Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                None => diagnostic,
            }
        })
    }
}

/// Whether a whole `${each.…}` stands somewhere in a tree.
pub(super) fn mentions_each(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => {
            may_be_whole(scalar) && scalar.text.contains("each.") && template::whole(&scalar.text).is_some()
        }
        Value::List(items) => items.iter().any(mentions_each),
        Value::Map(entries) => entries.iter().any(|entry| mentions_each(&entry.value)),
    }
}

fn may_be_whole(scalar: &Scalar) -> bool {
    scalar.kind == ScalarKind::String && !scalar.verbatim && scalar.text.starts_with("${")
}

/// Asks for every whole `${…}` in a tree what it stands for. `None` leaves it, an error refuses it.
fn walk_wholes<'v>(node: &mut Node, named: &mut impl FnMut(Name, Span) -> Option<Result<&'v Node, ()>>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| walk_wholes(item, named)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| walk_wholes(&mut entry.value, named)),
        Value::Scalar(scalar) if may_be_whole(scalar) => {
            let Some(expression) = template::whole(&scalar.text) else { return };
            let Ok(name) = template::name(expression) else { return };
            let (expression, quoted) = (Box::from(expression.trim()), scalar.quoted);
            match named(name, node.span) {
                None => {}
                Some(Err(())) => *node = Node::refused(node.span),
                Some(Ok(found)) => {
                    node.value = found.value.clone();
                    if let Value::Scalar(scalar) = &mut node.value {
                        (scalar.quoted, scalar.expression) = (quoted, Some(expression));
                    }
                }
            }
        }
        Value::Scalar(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceId;
    use crate::manifest::parse::parse;

    fn tree(text: &str) -> Node {
        parse(text, SourceId(0), &mut Diagnostics::default()).root.unwrap()
    }

    #[test]
    fn puts_values_of_any_type_where_a_whole_expression_stands() {
        let value = tree("{ zone: z, n: 3, list: [a, b] }");
        let mut node = tree(
            "[\"${each.value.n}\", \"${each.value.list[1]}\", \"x${each.key}\", \"${each.value.zon}\", \"${each.key}\"]",
        );
        assert!(mentions_each(&node) && !mentions_each(&value));
        let mut problems = Diagnostics::default();
        each(&mut node, Each::Of("${k}", value.span, &value), &mut problems);
        let Value::List(items) = &node.value else { panic!() };
        let scalars: Vec<&Scalar> = items.iter().filter_map(Node::scalar).collect();
        assert_eq!((scalars[0].kind, scalars[0].quoted), (ScalarKind::Integer(3), true));
        assert_eq!(scalars[1].text, "b");
        assert_eq!((scalars[2].text.as_str(), scalars[2].verbatim), ("x${each.key}", false));
        assert_eq!(scalars[3].kind, ScalarKind::Refused);
        // What a key or a value holds is not worked out again.
        assert_eq!((scalars[4].text.as_str(), scalars[4].verbatim), ("${k}", true));
        let problems = problems.sorted();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].label.as_deref(), Some("did you mean `zone`?"));
    }
}
