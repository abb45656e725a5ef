//! Reads the fields of a request, as strictly as the service does: no unknown field, no value of another type.

use super::call::ApiError;
use serde_json::{Map, Value};

/// The fields of an object of a request.
#[derive(Debug)]
pub struct Params<'a> {
    map: &'a Map<String, Value>,
    /// `InstanceChargePrepaid.` for the fields of that object.
    prefix: String,
}

/// `InvalidParameterValue` and the like with a message.
pub fn wrong(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message)
}

fn mistyped(path: &str, want: &str) -> ApiError {
    wrong("InvalidParameter", format!("The parameter `{path}` must be {want}."))
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, ApiError> {
    value.as_object().ok_or_else(|| mistyped(path, "an object"))
}

/// Whether `id` is `prefix` and eight of `[0-9a-z]`.
pub fn well_formed(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()))
}

impl<'a> Params<'a> {
    /// The fields of a body, which may only be those `known`.
    ///
    /// # Errors
    /// `InvalidParameter` if the body is no object, `UnknownParameter`.
    pub fn of_body(body: &'a Value, known: &[&str]) -> Result<Self, ApiError> {
        Self::of(object(body, "body")?, String::new(), known)
    }

    fn of(map: &'a Map<String, Value>, prefix: String, known: &[&str]) -> Result<Self, ApiError> {
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(wrong("UnknownParameter", format!("The parameter `{prefix}{key}` is not recognized."))),
            None => Ok(Self { map, prefix }),
        }
    }

    /// The full name of a field.
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn missing(&self, name: &str) -> ApiError {
        wrong("MissingParameter", format!("The request is missing the required parameter `{}`.", self.path(name)))
    }

    fn typed<T>(&self, name: &str, want: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, ApiError> {
        match self.map.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| mistyped(&self.path(name), want)),
        }
    }

    /// A text, if given.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.typed(name, "a string", Value::as_str)
    }

    /// A text that must be given.
    ///
    /// # Errors
    /// `InvalidParameter`, `MissingParameter`.
    pub fn need_text(&self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number, if given.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.typed(name, "an integer", Value::as_i64)
    }

    /// A whole number that must be given.
    ///
    /// # Errors
    /// `InvalidParameter`, `MissingParameter`.
    pub fn need_integer(&self, name: &str) -> Result<i64, ApiError> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number between two bounds, if given.
    ///
    /// # Errors
    /// `InvalidParameter`, `InvalidParameterValue.OutOfRange`.
    pub fn bounded(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, ApiError> {
        match self.integer(name)? {
            Some(value) if !(least..=most).contains(&value) => Err(wrong(
                "InvalidParameterValue.OutOfRange",
                format!("The parameter `{}` is {value}, outside {least} to {most}.", self.path(name)),
            )),
            value => Ok(value),
        }
    }

    /// Yes or no, if given.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    /// A list, if given.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub fn list(&self, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
        self.typed(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// A list of texts; empty if absent.
    ///
    /// # Errors
    /// `InvalidParameter`.
    pub fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        self.typed(name, "a list of strings", |value| value.as_array()?.iter().map(Value::as_str).collect())
            .map(Option::unwrap_or_default)
    }

    /// An object with fields of its own, if given.
    ///
    /// # Errors
    /// `InvalidParameter`, `UnknownParameter`.
    pub fn inner(&self, name: &str, known: &[&str]) -> Result<Option<Params<'a>>, ApiError> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        let path = self.path(name);
        let map = object(value, &path)?;
        Self::of(map, format!("{path}."), known).map(Some)
    }

    /// An object that must be given.
    ///
    /// # Errors
    /// `InvalidParameter`, `UnknownParameter`, `MissingParameter`.
    pub fn need_inner(&self, name: &str, known: &[&str]) -> Result<Params<'a>, ApiError> {
        self.inner(name, known)?.ok_or_else(|| self.missing(name))
    }

    /// A list of objects; empty if absent.
    ///
    /// # Errors
    /// `InvalidParameter`, `UnknownParameter`.
    pub fn inners(&self, name: &str, known: &[&str]) -> Result<Vec<Params<'a>>, ApiError> {
        let list = self.list(name)?.unwrap_or_default();
        let one = |(i, value): (usize, &'a Value)| {
            let path = format!("{}.{i}", self.path(name));
            Self::of(object(value, &path)?, format!("{path}."), known)
        };
        list.iter().enumerate().map(one).collect()
    }

    /// Ids `prefix…`, each once, at most `most`.
    ///
    /// # Errors
    /// `InvalidParameter`, `InvalidParameterValue.LimitExceeded`, `.Duplicated` or `malformed`.
    pub fn ids(&self, name: &str, prefix: &str, malformed: &str, most: usize) -> Result<Vec<&'a str>, ApiError> {
        let ids = self.texts(name)?;
        if ids.len() > most {
            let message = format!("`{}` has {} elements, more than {most}.", self.path(name), ids.len());
            return Err(wrong("InvalidParameterValue.LimitExceeded", message));
        }
        if let Some(id) = ids.iter().find(|id| !prefix.is_empty() && !well_formed(id, prefix)) {
            return Err(wrong(malformed, format!("The id `{id}` is malformed.")));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(id) = ids.iter().find(|id| !seen.insert(**id)) {
            return Err(wrong("InvalidParameterValue.Duplicated", format!("The value `{id}` is repeated.")));
        }
        Ok(ids)
    }

    /// Instance ids that must be given, at most `most`.
    ///
    /// # Errors
    /// As [`Params::ids`], `MissingParameter`.
    pub fn need_instance_ids(&self, most: usize) -> Result<Vec<&'a str>, ApiError> {
        let ids = self.ids("InstanceIds", "lhins-", "InvalidParameterValue.InstanceIdMalformed", most)?;
        if ids.is_empty() { Err(self.missing("InstanceIds")) } else { Ok(ids) }
    }

    /// The id of one instance, which must be given.
    ///
    /// # Errors
    /// `InvalidParameter`, `MissingParameter`, `InvalidParameterValue.InstanceIdMalformed`.
    pub fn need_instance_id(&self) -> Result<&'a str, ApiError> {
        let id = self.need_text("InstanceId")?;
        if well_formed(id, "lhins-") {
            return Ok(id);
        }
        Err(wrong("InvalidParameterValue.InstanceIdMalformed", format!("The id `{id}` is malformed.")))
    }

    /// `Offset` and `Limit`.
    ///
    /// # Errors
    /// `InvalidParameter`, `InvalidParameterValue.Negative`, `.OutOfRange`.
    pub fn page(&self) -> Result<Page, ApiError> {
        for name in ["Offset", "Limit"] {
            if self.integer(name)?.is_some_and(|value| value < 0) {
                let message = format!("The parameter `{name}` must not be negative.");
                return Err(wrong("InvalidParameterValue.Negative", message));
            }
        }
        let offset = usize::try_from(self.integer("Offset")?.unwrap_or(0)).unwrap_or(usize::MAX);
        let limit = self.bounded("Limit", 1, 100)?.unwrap_or(20);
        Ok(Page { offset, limit: usize::try_from(limit).unwrap_or(20) })
    }

    /// `Filters`, at most ten, with the names that `supported` accepts and at most `values_max` values each.
    ///
    /// # Errors
    /// `InvalidParameter` and its codes for filters.
    pub fn filters(&self, values_max: usize, supported: impl Fn(&str) -> bool) -> Result<Vec<Filter<'a>>, ApiError> {
        let list = self.list("Filters")?.unwrap_or_default();
        if list.len() > 10 {
            return Err(wrong("InvalidParameterValue.LimitExceeded", "There may be at most 10 filters."));
        }
        list.iter().map(|value| filter(value, values_max, &supported)).collect()
    }
}

