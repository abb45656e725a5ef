//! A line of Bash as words, and a word in the quotes in which it was begun.

/// A line up to the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words that are finished, without quotes; the command first.
    pub(super) words: Vec<String>,
    /// The one at the cursor, perhaps empty.
    pub(super) last: Word,
}

/// A word that is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// As typed.
    raw: String,
    /// Without quotes.
    pub(super) value: String,
    /// The quote that is open at its end.
    quote: Option<char>,
}

impl Typed {
    /// Takes a line apart as a shell does that expands nothing.
    pub(super) fn read(line: &str) -> Self {
        let mut typed = Self::default();
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            let word = &mut typed.last;
            match (word.quote, character) {
                (None, ' ' | '\t' | '\n') => {
                    if !word.raw.is_empty() {
                        let word = std::mem::take(word);
                        typed.words.push(word.value);
                    }
                    continue;
                }
                // Another command begins.
                (None, ';' | '|' | '&' | '(') => {
                    typed = Self::default();
                    continue;
                }
                (None, '\'' | '"') => word.quote = Some(character),
                (Some(quote), _) if quote == character => word.quote = None,
                (None | Some('"'), '\\') => {
                    word.raw.push(character);
                    let Some(next) = characters.next() else { break };
                    if word.quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                        word.value.push(character);
                    }
                    word.raw.push(next);
                    word.value.push(next);
                    continue;
                }
                _ => word.value.push(character),
            }
            typed.last.raw.push(character);
        }
        // Variables of this one command come before it.
        let is_assignment = |word: &String| {
            let name = word.split_once('=').map(|(name, _)| name).unwrap_or_default();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let assignments = typed.words.iter().take_while(|word| is_assignment(word)).count();
        typed.words.drain(..assignments);
        typed
    }
}

impl Word {
    /// What has to stand in place of `current`, the part of the word that the shell replaces, so that the whole is `value`.
    pub(super) fn in_place_of(&self, current: &str, value: &str) -> Option<String> {
        // What stands before that part stays: `--only=`, or a quote.
        let kept = self.raw.strip_suffix(current).unwrap_or_default();
        let kept = Typed::read(kept).last;
        let rest = value.strip_prefix(&kept.value)?;
        let opened = current.chars().next().filter(|first| kept.quote.is_none() && matches!(first, '\'' | '"'));
        Some(match (kept.quote, opened) {
            // The shell closes what it has opened.
            (Some(quote), _) => within(rest, quote),
            (None, Some(quote)) => format!("{quote}{}{quote}", within(rest, quote)),
            (None, None) => bare(rest),
        })
    }
}

/// A text between quotes.
fn within(text: &str, quote: char) -> String {
    match quote {
        '\'' => text.replace('\'', r"'\''"),
        _ => text.chars().fold(String::new(), |mut out, c| {
            if matches!(c, '"' | '\\' | '$' | '`') {
                out.push('\\');
            }
            out.push(c);
            out
        }),
    }
}

/// A text without quotes.
fn bare(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_./:=,@%+".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let read = |line: &str| {
            let Typed { words, last } = Typed::read(line);
            (words.join("|"), last.value, last.quote)
        };
        assert_eq!(read("lhprov show we"), ("lhprov|show".into(), "we".into(), None));
        assert_eq!(read("lhprov show "), ("lhprov|show".into(), String::new(), None));
        assert_eq!(read(r#"lhprov show edge\[\"a"#), ("lhprov|show".into(), "edge[\"a".into(), None));
        assert_eq!(read(r#"lhprov -f 'a b' show 'edge["#), ("lhprov|-f|a b|show".into(), "edge[".into(), Some('\'')));
        assert_eq!(read(r#"x; A=b lhprov "a\"b\c"#), ("lhprov".into(), "a\"b\\c".into(), Some('"')));
    }

    #[test]
    fn a_word_stays_in_its_quotes() {
        let complete = |line: &str, current: &str| Typed::read(line).last.in_place_of(current, "edge[\"a b\"]");
        assert_eq!(complete("lhprov ed", "ed").as_deref(), Some(r#"edge\[\"a\ b\"\]"#));
        assert_eq!(complete(r#"lhprov edge\[\""#, r#"edge\[\""#).as_deref(), Some(r#"edge\[\"a\ b\"\]"#));
        assert_eq!(complete("lhprov 'ed", "ed").as_deref(), Some("edge[\"a b\"]"));
        assert_eq!(complete("lhprov 'ed", "'ed").as_deref(), Some("'edge[\"a b\"]'"));
        assert_eq!(complete("lhprov \"ed", "ed").as_deref(), Some(r#"edge[\"a b\"]"#));
        assert_eq!(Typed::read("lhprov --only=w").last.in_place_of("w", "--only=web[0]").as_deref(), Some(r"web\[0\]"));
    }
}
