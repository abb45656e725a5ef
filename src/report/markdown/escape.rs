//! Texts of others inside of markdown: whatever they hold, they stay text.
//!
//! A name becomes a code span, which nothing in it can end; a sentence is escaped, and what could become a link, a mention
//! or a formula is put into code spans as well; lines of code stand in a fence that is longer than any in them.

use crate::report::text::{clean, clean_line, cut};

/// Longest run of backticks that is shown: delimiters are longer than the longest run, and have to fit as well.
const BACKTICKS_MAX: usize = 8;

/// Columns of a name that are shown.
const NAME_MAX: usize = 200;

/// Columns of a sentence that are shown.
const SENTENCE_MAX: usize = 600;

/// A text as a code span on one line.
pub fn code(text: &str) -> String {
    let text = tamed(&cut(&clean_line(text).replace('\t', " "), NAME_MAX));
    if text.trim().is_empty() {
        // A code span of spaces alone is none.
        return "`␠`".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // One space on both sides is taken away by the reader, where a backtick stands at an end.
    let space = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Sentences on one line. What stands between backticks becomes a code span, as whoever wrote it meant.
pub fn prose(text: &str) -> String {
    let text = cut(&clean_line(text).replace(['␊', '\t'], " "), SENTENCE_MAX);
    let text = text.trim();
    let mut out = String::new();
    if text.is_empty() {
        return code("");
    }
    let last = text.matches('`').count();
    for (number, part) in text.split('`').enumerate() {
        // A backtick without another is one of a name's, and stays.
        if number % 2 == 1 && number == last {
            out.push_str("\\`");
        } else if number % 2 == 1 && part.is_empty() {
            out.push_str("\\`\\`");
            continue;
        } else if number % 2 == 1 {
            push_apart(&mut out, &code(part));
            continue;
        }
        for (number, word) in part.split(' ').enumerate() {
            if number > 0 {
                out.push(' ');
            }
            let begins = out.is_empty();
            let word = match is_special(word) {
                true => code(word),
                false if begins => at_the_beginning(&escaped(word)),
                false => escaped(word),
            };
            push_apart(&mut out, &word);
        }
    }
    out
}

/// A word that begins an entry must not begin a list, a line or a heading: its punctuation is escaped.
fn at_the_beginning(word: &str) -> String {
    let digits = word.len() - word.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let is_one_of = |mark: char| !word.is_empty() && word.chars().all(|character| character == mark);
    match &word[digits..] {
        mark @ ("." | ")") if digits > 0 => format!("{}\\{mark}", &word[..digits]),
        _ if ['-', '+', '='].into_iter().any(is_one_of) => format!("\\{word}"),
        _ => word.to_owned(),
    }
}

/// Appends; two code spans that touch would run into one another.
fn push_apart(out: &mut String, text: &str) {
    if out.ends_with('`') && text.starts_with('`') {
        out.push(' ');
    }
    out.push_str(text);
}

/// Whether readers make something else of a word: a mention, a reference, a link, a formula.
fn is_special(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    word.contains(['@', '#', '$']) || lower.contains("://") || lower.contains("www.")
}

fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut before = ' ';
    let mut characters = word.chars().peekable();
    while let Some(character) = characters.next() {
        // Inside of a word an underscore is one.
        let is_inside = before.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
        before = character;
        match character {
            '_' if is_inside => out.push('_'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '*' | '_' | '[' | ']' | '~' | '|' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// A text for the inside of a block of code: several lines, no control characters, no run of backticks that is too long.
pub fn block_text(text: &str) -> String {
    tamed(&clean(text))
}

/// The fence around a block of code that has these texts in it.
pub fn fence<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    "`".repeat(texts.map(longest_run).max().unwrap_or(0).max(2) + 1)
}

/// A text for the inside of an HTML comment, which it cannot end.
pub fn comment(text: &str) -> String {
    clean_line(text).chars().filter(|character| !matches!(character, '<' | '>')).take(NAME_MAX).collect()
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

/// Runs of backticks that are too long are shortened.
fn tamed(text: &str) -> String {
    if longest_run(text) <= BACKTICKS_MAX {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        if run <= BACKTICKS_MAX {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_code() {
        assert_eq!(code("web[0]"), "`web[0]`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\nb\u{1b}[1m"), "`a␊b␛[1m`");
        assert_eq!(code("  "), "`␠`");
        assert_eq!(code(&"`".repeat(99)).len(), 8 + 2 * 9 + 2);
    }

    #[test]
    fn sentences_keep_their_code_and_lose_their_markup() {
        assert_eq!(
            prose("`old[0]` (lhins-50) is <b>protected</b>, *very* [much](http://x)"),
            "`old[0]` (lhins-50) is &lt;b&gt;protected&lt;/b&gt;, \\*very\\* `[much](http://x)`"
        );
        assert_eq!(prose("ask @team about #1"), "ask `@team` about `#1`");
        assert_eq!(prose("one\n\n# two"), "one  `#` two");
        assert_eq!(prose("--- a"), "\\--- a");
        assert_eq!(prose("  12. a"), "12\\. a");
        assert_eq!(prose("12.50 CNY, --flag"), "12.50 CNY, --flag");
        assert_eq!(prose("``"), "\\`\\`");
        assert_eq!(prose(" \n"), "`␠`");
        assert_eq!(prose("an odd ` one"), "an odd \\` one");
        assert_eq!(prose("bundle_rs_nmc is _small_"), "bundle_rs_nmc is \\_small\\_");
    }

    #[test]
    fn fences_are_longer_than_what_is_in_them() {
        assert_eq!(fence(["a", "b"].into_iter()), "```");
        assert_eq!(fence(["a ```` b"].into_iter()), "`````");
        assert_eq!(comment("shop --> <b>"), "shop -- b");
    }
}
