//! The stable name of one desired instance: `db`, `web[0]`, `edge["a"]`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What tells the instances of one block apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The block stands for a single instance.
    Single,
    /// Position under `count`.
    Index(u32),
    /// Key under `for_each`.
    Name(String),
}

/// Address of an instance. Ordered by block name, then by index as a number or key as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name of the block under `instances`.
    pub block: String,
    /// Which instance of the block.
    pub key: Key,
}

impl Address {
    /// The only instance of `block`.
    pub fn single(block: impl Into<String>) -> Self {
        Self { block: block.into(), key: Key::Single }
    }

    /// Instance `index` of a block with `count`.
    pub fn indexed(block: impl Into<String>, index: u32) -> Self {
        Self { block: block.into(), key: Key::Index(index) }
    }

    /// Instance `name` of a block with `for_each`.
    pub fn named(block: impl Into<String>, name: impl Into<String>) -> Self {
        Self { block: block.into(), key: Key::Name(name.into()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Key::Single => f.write_str(&self.block),
            Key::Index(index) => write!(f, "{}[{index}]", self.block),
            Key::Name(name) => {
                let quoted = serde_json::to_string(name).map_err(|_| fmt::Error)?;
                write!(f, "{}[{quoted}]", self.block)
            }
        }
    }
}

impl Address {
    /// The address as a word of a command line, to be pasted into a shell.
    pub fn quoted(&self) -> String {
        super::shell::quoted(&self.to_string()).into_owned()
    }
}

/// A text that is not an address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address (expected `db`, `web[0]` or `edge[\"a\"]`)")]
pub struct AddressError(pub String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let Some(open) = text.find('[') else {
            if text.is_empty() || text.contains([']', '"']) {
                return Err(bad());
            }
            return Ok(Self::single(text));
        };
        let inner = text[open + 1..].strip_suffix(']').ok_or_else(bad)?;
        let block = &text[..open];
        if block.is_empty() {
            return Err(bad());
        }
        if inner.starts_with('"') {
            let name: String = serde_json::from_str(inner).map_err(|_| bad())?;
            return Ok(Self::named(block, name));
        }
        let index: u32 = inner.parse().map_err(|_| bad())?;
        if index.to_string() != inner {
            return Err(bad());
        }
        Ok(Self::indexed(block, index))
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A block, or an instance of it: `db`, `web[0]`, `edge[\"a\"]`.",
            "type": "string",
            "pattern": r#"^[^\[\]"]+(\[([0-9]+|".*")\])?$"#,
        })
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Short form of many addresses for tags and tables: `web[0-29]`, `web[0-2,5] db`.
pub fn compact<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> String {
    let mut sorted: Vec<&Address> = addresses.into_iter().collect();
    sorted.sort();
    let mut parts: Vec<String> = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|a| a.block == first.block).count();
        let (block, tail) = rest.split_at(same);
        rest = tail;
        let indices: Vec<u32> =
            block.iter().filter_map(|a| if let Key::Index(i) = a.key { Some(i) } else { None }).collect();
        if !indices.is_empty() {
            parts.push(format!("{}[{}]", first.block, ranges(&indices)));
        }
        parts.extend(block.iter().filter(|a| !matches!(a.key, Key::Index(_))).map(ToString::to_string));
    }
    parts.join(" ")
}

/// Reads the short form back. `None` where it is not one, or names more addresses than a batch can have.
pub fn expand_compact(text: &str) -> Option<Vec<Address>> {
    const MEMBERS_MAX: usize = 1000;
    let mut addresses = Vec::new();
    for part in split_outside_quotes(text) {
        if let Ok(address) = part.parse::<Address>() {
            addresses.push(address);
            continue;
        }
        let (block, list) = part.strip_suffix(']')?.split_once('[')?;
        for range in list.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            if last < first || (last - first) as usize + addresses.len() >= MEMBERS_MAX {
                return None;
            }
            addresses.extend((first..=last).map(|index| Address::indexed(block, index)));
        }
    }
    Some(addresses)
}

/// Splits at spaces that are not inside a quoted key.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

pub(super) fn ranges(sorted: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut i = 0;
    while i < sorted.len() {
        let start = sorted[i];
        let mut end = start;
        while i + 1 < sorted.len() && sorted[i + 1] == end + 1 {
            i += 1;
            end = sorted[i];
        }
        i += 1;
        parts.push(if start == end { start.to_string() } else { format!("{start}-{end}") });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_and_parses_back() {
        for text in ["db", "web[0]", "web[12]", r#"edge["a"]"#, r#"edge["a \"b\" ]["]"#] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        for text in ["", "[0]", "web[", "web[01]", "web[x]", "web]", r#"web["a]"#] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn sorts_indices_as_numbers() {
        let mut v: Vec<Address> = ["web[10]", "web[2]", "db"].iter().map(|t| t.parse().unwrap()).collect();
        v.sort();
        assert_eq!(v.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db", "web[2]", "web[10]"]);
    }

    #[test]
    fn compacts_runs() {
        let v: Vec<Address> =
            ["web[0]", "web[1]", "web[2]", "web[5]", "db", r#"edge["a"]"#].iter().map(|t| t.parse().unwrap()).collect();
        assert_eq!(compact(&v), r#"db edge["a"] web[0-2,5]"#);
        let mut spaced = v;
        spaced.push(Address::named("edge", "b \" ] c"));
        spaced.sort();
        assert_eq!(expand_compact(&compact(&spaced)), Some(spaced));
        for bad in ["web[5-1]", "web[", "web[0-99999999]"] {
            assert_eq!(expand_compact(bad), None, "{bad}");
        }
    }
}
