//! Words and lines: what a text of others may do to a terminal (nothing), where lines break, how many of what.

use crate::model::Address;
use crate::model::address::compact;
use std::borrow::Cow;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthChar as _;

/// Columns that texts keep to.
pub const WIDTH: usize = 80;

/// ` (sandbox)`, where the cloud is the sandbox.
pub fn sandbox_mark(sandbox: bool) -> &'static str {
    if sandbox { " (sandbox)" } else { "" }
}

/// Most parts of a list of addresses that are written out, and columns that they may take.
const PARTS_MAX: usize = 6;
const PARTS_WIDTH: usize = 64;

/// Columns that a list of ranges may take.
const RANGES_WIDTH: usize = 40;

/// A text of others without control characters but for line breaks.
pub fn clean(text: &str) -> String {
    text.chars().map(|character| if character == '\n' { character } else { visible_character(character) }).collect()
}

/// `clean` for one line.
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', "␊")
}

/// Who reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A person on a terminal.
    Person,
    /// A program, which is given what is not ASCII as it is.
    Program,
}

/// A text of ours before it leaves. Whatever would do something to a terminal is made visible, but for line breaks, tabs,
/// and, with `colours`, sequences that colour.
pub fn harmless(text: &str, colours: bool, reader: Reader) -> Cow<'_, str> {
    let is_odd = |character: char| {
        let concerns = reader == Reader::Person || character < ' ';
        concerns && !matches!(character, '\n' | '\t') && visible_character(character) != character
    };
    if !text.chars().any(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = match colours.then(|| colour_sequence(rest)).flatten() {
            Some(length) => {
                out.push_str(&rest[..length]);
                length
            }
            // The line breaks of a file from elsewhere.
            None if rest.starts_with("\r\n") => {
                out.push_str("\r\n");
                2
            }
            None => {
                out.push(if is_odd(character) { visible_character(character) } else { character });
                character.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// Bytes of the sequence that colours what follows, if the text begins with one.
fn colour_sequence(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("\u{1b}[")?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inner[end..].starts_with('m').then_some(2 + end + 1)
}

/// A character that does nothing to a terminal. Tabs are left to the renderer, which widens them.
pub(super) fn visible_character(character: char) -> char {
    match character {
        '\t' => '\t',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}'..='\u{9f}' => '\u{fffd}',
        // Marks that turn the direction of text around could make a line look like another.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => character,
    }
}

/// `1 instance`, `3 instances`.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// Columns of a text without escape sequences.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// East Asian characters and emoji take two columns, marks above others none. What terminals disagree on counts as more: a
/// line that is too short is better than one that wraps.
fn columns_of(character: char) -> usize {
    match character {
        // Makes an emoji of what is before it.
        '\u{fe0f}' => 1,
        _ => character.width().unwrap_or(1),
    }
}

/// Pads on the right with spaces; never cuts.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Cuts what is too long, with `…` at its end.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += columns_of(character);
        if used > width {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// Breaks a text at spaces, so that no line goes beyond `WIDTH` where words allow. The first line begins after `begin`
/// columns that somebody else writes, the others with `indent` spaces. No newline at the end.
pub fn wrap(text: &str, begin: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = begin;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        let mut first = true;
        for word in line.split(' ') {
            let width = columns(word);
            if !first && column + 1 + width > WIDTH {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else if !first {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
            first = false;
        }
    }
    out
}

/// Addresses in short, at most a few parts of them: `web[0-29]`, `edge["a"] edge["b"] … (300 in all)`.
pub fn members<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> String {
    let addresses: Vec<&Address> = addresses.into_iter().collect();
    // Each block apart, so that no name with a space in it is taken for two.
    let mut blocks: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for address in &addresses {
        blocks.entry(&address.block).or_default().push(address);
    }
    let mut parts = Vec::new();
    for of_block in blocks.into_values() {
        if of_block.iter().any(|address| matches!(address.key, crate::model::Key::Name(_))) {
            parts.extend(of_block.into_iter().map(|address| clean_line(&address.to_string())));
        } else {
            parts.push(shortened(compact(of_block)));
        }
    }
    let in_all = parts.len();
    let mut width = 0;
    let fitting = parts.iter().take_while(|part| {
        width += columns(part) + 1;
        width <= PARTS_WIDTH + 1
    });
    // The first is shown however long it is.
    let fitting = fitting.count().clamp(1, PARTS_MAX);
    parts.truncate(fitting);
    let shown = parts.join(" ");
    if in_all > fitting { format!("{shown} … ({} in all)", addresses.len()) } else { shown }
}

/// A list of ranges with many holes, cut after a few of them: `web[2-8,12-18,…]`.
fn shortened(part: String) -> String {
    if columns(&part) <= RANGES_WIDTH {
        return part;
    }
    match part.char_indices().rfind(|(at, c)| *c == ',' && *at <= RANGES_WIDTH - 4) {
        Some((comma, _)) => format!("{},…]", &part[..comma]),
        None => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_between_words_and_never_inside_one() {
        let text = "one ".repeat(30);
        let wrapped = wrap(text.trim_end(), 10, 4);
        assert!(
            wrapped.lines().enumerate().all(|(n, l)| columns(l) + if n == 0 { 10 } else { 0 } <= WIDTH),
            "{wrapped}"
        );
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("    one")), "{wrapped}");
        assert_eq!(wrap(&"x".repeat(100), 0, 4), "x".repeat(100));
        assert_eq!(wrap("a\nb", 0, 2), "a\n  b");
    }

    #[test]
    fn cuts_and_pads_by_columns() {
        assert_eq!(cut("東京都", 5), "東京…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(pad("東", 4), "東  ");
        assert_eq!((columns("⌚❤\u{fe0f}"), columns("e\u{301}━…")), (4, 3));
        assert_eq!(clean_line("a\u{1b}[31m\nb"), "a␛[31m␊b");
    }

    #[test]
    fn lets_nothing_out_but_text_and_colour() {
        assert_eq!(harmless("a\tb\r\nc東\n", false, Reader::Person), "a\tb\r\nc東\n");
        assert_eq!(
            harmless("\u{1b}[31mred\u{1b}[0m \u{7}\r|\u{9b}2J", false, Reader::Person),
            "␛[31mred␛[0m ␇␍|\u{fffd}2J"
        );
        assert_eq!(harmless("\u{1b}[1;31mred\u{1b}[0m", true, Reader::Person), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(harmless("\u{1b}\u{9b}", false, Reader::Program), "␛\u{9b}");
        assert_eq!(harmless("\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}[31", true, Reader::Person), "␛[2J␛]0;t␇␛[31");
    }

    #[test]
    fn names_few_and_counts_many() {
        let indexed: Vec<Address> = (0..300).map(|index| Address::indexed("web", index)).collect();
        assert_eq!(members(&indexed), "web[0-299]");
        assert_eq!(
            members(indexed.iter().filter(|address| address.key != crate::model::Key::Index(7)).step_by(3)),
            "web[0,3,6,10,13,16,19,22,25,28,31,34,…]"
        );
        let named: Vec<Address> = (0..9).map(|n| Address::named("edge", format!("k {n}"))).collect();
        assert_eq!(members(&named), r#"edge["k 0"] edge["k 1"] edge["k 2"] edge["k 3"] edge["k 4"] … (9 in all)"#);
    }
}
