//! A difference as people read it: a short one on the line of its name, a long one line by line.

use super::text::{clean_line, columns, cut};
use serde_json::Value;
use similar::{ChangeTag, DiffTag, TextDiff};

/// Widest value, in columns, that is told on the line of its name.
const SHORT_MAX: usize = 60;

/// Equal lines that are shown around a difference.
const CONTEXT: usize = 2;

/// Most lines of one difference that are shown: a script that is new as a whole is read in its file.
const LINES_MAX: usize = 40;

/// Characters that are kept of what two long lines have in common, before their difference.
const COMMON_KEPT: usize = 20;

/// Characters that are kept of the beginning of such lines.
const HEAD_KEPT: usize = 12;

/// `name: before → after`; where one of the two is long or has several lines, `name:` and its lines, each with `-`, `+` or a
/// space before it, none wider than `room`.
pub fn lines(name: &str, before: &Value, after: &Value, room: usize) -> Vec<String> {
    let (old, new) = (show(before), show(after));
    if is_short(before, &old) && is_short(after, &new) {
        return vec![clean_line(&format!("{name}: {old} → {new}"))];
    }
    let (old, new) = (text_lines(before), text_lines(after));
    let mut shown = vec![clean_line(&format!("{name}:"))];
    let changed = changed_lines(&old, &new, room.saturating_sub(2));
    if changed.is_empty() {
        shown.push("  only the line breaks at its end differ".to_owned());
    }
    let left_out = changed.len().saturating_sub(LINES_MAX);
    shown.extend(changed.into_iter().take(LINES_MAX));
    if left_out > 0 {
        shown.push(format!("  … {left_out} more lines"));
    }
    shown
}

/// A value on one line.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        }
        // Line breaks inside stay visible as `\n`.
        other => other.to_string(),
    }
}

fn is_short(value: &Value, shown: &str) -> bool {
    columns(shown) <= SHORT_MAX && !has_line_break(value)
}

fn has_line_break(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim_end_matches('\n').contains('\n'),
        Value::Array(items) => items.iter().any(has_line_break),
        Value::Object(map) => map.values().any(has_line_break),
        _ => false,
    }
}

/// A value as lines: a text its own, a map and a list as YAML would write them.
fn text_lines(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => lines_of(text, "").collect(),
        other => {
            let mut lines = Vec::new();
            nested(other, "", &mut lines);
            lines
        }
    }
}

/// The lines of a text, each with `indent` before it. A line break at the end is no line.
fn lines_of<'t>(text: &'t str, indent: &str) -> impl Iterator<Item = String> + use<'t> {
    let indent = indent.to_owned();
    text.strip_suffix('\n').unwrap_or(text).split('\n').map(move |line| format!("{indent}{}", one_line(line)))
}

/// A line of visible characters, tabs widened.
fn one_line(text: &str) -> String {
    clean_line(text).replace('\t', "    ")
}

/// Appends a map, a list or a scalar. `lead` stands before its first line; the others are indented as far.
fn nested(value: &Value, lead: &str, lines: &mut Vec<String>) {
    let indent = " ".repeat(lead.chars().count());
    let before = |first: bool| if first { lead } else { indent.as_str() };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (number, (key, inner)) in map.iter().enumerate() {
                let head = format!("{}{}:", before(number == 0), clean_line(key));
                match inner {
                    Value::String(text) if has_line_break(inner) => {
                        lines.push(format!("{head} |"));
                        lines.extend(lines_of(text, &format!("{indent}  ")));
                    }
                    Value::Object(inner_map) if !inner_map.is_empty() => {
                        lines.push(head);
                        nested(inner, &format!("{indent}  "), lines);
                    }
                    Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                        lines.push(head);
                        nested(inner, &format!("{indent}  "), lines);
                    }
                    Value::String(text) => lines.push(format!("{head} {}", one_line(text))),
                    other => lines.push(format!("{head} {}", one_line(&show(other)))),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                nested(item, &format!("{}- ", before(number == 0)), lines);
            }
        }
        Value::String(text) if has_line_break(value) => {
            lines.push(format!("{lead}|"));
            lines.extend(lines_of(text, &indent));
        }
        Value::String(text) => lines.push(format!("{lead}{}", one_line(text))),
        other => lines.push(format!("{lead}{}", one_line(&show(other)))),
    }
}