fn filter<'a>(value: &'a Value, most: usize, supported: &impl Fn(&str) -> bool) -> Result<Filter<'a>, ApiError> {
    let bad = |what: &str, message: String| Err(wrong(&format!("InvalidParameter.{what}"), message));
    let Some(map) = value.as_object() else {
        return bad("InvalidFilterNotDict", "A filter must be an object.".to_owned());
    };
    if let Some(key) = map.keys().find(|key| !["Name", "Values"].contains(&key.as_str())) {
        return bad("InvalidFilterInvalidKey", format!("A filter has no field `{key}`."));
    }
    let Some(name) = map.get("Name").and_then(Value::as_str) else {
        return bad("InvalidFilterInvalidNameNotStr", "The name of a filter must be a string.".to_owned());
    };
    let values = map.get("Values").and_then(Value::as_array);
    let Some(values) = values.and_then(|values| values.iter().map(Value::as_str).collect::<Option<Vec<_>>>()) else {
        return bad("InvalidFilterInvalidValuesNotList", format!("The values of `{name}` must be a list of strings."));
    };
    if !supported(name) {
        return bad("InvalidFilterNotSupportedName", format!("The filter `{name}` is not supported."));
    }
    if values.len() > most {
        return bad("FilterValueLimitExceeded", format!("The filter `{name}` has more than {most} values."));
    }
    Ok(Filter { name, values })
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// So many are passed over.
    pub offset: usize,
    /// So many are shown.
    pub limit: usize,
}

