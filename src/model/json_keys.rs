//! Keys that a JSON object has twice. JSON readers keep the last one in silence, so a merge that kept both sides of a conflict
//! would lose an instance.

use std::borrow::Cow;
use std::collections::HashSet;

/// A key that its object has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: String,
    /// Line of the second one, 1-based.
    pub line: usize,
    /// Column of the second one in characters, 1-based.
    pub column: usize,
}

impl std::fmt::Display for DuplicateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the key {:?} is there twice", self.key)
    }
}

/// The first key that its object has already. Text that is no JSON is read as far as it goes.
pub fn find_duplicate_key(text: &[u8]) -> Option<DuplicateKey> {
    // The keys of each open object; none for a list.
    let mut open: Vec<Option<HashSet<Cow<'_, [u8]>>>> = Vec::new();
    let mut is_key = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                let start = at;
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                if let (true, Some(Some(keys))) = (is_key, open.last_mut()) {
                    let key = unescape(text.get(start..=at)?);
                    if keys.contains(&key) {
                        return Some(place(text, start, &key));
                    }
                    keys.insert(key);
                }
                is_key = false;
            }
            b'{' => {
                open.push(Some(HashSet::new()));
                is_key = true;
            }
            b'[' => {
                open.push(None);
                is_key = false;
            }
            b'}' | b']' => {
                open.pop();
                is_key = false;
            }
            b',' => is_key = matches!(open.last(), Some(Some(_))),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A quoted text without its quotes; two ways to write one key are one key.
fn unescape(quoted: &[u8]) -> Cow<'_, [u8]> {
    let plain = &quoted[1..quoted.len() - 1];
    if !plain.contains(&b'\\') {
        return Cow::Borrowed(plain);
    }
    match serde_json::from_slice::<String>(quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(plain),
    }
}

fn place(text: &[u8], at: usize, key: &[u8]) -> DuplicateKey {
    let before = &text[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    DuplicateKey {
        key: String::from_utf8_lossy(key).into_owned(),
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, usize, usize)> {
        find_duplicate_key(text.as_bytes()).map(|found| (found.key, found.line, found.column))
    }

    #[test]
    fn the_place_is_that_of_the_second_key() {
        assert_eq!(found("{\"a\": 1, \"b\": [{\"a\": 2}, \"a\", \"a\"]}"), None);
        assert_eq!(found("{\"a\": 1,\n  \"ü\": {}, \"a\": 2}"), Some(("a".into(), 2, 12)));
        assert_eq!(found("[{\"x\": {\"k\": 1, \"\\u006b\": 2}}]"), Some(("k".into(), 1, 17)));
        assert_eq!(found("{\"a\\\"b\": 1, \"a\\\"b\": 1}"), Some(("a\"b".into(), 1, 13)));
    }

    #[test]
    fn text_that_is_no_json_never_panics() {
        for text in ["", "{", "{\"", "{\"a", "{\"a\\", "}]}", "\"", "{\"a\":\"\\"] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
