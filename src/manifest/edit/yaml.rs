//! Values as YAML text on one line.

use std::fmt::Write as _;

/// A value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// A text; quoted where it has to be, `${` kept as it is.
    Text(String),
    /// A text with interpolation in it, which is to work.
    Template(String),
    /// A number.
    Number(u32),
    /// A list of texts.
    List(Vec<String>),
    /// A map, in this order.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The value on one line.
    pub fn to_text(&self) -> String {
        match self {
            Yaml::Text(text) => scalar(&text.replace("${", "$${")),
            Yaml::Template(text) => scalar(text),
            Yaml::Number(number) => number.to_string(),
            Yaml::List(items) => {
                let items: Vec<String> = items.iter().map(|item| Yaml::Text(item.clone()).to_text()).collect();
                format!("[{}]", items.join(", "))
            }
            Yaml::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Yaml::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{}: {}", scalar(key), value.to_text())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// A text as a scalar: plain where no reader could take it for anything else, else in double quotes.
pub(super) fn scalar(text: &str) -> String {
    let is_word = text.starts_with(char::is_alphabetic)
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    if is_word && !taken.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
