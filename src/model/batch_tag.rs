//! The value of the ownership tag `lhprov-batch`: the first characters of a purchase's token, then its members.
//!
//! A tag takes few characters ([`super::tag`]), and the key of a `for_each` may have any. So keys stand in their block's
//! brackets behind `@`, and each of their characters outside of `A-Z a-z 0-9 . _ - / :` as its code point in hexadecimal
//! digits between parentheses: `edge["a b"]` is `edge[@a(20)b]`. Blocks and numbers are written as everywhere:
//! `edge[@a,@b] web[0-2,5]`.
//!
//! Earlier versions wrote keys in quotes, which is read still.

use super::address::{self, Address, Key};
use super::tag::VALUE_MAX;
use std::fmt::Write as _;

/// More members than any purchase has: a tag that names more is no list of ours.
const MEMBERS_MAX: usize = 1000;

/// The value for a purchase. Where there is no room for all members none is named.
pub fn encode<'a>(token_prefix: &str, members: impl IntoIterator<Item = &'a Address>) -> String {
    let long = format!("{token_prefix} {}", encode_members(members));
    if long.chars().count() <= VALUE_MAX { long } else { token_prefix.to_owned() }
}

/// The first characters of the token.
pub fn token_prefix(value: &str) -> &str {
    value.split_once(' ').map_or(value, |(prefix, _)| prefix)
}

/// The members that a value names; `None` where it names none, or in a form that is not known.
pub fn members(value: &str) -> Option<Vec<Address>> {
    let (_, members) = value.split_once(' ')?;
    decode_members(members).or_else(|| address::expand_compact(members))
}

fn encode_members<'a>(members: impl IntoIterator<Item = &'a Address>) -> String {
    let mut sorted: Vec<&Address> = members.into_iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut parts: Vec<String> = Vec::new();
    for of_block in sorted.chunk_by(|one, other| one.block == other.block) {
        let mut block = String::new();
        escape(&of_block[0].block, &mut block);
        let (mut indices, mut inside) = (Vec::new(), Vec::new());
        for member in of_block {
            match &member.key {
                Key::Single => parts.push(block.clone()),
                Key::Index(index) => indices.push(*index),
                Key::Name(name) => {
                    let mut key = "@".to_owned();
                    escape(name, &mut key);
                    inside.push(key);
                }
            }
        }
        if !indices.is_empty() {
            inside.insert(0, address::ranges(&indices));
        }
        if !inside.is_empty() {
            parts.push(format!("{block}[{}]", inside.join(",")));
        }
    }
    parts.join(" ")
}

fn decode_members(text: &str) -> Option<Vec<Address>> {
    let mut members = Vec::new();
    for part in text.split(' ') {
        let Some((block, inside)) = part.split_once('[') else {
            members.push(Address::single(unescape(part)?));
            continue;
        };
        let block = unescape(block)?;
        for one in inside.strip_suffix(']')?.split(',') {
            if let Some(key) = one.strip_prefix('@') {
                members.push(Address::named(block.clone(), unescape(key)?));
                continue;
            }
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            let (first, last) = (number(first)?, number(last)?);
            if last < first || (last - first) as usize + members.len() >= MEMBERS_MAX {
                return None;
            }
            members.extend((first..=last).map(|index| Address::indexed(block.clone(), index)));
        }
    }
    Some(members)
}

/// Digits alone: `parse` takes a sign, too.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':')
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match is_plain(c) {
            true => out.push(c),
            false => drop(write!(out, "({:x})", u32::from(c))),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '(' {
            let (code, behind) = rest.split_once(')')?;
            out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
            rest = behind;
        } else if is_plain(c) {
            out.push(c);
        } else {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tag::check_value;
    use proptest::prelude::*;

    fn parsed(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn how_members_are_written() {
        let of = |texts: &[&str]| encode("69e1e7d121a83550", &parsed(texts));
        assert_eq!(of(&["db", "web[0]", "web[1]", "web[2]", "web[5]"]), "69e1e7d121a83550 db web[0-2,5]");
        assert_eq!(of(&[r#"edge["a"]"#, r#"edge["b c"]"#]), "69e1e7d121a83550 edge[@a,@b(20)c]");
        assert_eq!(of(&[r#"edge["5"]"#, r#"edge["东京"]"#]), "69e1e7d121a83550 edge[@5,@(4e1c)(4eac)]");
        assert_eq!(
            of(&[r#"edge["\"x\"[],@() \n"]"#]),
            "69e1e7d121a83550 edge[@(22)x(22)(5b)(5d)(2c)(40)(28)(29)(20)(a)]"
        );
        let long = format!("edge[\"{}\"]", "键".repeat(60));
        assert_eq!(of(&[&long]), "69e1e7d121a83550");
    }

    #[test]
    fn values_of_earlier_versions_are_read() {
        for (value, texts) in [
            ("69e1e7d121a83550 edge[\"a\"] edge[\"b\"]", vec![r#"edge["a"]"#, r#"edge["b"]"#]),
            (
                "69e1e7d121a83550 db edge[\"b \\\" ] c\"] web[0-2,5]",
                vec!["db", r#"edge["b \" ] c"]"#, "web[0]", "web[1]", "web[2]", "web[5]"],
            ),
            ("69e1e7d121a83550 web[0-1]", vec!["web[0]", "web[1]"]),
            ("69e1e7d121a83550 edge[\"@a\"]", vec![r#"edge["@a"]"#]),
        ] {
            assert_eq!(members(value), Some(parsed(&texts)), "{value}");
            assert_eq!(token_prefix(value), "69e1e7d121a83550");
        }
        for value in [
            "69e1e7d121a83550",
            "x web[5-1]",
            "x web[",
            "x web[0-99999999]",
            "x edge[@(zz)]",
            "x edge[@(110000)]",
            "x edge[@(20]",
        ] {
            assert_eq!(members(value), None, "{value}");
        }
    }

    fn address() -> impl Strategy<Value = Address> {
        let block = prop_oneof!["[a-zA-Z0-9][a-zA-Z0-9_-]{0,8}", "\\PC{1,4}", "disk\\.[a-z]{1,4}"]
            .prop_filter("not an empty name", |block| !block.is_empty());
        let key = prop_oneof![
            Just(Key::Single),
            (0u32..40).prop_map(Key::Index),
            any::<String>().prop_map(Key::Name),
            "[a-z\"\\\\\\[\\] ,@()=;\u{4e00}-\u{4e10}]{0,8}".prop_map(Key::Name),
        ];
        (block, key).prop_map(|(block, key)| Address { block, key })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_and_keeps_the_rules(mut all in proptest::collection::vec(address(), 1..6)) {
            let value = encode("0123456789abcdef", &all);
            prop_assert_eq!(check_value(&value), Ok(()), "{}", value);
            prop_assert!(value.is_ascii());
            all.sort();
            all.dedup();
            match members(&value) {
                Some(mut found) => {
                    found.sort();
                    prop_assert_eq!(found, all);
                }
                None => prop_assert_eq!(value, "0123456789abcdef"),
            }
        }

        #[test]
        fn any_text_is_read_or_is_no_list(text in any::<String>()) {
            drop(members(&text));
        }
    }
}
