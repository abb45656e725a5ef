//! The spec that was last applied to an instance, in the manifest's words. Instances of a fleet differ in little but their names,
//! so everything else is kept once for those that have it in common.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::ops::Index;
use std::sync::Arc;

const NAME: &str = "instance_name";

static NOTHING: Value = Value::Null;

/// A spec without secrets; null for an instance of which nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedSpec {
    name: Option<Value>,
    rest: Arc<Value>,
}

impl AppliedSpec {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::from(Value::Null)
    }

    /// Whether nothing is known.
    pub fn is_null(&self) -> bool {
        self.rest.is_null()
    }

    /// The same under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let name = self.rest.is_object().then(|| Value::from(name));
        Self { name: name.or_else(|| self.name.clone()), rest: Arc::clone(&self.rest) }
    }

    /// Keeps in common with `other` what both have.
    #[must_use]
    pub fn sharing(self, other: &Self) -> Self {
        let rest = if self.rest == other.rest { Arc::clone(&other.rest) } else { self.rest };
        Self { rest, ..self }
    }

    /// As JSON.
    pub fn to_value(&self) -> Value {
        let mut value = Value::clone(&self.rest);
        if let (Value::Object(map), Some(name)) = (&mut value, &self.name) {
            map.insert(NAME.to_owned(), name.clone());
        }
        value
    }

    /// Changes what is known of a spec; nothing where nothing is.
    pub fn change(&mut self, how: impl FnOnce(&mut Map<String, Value>)) {
        if let Value::Object(mut map) = self.to_value() {
            how(&mut map);
            *self = Self::from(Value::Object(map)).sharing(self);
        }
    }
}

impl From<Value> for AppliedSpec {
    fn from(mut spec: Value) -> Self {
        let name = spec.as_object_mut().and_then(|map| map.remove(NAME));
        Self { name, rest: Arc::new(spec) }
    }
}

/// A key of the spec; null where it has none.
impl Index<&str> for AppliedSpec {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        match key {
            NAME => self.name.as_ref(),
            key => self.rest.get(key),
        }
        .unwrap_or(&NOTHING)
    }
}

impl Serialize for AppliedSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Value::Object(map), Some(name)) = (&*self.rest, &self.name) else {
            return self.rest.serialize(serializer);
        };
        // Keys are sorted, and the name stands where it belongs.
        let entries = map.iter().map(|(key, value)| (key.as_str(), value));
        let before = entries.clone().take_while(|(key, _)| *key < NAME);
        let after = entries.clone().skip_while(|(key, _)| *key < NAME);
        serializer.collect_map(before.chain([(NAME, name)]).chain(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_the_json_that_it_was_made_of() {
        for value in [
            json!({"bundle_id": "b", "instance_name": "web", "tags": {"a": "b"}}),
            json!({"zones": []}),
            json!({"instance_name": 3}),
            json!({}),
            Value::Null,
            json!("text"),
        ] {
            let spec = AppliedSpec::from(value.clone());
            assert_eq!(spec.to_value(), value);
            assert_eq!(serde_json::to_string(&spec).unwrap(), value.to_string());
            for key in ["bundle_id", "instance_name", "tags", "none"] {
                assert_eq!(spec[key], value[key], "{key} of {value}");
            }
            assert_eq!(spec.is_null(), value.is_null());
        }
    }

    #[test]
    fn what_is_in_common_is_kept_once() {
        let one = AppliedSpec::from(json!({"bundle_id": "b", "instance_name": "a"}));
        let other = AppliedSpec::from(json!({"bundle_id": "b", "instance_name": "b"})).sharing(&one);
        assert!(Arc::ptr_eq(&one.rest, &other.rest) && one != other);
        assert!(Arc::ptr_eq(&one.rest, &one.named("c").rest));
        assert_eq!(one.named("b"), other);
        let third = AppliedSpec::from(json!({"bundle_id": "c", "instance_name": "a"})).sharing(&one);
        assert_eq!(third["bundle_id"], "c");
        assert_eq!(AppliedSpec::unknown().named("web"), AppliedSpec::unknown());
    }

    #[test]
    fn changes() {
        let mut spec = AppliedSpec::from(json!({"bundle_id": "b", "instance_name": "a"}));
        spec.change(|map| {
            map.insert("instance_name".into(), json!("b"));
            map.remove("bundle_id");
        });
        assert_eq!(spec.to_value(), json!({"instance_name": "b"}));
        let mut unknown = AppliedSpec::unknown();
        unknown.change(|map| drop(map.insert("a".into(), json!(1))));
        assert!(unknown.is_null());
    }
}
