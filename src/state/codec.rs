//! The bytes of a state file, format 2: JSON, sorted, two spaces, a newline at the end.
//!
//! A reader meets three kinds of files: its own format; a newer one (the number is higher: refused, never overwritten); and
//! its own number with keys it does not know (also refused: a writer that drops what it cannot read loses data).

use super::applied::AppliedSpec;
use super::departure::DepartureReason;
use super::invariants::check_state;
use super::prior::{Binding, Deposed, PriorState, RecordedInstance};
use crate::model::json_keys::find_duplicate_key;
use crate::model::{Address, Attributes, InstanceId, Lineage, Predecessor, Site, StackName};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The format this version writes.
pub const FORMAT: u64 = 2;

/// A state as it is read. Formats differ in how they write a predecessor `P` and a deposed instance `D`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "P: Deserialize<'de> + Into<Predecessor>, D: Deserialize<'de>"))]
#[schemars(rename = "State")]
struct File<P, D> {
    /// The account, where it is known.
    account: Option<String>,
    /// Bought instances that hold no address any more and still exist.
    deposed: Vec<D>,
    /// Endpoint URL or `sandbox`.
    endpoint: String,
    /// Version of the format.
    format: u64,
    /// The instance at each address.
    #[serde(deserialize_with = "recorded_instances::<'de, _, P>")]
    #[schemars(with = "BTreeMap<Address, Instance<P>>")]
    instances: BTreeMap<Address, RecordedInstance>,
    /// Identity of this history of states.
    lineage: Lineage,
    /// Outputs of the last apply.
    outputs: BTreeMap<String, Value>,
    /// The last instance or purchase at addresses that have no instance now.
    predecessors: BTreeMap<Address, P>,
    /// The region of all instances.
    region: String,
    /// Kinds other than instances.
    resources: BTreeMap<String, Value>,
    /// Grows with every write.
    serial: u64,
    /// Which Tencent Cloud.
    site: Site,
    /// The fleet.
    stack: StackName,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Instance")]
struct Instance<P> {
    /// What the cloud reported of it last.
    attributes: Attributes,
    /// Its id.
    instance_id: InstanceId,
    /// The instance or purchase at the address when it was bought.
    predecessor: P,
    /// Whether it may be destroyed, replaced or wiped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    protect: bool,
    /// Its destroy was requested as the first half of a replacement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replacing: bool,
    /// Whether the service has listed it.
    seen: bool,
    /// The spec that was applied last, without secrets.
    spec: Value,
    /// Whether it was recovered by tags or name without any history, and the user has not confirmed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unconfirmed: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Deposed")]
struct DeposedV2 {
    /// The address that it held.
    address: Address,
    /// Its id.
    instance_id: InstanceId,
    /// Why it does not hold the address any more.
    reason: DepartureReason,
}

/// A deposed instance of format 1, whose reason is a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeposedV1 {
    address: Address,
    instance_id: InstanceId,
    why: String,
}

/// A predecessor of format 1: `-`, an id or a token, told apart by its looks.
#[derive(Deserialize)]
struct PredecessorV1(String);

impl From<PredecessorV1> for Predecessor {
    fn from(text: PredecessorV1) -> Self {
        Self::from_text(&text.0)
    }
}

impl From<DeposedV1> for Deposed {
    fn from(deposed: DeposedV1) -> Self {
        let DeposedV1 { address, instance_id, why } = deposed;
        Self { address, instance_id, reason: DepartureReason::from_text(&why) }
    }
}

impl From<DeposedV2> for Deposed {
    fn from(deposed: DeposedV2) -> Self {
        let DeposedV2 { address, instance_id, reason } = deposed;
        Self { address, instance_id, reason }
    }
}

type FileV1 = File<PredecessorV1, DeposedV1>;
type FileV2 = File<Predecessor, DeposedV2>;

impl<P: Into<Predecessor>, D: Into<Deposed>> From<File<P, D>> for PriorState {
    fn from(file: File<P, D>) -> Self {
        Self {
            lineage: file.lineage,
            serial: file.serial,
            binding: Binding {
                stack: file.stack,
                site: file.site,
                region: file.region,
                endpoint: file.endpoint,
                account: file.account,
            },
            instances: file.instances,
            deposed: file.deposed.into_iter().map(Into::into).collect(),
            resources: file.resources,
            predecessors: file.predecessors.into_iter().map(|(address, before)| (address, before.into())).collect(),
            outputs: file.outputs,
        }
    }
}

/// A state as it is written. Nothing of a large state is copied for it.
#[derive(Serialize)]
struct Written<'a> {
    account: &'a Option<String>,
    deposed: Vec<DeposedV2>,
    endpoint: &'a str,
    format: u64,
    instances: WrittenInstances<'a>,
    lineage: &'a Lineage,
    outputs: &'a BTreeMap<String, Value>,
    predecessors: &'a BTreeMap<Address, Predecessor>,
    region: &'a str,
    resources: &'a BTreeMap<String, Value>,
    serial: u64,
    site: Site,
    stack: &'a StackName,
}

