//! The outputs of a manifest, from what the state records.

use crate::desired::DesiredState;
use crate::desired::output::Known;
use crate::state::PriorState;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Works the outputs out. What an instance has not got yet is null.
pub fn evaluate(desired: &DesiredState, state: &PriorState) -> BTreeMap<String, Value> {
    if desired.outputs.is_empty() {
        return BTreeMap::new();
    }
    let known: Known = state
        .instances
        .iter()
        .map(|(address, recorded)| {
            let mut object = recorded.to_json();
            // Its attributes stand by themselves too: that is what people write.
            if let Value::Object(attributes) = object["attributes"].clone() {
                for (key, value) in attributes {
                    object[key] = value;
                }
            }
            object["address"] = json!(address);
            (address.clone(), object)
        })
        .collect();
    desired.outputs.iter().map(|(name, output)| (name.clone(), output.evaluate(&known))).collect()
}