/// What differs between two lists of lines, with what is equal around it.
fn changed_lines(old: &[String], new: &[String], room: usize) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&old, &new);
    let mut shown: Vec<String> = Vec::new();
    let mut told_until = 0;
    for hunk in diff.grouped_ops(CONTEXT) {
        let from = hunk.first().map_or(0, |op| op.old_range().start);
        shown.extend(equal_lines(&old, told_until, from, room));
        for op in &hunk {
            // As many lines as before are taken for the same lines, changed.
            let (was, is) = (&old[op.old_range()], &new[op.new_range()]);
            let pairs: Vec<usize> = match was.len() == is.len() && op.tag() != DiffTag::Equal {
                true => was.iter().zip(is).map(|(a, b)| common(a, b)).collect(),
                false => Vec::new(),
            };
            for (number, change) in diff.iter_changes(op).enumerate() {
                let line = match pairs.get(number % was.len().max(1)) {
                    Some(common) => from_the_difference(change.value(), *common, room),
                    None => cut(change.value(), room),
                };
                let mark = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                shown.push(format!("{mark} {line}").trim_end().to_owned());
            }
        }
        told_until = hunk.last().map_or(told_until, |op| op.old_range().end);
    }
    if !shown.is_empty() {
        shown.extend(equal_lines(&old, told_until, old.len(), room));
    }
    shown
}

/// What is said of equal lines: how many there are, or the line where it is one.
fn equal_lines(lines: &[&str], from: usize, to: usize, room: usize) -> Option<String> {
    match lines.get(from..to)? {
        [] => None,
        [one] => Some(format!("  {}", cut(one, room)).trim_end().to_owned()),
        many => Some(format!("  … {} equal lines", many.len())),
    }
}

/// Characters at the beginning that two lines share.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// A line, cut at its end; where the cut would hide the difference, also at its beginning.
fn from_the_difference(line: &str, common: usize, room: usize) -> String {
    if columns(line) <= room || common + COMMON_KEPT <= room || common <= HEAD_KEPT + COMMON_KEPT {
        return cut(line, room);
    }
    let head: String = line.chars().take(HEAD_KEPT).collect();
    let rest: String = line.chars().skip(common.saturating_sub(COMMON_KEPT)).collect();
    cut(&format!("{head}…{rest}"), room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(before: &Value, after: &Value) -> String {
        lines("x", before, after, 72).join("\n")
    }

    #[test]
    fn short_values_stay_on_one_line() {
        assert_eq!(text(&json!("a\u{1b}[1m"), &json!("b")), "x: \"a\\u001b[1m\" → \"b\"");
        assert_eq!(text(&json!(null), &json!(["a", "b"])), "x: (none) → \"a\", \"b\"");
        assert_eq!(text(&json!("one line\n"), &json!("another\n")), "x: \"one line\\n\" → \"another\\n\"");
    }

    #[test]
    fn a_script_is_compared_line_by_line() {
        let script = |port: u32| {
            let lines: Vec<String> = (0..20).map(|n| format!("echo step {n}")).collect();
            json!({"content": format!("#!/bin/sh\n{}\nserve --port {port}\n# end\n", lines.join("\n")), "timeout": 60})
        };
        insta::assert_snapshot!(text(&script(80), &script(8080)), @r"
        x:
          … 20 equal lines
            echo step 18
            echo step 19
        -   serve --port 80
        +   serve --port 8080
            # end
          timeout: 60
        ");
    }

    #[test]
    fn containers_are_compared_field_by_field() {
        let container = |image: &str, command: &str| {
            json!([{"container_image": image, "command": command, "envs": [{"key": "TZ", "value": "UTC"}],
                "publish_ports": [{"host_port": 80, "container_port": 80}]}, {"container_image": "redis:7"}])
        };
        let long = "redis-server --appendonly yes --save 60 1 --maxmemory 100mb --maxmemory-policy allkeys-lru --port ";
        insta::assert_snapshot!(text(&container("nginx:1", &format!("{long}1")), &container("nginx:2", &format!("{long}2"))), @r"
        x:
        - - command: r… allkeys-lru --port 1
        -   container_image: nginx:1
        + - command: r… allkeys-lru --port 2
        +   container_image: nginx:2
            envs:
              - key: TZ
          … 5 equal lines
        ");
    }

    #[test]
    fn what_is_new_as_a_whole_is_cut_after_some_lines() {
        let script = (0..100).map(|n| format!("line {n}\n")).collect::<String>();
        let shown = lines("init_command", &Value::Null, &json!({"content": script}), 72);
        assert_eq!(shown.len(), LINES_MAX + 2);
        assert_eq!(shown.last().map(String::as_str), Some("  … 61 more lines"));
    }

    #[test]
    fn two_long_lines_show_where_they_differ() {
        let long = "x".repeat(200);
        let shown = text(&json!(format!("{long}a")), &json!(format!("{long}b")));
        assert_eq!(
            shown,
            format!("x:\n- {0}a\n+ {0}b", format!("{}…{}", "x".repeat(HEAD_KEPT), "x".repeat(COMMON_KEPT)))
        );
    }

    proptest! {
        /// Whatever the values are, every line is one line, of visible characters, and no wider than it may be.
        #[test]
        fn lines_are_lines(before in "(\\PC|[\n\r\t\u{1b}]){0,300}", after in "(\\PC|[\n\r\t\u{1b}]){0,300}") {
            let shown = lines("x", &json!({"content": before}), &json!([after, {"a": before}]), 72);
            for line in &shown[1..] {
                prop_assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
                prop_assert!(columns(line) <= 72, "{line:?}");
            }
        }
    }
}