struct WrittenInstances<'a>(&'a BTreeMap<Address, RecordedInstance>);

#[derive(Serialize)]
struct WrittenInstance<'a> {
    attributes: &'a Attributes,
    instance_id: &'a InstanceId,
    predecessor: &'a Predecessor,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    protect: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replacing: bool,
    seen: bool,
    spec: &'a AppliedSpec,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unconfirmed: bool,
}

impl Serialize for WrittenInstances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(address, recorded)| {
            // Destructured, so that a new field cannot be forgotten.
            let RecordedInstance { instance_id, predecessor, seen, protect, unconfirmed, spec, replacing, attributes } =
                recorded;
            let (seen, protect, unconfirmed, replacing) = (*seen, *protect, *unconfirmed, *replacing);
            (
                address,
                WrittenInstance { attributes, instance_id, predecessor, protect, replacing, seen, spec, unconfirmed },
            )
        }))
    }
}

/// Puts each instance where it is kept as it is read: a large state would be there twice otherwise.
fn recorded_instances<'de, D, P>(deserializer: D) -> Result<BTreeMap<Address, RecordedInstance>, D::Error>
where
    D: Deserializer<'de>,
    P: Deserialize<'de> + Into<Predecessor>,
{
    struct Instances<P>(PhantomData<P>);

    impl<'de, P: Deserialize<'de> + Into<Predecessor>> Visitor<'de> for Instances<P> {
        type Value = BTreeMap<Address, RecordedInstance>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("instances by address")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut instances = BTreeMap::new();
            let mut neighbour = AppliedSpec::unknown();
            while let Some((address, instance)) = map.next_entry::<Address, Instance<P>>()? {
                let Instance { attributes, instance_id, predecessor, protect, replacing, seen, spec, unconfirmed } =
                    instance;
                let spec = AppliedSpec::from(spec).sharing(&neighbour);
                neighbour.clone_from(&spec);
                let predecessor = predecessor.into();
                let recorded = RecordedInstance {
                    instance_id,
                    predecessor,
                    seen,
                    protect,
                    unconfirmed,
                    spec,
                    replacing,
                    attributes,
                };
                instances.insert(address, recorded);
            }
            Ok(instances)
        }
    }

    deserializer.deserialize_map(Instances::<P>(PhantomData))
}

/// The JSON Schema of a state file (draft 2020-12), made from the types that are written and read.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<FileV2>().to_value();
    schema["$id"] = Value::from("urn:lhprov:state:2");
    schema["title"] = Value::from("State of lhprov");
    schema["properties"]["format"]["const"] = Value::from(FORMAT);
    schema
}

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not a state.
    #[error("line {line}, column {column}: {message}")]
    Damaged {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What the reader did not understand.
        message: String,
    },
    /// Someone merged or edited it, and what it records does not fit together.
    #[error("at `{place}`: {message}")]
    Inconsistent {
        /// Where, as a path of keys.
        place: String,
        /// What does not fit.
        message: String,
    },
    /// Git left its conflict in it.
    #[error("line {line}: it has the marks of a merge conflict")]
    Conflict {
        /// 1-based.
        line: usize,
    },
    /// A later version wrote it.
    #[error("it has format {0}, and this version of lhprov knows formats up to {FORMAT}")]
    Newer(u64),
}

/// Writes a state.
pub fn encode(state: &PriorState) -> Vec<u8> {
    let file = Written {
        account: &state.binding.account,
        deposed: state
            .deposed
            .iter()
            .map(|deposed| {
                let Deposed { address, instance_id, reason } = deposed.clone();
                DeposedV2 { address, instance_id, reason }
            })
            .collect(),
        endpoint: &state.binding.endpoint,
        format: FORMAT,
        instances: WrittenInstances(&state.instances),
        lineage: &state.lineage,
        outputs: &state.outputs,
        predecessors: &state.predecessors,
        region: &state.binding.region,
        resources: &state.resources,
        serial: state.serial,
        site: state.binding.site,
        stack: &state.binding.stack,
    };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("a state has only string keys");
    bytes.push(b'\n');
    bytes
}

