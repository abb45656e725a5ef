//! Fields of a response as the service reports them, or not at all.
//!
//! What is absent, null, empty text or of another JSON type than the model says is *not reported*: it reads as `None`, and
//! the rest of the response is read all the same. Whoever needs the value has to decide what its absence means; a default
//! would be a value that the service never gave.
//!
//! [`response!`] declares the type of a response in this way, so a new type cannot do otherwise.

use super::error::{CloudError, ErrorClass};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field. An empty list is a value: there are none.
pub fn field<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        value => T::deserialize(value).ok(),
    })
}

/// A text of a row that is not read into a type of its own.
pub fn text(row: &Value, name: &str) -> Option<String> {
    row[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A whole number of a row.
pub fn number(row: &Value, name: &str) -> Option<u64> {
    row[name].as_u64()
}

/// Yes or no in a row.
pub fn flag(row: &Value, name: &str) -> Option<bool> {
    row[name].as_bool()
}

/// The error of a response without a field that a decision needs.
pub fn missing(action: &str, field: &str) -> CloudError {
    CloudError::transport(ErrorClass::Ambiguous, action, format!("the answer does not report `{field}`"))
}

/// Declares the type of a response, or of an object in one: each field is an `Option`, by the name that the API gives it.
macro_rules! response {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal ),+ $(,)? }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(rename = $wire, deserialize_with = "crate::cloud::reported::field")]
                pub $field: Option<$type>,
            )+
        }

        impl $name {
            /// Every field, by the name that the API gives it, and whether it is reported.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, bool)> {
                [$( ($wire, self.$field.is_some()) ),+].into_iter()
            }
        }
    )+ };
}

pub(crate) use response;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    response! {
        /// Something inside.
        Inner {
            /// A number.
            number: u64 = "Number",
        }
        /// Of each type one.
        Sample {
            /// Text.
            text: String = "Text",
            /// Yes or no.
            flag: bool = "Flag",
            /// Texts.
            list: Vec<String> = "List",
            /// An object.
            inner: Inner = "Inner",
        }
    }

    #[test]
    fn what_is_not_a_value_is_not_reported_and_the_rest_is_read() {
        let whole = json!({"Text": "a", "Flag": false, "List": [], "Inner": {"Number": 0}, "Other": 1});
        let read = |value: Value| Sample::deserialize(value).expect("read");
        assert!(read(whole.clone()).fields().all(|(_, reported)| reported));
        for field in ["Text", "Flag", "List", "Inner"] {
            for bad in [Value::Null, json!(""), json!(1.5), json!([1]), json!({"a": []})] {
                let mut response = whole.clone();
                response[field] = bad.clone();
                let gone: Vec<&str> =
                    read(response).fields().filter(|(_, there)| !there).map(|(name, _)| name).collect();
                // An object without the fields that we know is one in which nothing is reported.
                let is_object = field == "Inner" && (bad.is_object() || bad.is_array());
                assert!(gone == [field] || is_object && gone.len() <= 1, "{field} {bad}: {gone:?}");
            }
            let mut response = whole.clone();
            response.as_object_mut().expect("an object").remove(field);
            assert_eq!(read(response).fields().filter(|(_, there)| !there).count(), 1);
        }
        let inner = read(json!({"Inner": {"Number": "7"}})).inner.expect("an object");
        assert_eq!(inner.fields().collect::<Vec<_>>(), [("Number", false)]);
    }
}
