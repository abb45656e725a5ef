//! What a plain scalar is taken for. serde_yaml decides; the common cases, on which all readers agree, skip the call.

use super::node::ScalarKind;
use std::collections::HashMap;

/// Longest plain scalar that may be anything but a string. The longest number worth writing is far shorter.
const TYPED_SCALAR_BYTES_MAX: usize = 64;

/// Decides and remembers: a manifest repeats its few numbers thousands of times, and a call costs microseconds.
#[derive(Debug, Default)]
pub(super) struct Typing {
    known: HashMap<String, ScalarKind>,
}

impl Typing {
    /// What a scalar written without quotes is taken for.
    pub(super) fn plain(&mut self, text: &str) -> ScalarKind {
        if text.is_empty() {
            return ScalarKind::Null;
        }
        if let Some(number) = small_decimal(text) {
            return ScalarKind::Integer(number);
        }
        if !may_be_typed(text) {
            return ScalarKind::String;
        }
        if let Some(kind) = self.known.get(text) {
            return *kind;
        }
        let kind = ask(text);
        self.known.insert(text.to_owned(), kind);
        kind
    }
}

/// `7`, `30`, `100000`: no sign, no leading zero.
fn small_decimal(text: &str) -> Option<i64> {
    let plain = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain && (text == "0" || !text.starts_with('0')) { text.parse().ok() } else { None }
}

/// Whether the text may be null, a boolean or a number at all: it starts like one and has no character that none has.
fn may_be_typed(text: &str) -> bool {
    text.len() <= TYPED_SCALAR_BYTES_MAX
        && text.starts_with(|c: char| {
            c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '~' | 'n' | 'N' | 't' | 'T' | 'f' | 'F')
        })
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'~'))
        && (text.starts_with(|c: char| !c.is_ascii_alphabetic()) || text.len() <= "false".len())
}

/// Such a text is a whole YAML document, and stays what it is inside a larger one.
fn ask(text: &str) -> ScalarKind {
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Null) => ScalarKind::Null,
        Ok(serde_yaml::Value::Bool(value)) => ScalarKind::Boolean(value),
        Ok(serde_yaml::Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => ScalarKind::Integer(value),
            (None, Some(value), _) => ScalarKind::of_unsigned(value),
            (None, None, Some(value)) => ScalarKind::Float(value),
            (None, None, None) => ScalarKind::String,
        },
        // `- ` and the like never reach here as scalars; what serde_yaml cannot read alone is text.
        _ => ScalarKind::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_yaml_1_2() {
        let mut typing = Typing::default();
        for text in
            ["no", "yes", "on", "off", "y", "017", "12:34:56", "1_000", "Nonsense", "ap-guangzhou", "-", "1.2.3"]
        {
            assert_eq!(typing.plain(text), ScalarKind::String, "{text}");
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(typing.plain(text), ScalarKind::Null, "{text}");
        }
        assert_eq!(typing.plain("True"), ScalarKind::Boolean(true));
        assert_eq!(typing.plain("false"), ScalarKind::Boolean(false));
        assert_eq!(typing.plain("0o17"), ScalarKind::Integer(15));
        assert_eq!(typing.plain("-3"), ScalarKind::Integer(-3));
        assert_eq!(typing.plain("0"), ScalarKind::Integer(0));
        assert_eq!(typing.plain("18446744073709551615"), ScalarKind::Large(u64::MAX));
        assert_eq!(typing.plain("1.10"), ScalarKind::Float(1.1));
        assert_eq!(typing.plain(".inf"), ScalarKind::Float(f64::INFINITY));
    }

    #[test]
    fn the_short_cut_takes_nothing_that_serde_yaml_types() {
        let odd =
            ["infinity", "inf", "nan", "NaN", "1e3", "+1", "-0x1F", "0b11", "-.INF", "+.inf", "1e400", "00", "-0"];
        let mut typing = Typing::default();
        for text in odd {
            let (short, long) = (typing.plain(text), ask(text));
            assert!(short == long, "{text}: {short:?}, {long:?}");
        }
    }
}