impl Page {
    /// This part of `all`.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// A filter: any of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// What is looked at.
    pub name: &'a str,
    /// What it may be.
    pub values: Vec<&'a str>,
}

impl Filter<'_> {
    /// Whether `value` is among the values.
    pub fn has(&self, value: &str) -> bool {
        self.values.contains(&value)
    }
}

/// Ids and filters exclude each other.
///
/// # Errors
/// `InvalidParameter.ParameterConflict`.
pub fn exclusive(ids: &[&str], filters: &[Filter<'_>]) -> Result<(), ApiError> {
    if ids.is_empty() || filters.is_empty() {
        return Ok(());
    }
    Err(wrong("InvalidParameter.ParameterConflict", "Ids and `Filters` cannot be given together."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code<T>(result: Result<T, ApiError>) -> String {
        result.err().map(|error| error.code).unwrap_or_default()
    }

    #[test]
    fn types_are_strict() {
        let body = json!({"T": 1, "N": "1", "L": ["a", 1], "O": {"X": 1}, "Z": null});
        let params = Params::of_body(&body, &["T", "N", "L", "O", "Z"]).unwrap();
        assert_eq!(code(params.text("T")), "InvalidParameter");
        assert_eq!(code(params.integer("N")), "InvalidParameter");
        assert_eq!(code(params.texts("L")), "InvalidParameter");
        assert_eq!(code(params.text("Z")), "InvalidParameter");
        assert_eq!(code(params.need_text("Absent")), "MissingParameter");
        assert_eq!(code(params.inner("O", &["Y"])), "UnknownParameter");
        assert_eq!(code(params.inner("T", &[])), "InvalidParameter");
        assert_eq!(code(Params::of_body(&body, &["T"])), "UnknownParameter");
        assert_eq!(code(Params::of_body(&json!([]), &[])), "InvalidParameter");
    }

    #[test]
    fn pages_and_filters() {
        let page = |body: Value| Params::of_body(&body, &["Offset", "Limit"]).unwrap().page();
        assert_eq!(page(json!({})), Ok(Page { offset: 0, limit: 20 }));
        assert_eq!(code(page(json!({"Limit": 101}))), "InvalidParameterValue.OutOfRange");
        assert_eq!(code(page(json!({"Offset": -1}))), "InvalidParameterValue.Negative");
        for (filters, want) in [
            (json!([1]), "NotDict"),
            (json!([{"Name": "a", "Value": []}]), "InvalidKey"),
            (json!([{"Name": 1, "Values": []}]), "InvalidNameNotStr"),
            (json!([{"Name": "a", "Values": "x"}]), "InvalidValuesNotList"),
            (json!([{"Name": "b", "Values": []}]), "NotSupportedName"),
        ] {
            let body = json!({"Filters": filters});
            let got = code(Params::of_body(&body, &["Filters"]).unwrap().filters(2, |name| name == "a"));
            assert_eq!(got, format!("InvalidParameter.InvalidFilter{want}"));
        }
        let body = json!({"Filters": [{"Name": "a", "Values": ["1", "2", "3"]}]});
        let got = Params::of_body(&body, &["Filters"]).unwrap().filters(2, |_| true);
        assert_eq!(code(got), "InvalidParameter.FilterValueLimitExceeded");
    }
}
