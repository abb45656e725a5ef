//! Parameters of a GET request: `InstanceIds.0=..&Filters.0.Name=..` as the JSON that a POST would carry.

use serde_json::{Map, Value};

/// Fields that hold whole numbers. A query does not say so itself.
const NUMBERS: [&str; 11] = [
    "Limit",
    "Offset",
    "InstanceCount",
    "Period",
    "HostPort",
    "ContainerPort",
    "Timeout",
    "DurationSeconds",
    "MaxResults",
    "CreateUin",
    "CosResourceId",
];

/// Fields that hold `true` or `false`.
const FLAGS: [&str; 5] = ["DryRun", "AutoVoucher", "IsolateDataDisk", "RenewDataDisk", "AlignInstanceExpiredTime"];

/// How deep names may nest; the API's own go to four.
const DEPTH_MAX: usize = 16;

/// The parameters as JSON, or what is wrong with the query.
///
/// # Errors
/// A message for people.
pub fn to_json(query: &str) -> Result<Value, String> {
    let mut root = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let path: Vec<&str> = name.split('.').collect();
        if path.len() > DEPTH_MAX {
            return Err(format!("the parameter `{name}` nests too deep"));
        }
        put(&mut root, &path, &value).ok_or_else(|| format!("the parameter `{name}` contradicts another"))?;
    }
    Ok(lists(Value::Object(root)))
}

fn put(map: &mut Map<String, Value>, path: &[&str], value: &str) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return map.insert((*first).to_owned(), leaf(first, value)).is_none().then_some(());
    }
    let inner = map.entry((*first).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    put(inner.as_object_mut()?, rest, value)
}

fn leaf(name: &str, text: &str) -> Value {
    let typed = if NUMBERS.contains(&name) {
        text.parse::<i64>().ok().map(Value::from)
    } else if FLAGS.contains(&name) {
        text.to_ascii_lowercase().parse::<bool>().ok().map(Value::from)
    } else {
        None
    };
    typed.unwrap_or_else(|| Value::from(text))
}

/// Objects whose names are 0, 1, 2 … are lists.
fn lists(value: Value) -> Value {
    let Value::Object(mut map) = value else { return value };
    let count = map.len();
    if count > 0 && (0..count).all(|index| map.contains_key(&index.to_string())) {
        return (0..count).filter_map(|index| map.remove(&index.to_string())).map(lists).collect();
    }
    Value::Object(map.into_iter().map(|(name, inner)| (name, lists(inner))).collect())
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
                let parsed = digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?));
                parsed.and_then(|code| u8::try_from(code).ok()).ok_or_else(|| format!("`{text}` is not URL-encoded"))?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn nested() {
        let query = "Filters.0.Name=zone&Filters.0.Values.0=a%2Fb&Filters.0.Values.1=c+d&Limit=5&DryRun=True&X=5";
        let expected = json!({
            "Filters": [{"Name": "zone", "Values": ["a/b", "c d"]}], "Limit": 5, "DryRun": true, "X": "5"
        });
        assert_eq!(to_json(query), Ok(expected));
        assert_eq!(to_json(""), Ok(json!({})));
        for bad in ["a=1&a=2", "a=1&a.0=2", "a=%2", "a=%zz", "a=%ff", &"a.".repeat(50)] {
            assert!(to_json(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[a-c0-2.=&%+]{0,40}") {
            let _either = to_json(&query);
        }
    }
}