/// Reads a state.
///
/// # Errors
/// Says where the bytes stop making sense, or that a later version wrote them.
pub fn decode(bytes: &[u8]) -> Result<PriorState, DecodeError> {
    #[derive(Deserialize)]
    struct Probe {
        format: u64,
    }
    let damaged = |error: serde_json::Error| DecodeError::Damaged {
        line: error.line(),
        column: error.column(),
        message: message_without_place(&error),
    };
    let format = |bytes| serde_json::from_slice::<Probe>(bytes).map(|probe| probe.format);
    if let Some(twice) = find_duplicate_key(bytes) {
        if let Some(conflict) = conflict(bytes) {
            return Err(conflict);
        }
        let (line, column) = (twice.line, twice.column);
        return Err(DecodeError::Damaged { line, column, message: twice.to_string() });
    }
    // Most files have the format that is written, so the number is looked for only where that fails.
    let state: PriorState = match serde_json::from_slice::<FileV2>(bytes) {
        Ok(file) if file.format > FORMAT => return Err(DecodeError::Newer(file.format)),
        Ok(file) => file.into(),
        Err(error) => match format(bytes) {
            Ok(newer) if newer > FORMAT => return Err(DecodeError::Newer(newer)),
            Ok(1) => serde_json::from_slice::<FileV1>(bytes).map_err(damaged)?.into(),
            _ => return Err(conflict(bytes).unwrap_or_else(|| damaged(error))),
        },
    };
    check_state(&state)
        .map_err(|violation| DecodeError::Inconsistent { place: violation.place, message: violation.message })?;
    Ok(state)
}

/// The first mark that a merge with a conflict leaves.
fn conflict(bytes: &[u8]) -> Option<DecodeError> {
    let is_mark = |line: &[u8]| line.starts_with(b"<<<<<<< ") || line.starts_with(b">>>>>>> ");
    let line = bytes.split(|byte| *byte == b'\n').position(is_mark)? + 1;
    Some(DecodeError::Conflict { line })
}

/// The reader's message; its own "at line … column …" is given apart.
fn message_without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> PriorState {
        let binding = Binding {
            stack: "shop".into(),
            site: Site::China,
            region: "ap-guangzhou".into(),
            endpoint: "sandbox".into(),
            account: None,
        };
        let mut state = PriorState::new(Lineage("l".into()), binding);
        let recorded = RecordedInstance {
            instance_id: "lhins-1".into(),
            predecessor: Predecessor::None,
            seen: true,
            protect: true,
            unconfirmed: false,
            spec: AppliedSpec::from(json!({"bundle_id": "b"})),
            replacing: false,
            attributes: Attributes { state: "RUNNING".into(), ..Attributes::default() },
        };
        state.instances.insert(Address::named("edge", "a"), recorded);
        state.predecessors.insert(Address::indexed("web", 2), Predecessor::Instance("lhins-0".into()));
        state.deposed.push(Deposed {
            address: Address::single("db"),
            instance_id: "lhins-9".into(),
            reason: DepartureReason::LaunchFailed,
        });
        state
    }

    #[test]
    fn the_mark_of_an_unconfirmed_instance_is_kept() {
        let mut state = sample();
        for recorded in state.instances.values_mut() {
            recorded.unconfirmed = true;
        }
        let bytes = encode(&state);
        assert!(String::from_utf8_lossy(&bytes).contains("\"unconfirmed\": true"));
        assert_eq!(decode(&bytes).unwrap(), state);
    }

    #[test]
    fn round_trip() {
        let state = sample();
        assert_eq!(decode(&encode(&state)).unwrap(), state);
        let text = String::from_utf8(encode(&state)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "account": null,
          "deposed": [
            {
              "address": "db",
              "instance_id": "lhins-9",
              "reason": "launch_failed"
            }
          ],
          "endpoint": "sandbox",
          "format": 2,
          "instances": {
            "edge[\"a\"]": {
              "attributes": {
                "state": "RUNNING"
              },
              "instance_id": "lhins-1",
              "predecessor": "none",
              "protect": true,
              "seen": true,
              "spec": {
                "bundle_id": "b"
              }
            }
          },
          "lineage": "l",
          "outputs": {},
          "predecessors": {
            "web[2]": {
              "instance": "lhins-0"
            }
          },
          "region": "ap-guangzhou",
          "resources": {},
          "serial": 0,
          "site": "china",
          "stack": "shop"
        }
        "#);
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        let text = String::from_utf8(encode(&sample())).unwrap();
        assert!(matches!(
            decode(text.replace("\"format\": 2", "\"format\": 3").as_bytes()),
            Err(DecodeError::Newer(3))
        ));
        assert!(decode(text.replace("\"seen\"", "\"sene\"").as_bytes()).is_err());
        let half = &text.as_bytes()[..text.len() / 2];
        let error = decode(half).unwrap_err().to_string();
        assert!(error.starts_with("line "), "{error}");
        assert!(decode(b"").is_err());
    }
}
