//! Rules of the Tag service for keys and values: one table for what a manifest may write, for what lhprov writes itself, and
//! for what the sandbox takes.
//!
//! Source: cloud.tencent.com/document/product/651/13354 for characters, lengths and reserved keys; the model of
//! CreateInstances for the number of tags. The page counts a million pairs of key and value for an account; older editions
//! of it limit one key to 1,000 values.

use std::fmt;

/// Longest key, in characters.
pub const KEY_MAX: usize = 127;

/// Longest value, in characters.
pub const VALUE_MAX: usize = 255;

/// Most tags in one CreateInstances.
pub const AT_CREATION_MAX: usize = 10;

/// Characters besides letters, digits, blanks and Chinese.
pub const SIGNS: &str = "+-=._:/@()[],;><";

/// The keys that begin so belong to the service, in any case.
pub const RESERVED: [&str; 3] = ["qcs:", "project", "项目"];

/// The keys that begin so belong to lhprov.
pub const OWN_PREFIX: &str = "lhprov-";

/// Which half of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Part::Key => "key",
            Part::Value => "value",
        }
    }
}

/// A rule that a key or value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no character.
    Empty(Part),
    /// It has so many characters.
    TooLong(Part, usize),
    /// It has this character.
    Character(Part, char),
    /// It begins or ends with a blank.
    Blank(Part),
    /// The key begins with this reserved word.
    Reserved(&'static str),
}

impl Fault {
    /// The code with which the Tag service refuses it.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Empty(Part::Key) => "InvalidParameterValue.TagKeyEmpty",
            Fault::Empty(Part::Value) => "InvalidParameterValue.TagValueEmpty",
            Fault::TooLong(Part::Key, _) => "InvalidParameterValue.TagKeyLengthExceeded",
            Fault::TooLong(Part::Value, _) => "InvalidParameterValue.TagValueLengthExceeded",
            Fault::Character(Part::Key, _) | Fault::Blank(Part::Key) => "InvalidParameterValue.TagKeyCharacterIllegal",
            Fault::Character(Part::Value, _) | Fault::Blank(Part::Value) => {
                "InvalidParameterValue.TagValueCharacterIllegal"
            }
            Fault::Reserved(_) => "InvalidParameter.ReservedTagKey",
        }
    }

    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Fault::Empty(Part::Key) => "write a key".to_owned(),
            Fault::Empty(Part::Value) => "write a value, or leave the tag out".to_owned(),
            Fault::TooLong(..) => format!("a key has 1 to {KEY_MAX} characters, a value 1 to {VALUE_MAX}"),
            Fault::Character(..) => {
                format!("a tag takes letters, digits, blanks, Chinese, and {}", spaced(SIGNS))
            }
            Fault::Blank(_) => "take the blanks at its ends away".to_owned(),
            Fault::Reserved(_) => "choose another key".to_owned(),
        }
    }
}

/// A sentence's subject and predicate, without the text itself: it may not be fit to be shown.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty(part) => write!(f, "the {} of a tag may not be empty", part.as_str()),
            Fault::TooLong(part, length) => {
                let max = if *part == Part::Key { KEY_MAX } else { VALUE_MAX };
                write!(f, "the {} of a tag has {length} characters, and at most {max} are allowed", part.as_str())
            }
            Fault::Character(part, c) if c.is_control() || c.is_whitespace() => {
                write!(f, "the {} of a tag may not have the character U+{:04X}", part.as_str(), u32::from(*c))
            }
            Fault::Character(part, c) => write!(f, "the {} of a tag may not have `{c}`", part.as_str()),
            Fault::Blank(part) => write!(f, "the {} of a tag may not begin or end with a blank", part.as_str()),
            Fault::Reserved(word) => write!(f, "keys of tags that begin with `{word}` are reserved by the service"),
        }
    }
}

/// Checks a key.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_key(key: &str) -> Result<(), Fault> {
    check_part(key, Part::Key, KEY_MAX)?;
    let lower = key.to_lowercase();
    match RESERVED.into_iter().find(|word| lower.starts_with(word)) {
        Some(word) => Err(Fault::Reserved(word)),
        None => Ok(()),
    }
}

/// Checks a value.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_value(value: &str) -> Result<(), Fault> {
    check_part(value, Part::Value, VALUE_MAX)
}

fn check_part(text: &str, part: Part, max: usize) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::Empty(part));
    }
    let length = text.chars().count();
    if length > max {
        return Err(Fault::TooLong(part, length));
    }
    // Chinese characters are letters by Unicode.
    let is_allowed = |c: char| c.is_alphabetic() || c.is_ascii_digit() || c == ' ' || SIGNS.contains(c);
    if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(Fault::Character(part, c));
    }
    match text.starts_with(' ') || text.ends_with(' ') {
        true => Err(Fault::Blank(part)),
        false => Ok(()),
    }
}

fn spaced(signs: &str) -> String {
    signs.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule() {
        let long = |n: usize| "字".repeat(n);
        for (key, code) in [
            ("team", ""),
            ("负责人 (web) [a]/b:c@d_e.f+g=h,i;j><k-1", ""),
            (&long(127), ""),
            (&long(128), "InvalidParameterValue.TagKeyLengthExceeded"),
            ("", "InvalidParameterValue.TagKeyEmpty"),
            (" team", "InvalidParameterValue.TagKeyCharacterIllegal"),
            ("team ", "InvalidParameterValue.TagKeyCharacterIllegal"),
            ("a\u{a0}b", "InvalidParameterValue.TagKeyCharacterIllegal"),
            ("project", "InvalidParameter.ReservedTagKey"),
            ("Project-x", "InvalidParameter.ReservedTagKey"),
            ("qcs:x", "InvalidParameter.ReservedTagKey"),
            ("项目组", "InvalidParameter.ReservedTagKey"),
            ("my project", ""),
        ] {
            assert_eq!(check_key(key).err().map_or("", |fault| fault.code()), code, "{key}");
        }
        for value in
            ["a&b", "x|y", "a\nb", "a\tb", "\"", "a*", "a?", "a#b", "a%b", "'", "{a}", "\\", "`", "😀", "~", "!", "$"]
        {
            let fault = check_value(value).expect_err(value);
            assert_eq!(fault.code(), "InvalidParameterValue.TagValueCharacterIllegal", "{value}");
        }
        assert_eq!(check_value("").map_err(|fault| fault.code()), Err("InvalidParameterValue.TagValueEmpty"));
        assert_eq!(check_value(&long(255)), Ok(()));
        assert_eq!(check_value(&long(256)), Err(Fault::TooLong(Part::Value, 256)));
        assert_eq!(check_value("a").map_err(|fault| fault.code()), Ok(()));
    }

    #[test]
    fn what_a_fault_says() {
        assert_eq!(
            Fault::Character(Part::Value, '\n').to_string(),
            "the value of a tag may not have the character U+000A"
        );
        assert_eq!(Fault::Character(Part::Key, '&').to_string(), "the key of a tag may not have `&`");
        assert_eq!(
            Fault::TooLong(Part::Key, 128).to_string(),
            "the key of a tag has 128 characters, and at most 127 are allowed"
        );
    }
}
