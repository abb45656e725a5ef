//! Words as a POSIX shell, bash and zsh read them: every command that is shown can be pasted.

use std::borrow::Cow;

/// A word of a command line, quoted where a shell would change it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    // `=` is plain within a word; at its beginning zsh looks for a command of that name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    // A word of a command line has no NUL; should it, the word is shown without.
    shlex::try_quote(word).unwrap_or_else(|_| Cow::Owned(quoted(&word.replace('\0', "")).into_owned()))
}

/// Words of a command line, quoted.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_what_a_shell_would_change() {
        for (word, shown) in [
            ("-f", "-f"),
            ("--sandbox=sb", "--sandbox=sb"),
            ("web[0]", "'web[0]'"),
            (r#"edge["a"]"#, r#"'edge["a"]'"#),
            ("a b", "'a b'"),
            ("", "''"),
            ("~", "'~'"),
            ("=ls", "'=ls'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    proptest! {
        /// A shell reads back what was quoted.
        #[test]
        fn can_be_pasted(words in proptest::collection::vec("[^\0]{0,12}", 1..4)) {
            let line = join(words.iter().map(String::as_str));
            prop_assert_eq!(shlex::split(&line), Some(words));
        }
    }
}
