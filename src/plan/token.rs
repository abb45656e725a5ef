//! The ClientToken of a purchase.
//!
//! Equal for equal intent on any machine, with or without a state; another body or another predecessor gives another. In
//! it are neither lineage nor account nor time: a lost state must lead to the same token.

use crate::model::digest::{FieldHasher, canonical};
use crate::model::{Address, ClientToken, Ownership, StackName};
use serde_json::Value;

/// Names the construction. A change of anything that is hashed needs another.
const DOMAIN: &str = "lhprov client token v1";

/// Makes the token. `members` are addresses with their predecessors, in order; `body` is the request without token and
/// ownership tags, secrets replaced by their marker.
pub fn client_token<'a>(
    stack: &StackName,
    region: &str,
    ownership: Ownership,
    members: impl IntoIterator<Item = (&'a Address, &'a str)>,
    body: &Value,
) -> ClientToken {
    let members: Vec<_> = members.into_iter().collect();
    let mut hasher = FieldHasher::default()
        .field(DOMAIN)
        .field(stack.as_str())
        .field(region)
        .field(ownership.as_str())
        .field(&members.len().to_string());
    for (address, predecessor) in members {
        hasher = hasher.field(&address.to_string()).field(predecessor);
    }
    ClientToken(hasher.field(&canonical(body)).finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::limits::CLIENT_TOKEN_MAX;
    use proptest::prelude::*;
    use serde_json::json;

    #[derive(Clone, Debug)]
    struct Parts {
        stack: String,
        region: String,
        tags: bool,
        members: Vec<(String, Option<u32>, String)>,
        body: Vec<(String, String)>,
    }

    fn token(parts: &Parts) -> ClientToken {
        let addresses: Vec<Address> = parts
            .members
            .iter()
            .map(|(block, index, _)| match index {
                Some(index) => Address::indexed(block, *index),
                None => Address::single(block),
            })
            .collect();
        let members = addresses.iter().zip(parts.members.iter().map(|(_, _, predecessor)| predecessor.as_str()));
        let body: serde_json::Map<String, Value> =
            parts.body.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let ownership = if parts.tags { Ownership::Tags } else { Ownership::Name };
        client_token(&parts.stack.clone().into(), &parts.region, ownership, members, &Value::Object(body))
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let member = ("[a-z]{1,4}", proptest::option::of(0u32..40), "(-|lhins-[a-z0-9]{3})");
        let field = ("[A-Z][a-z]{0,3}", "[a-z0-9\"]{0,4}");
        (
            "[a-z]{1,6}",
            "[a-z-]{1,6}",
            any::<bool>(),
            proptest::collection::vec(member, 1..5),
            proptest::collection::vec(field, 0..5),
        )
            .prop_map(|(stack, region, tags, members, body)| Parts { stack, region, tags, members, body })
    }

    proptest! {
        #[test]
        fn well_formed_and_repeatable(p in parts()) {
            let t = token(&p);
            prop_assert_eq!(t.0.len(), CLIENT_TOKEN_MAX);
            prop_assert!(t.0.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            prop_assert_eq!(&t, &token(&p));
            // The order in which a body's fields were put together does not matter.
            let mut unique: std::collections::BTreeMap<_, _> = p.body.iter().cloned().collect();
            let mut turned = p.clone();
            turned.body = std::mem::take(&mut unique).into_iter().rev().collect();
            prop_assert_eq!(&t, &token(&turned));
        }

        #[test]
        fn every_part_counts(p in parts(), other in parts()) {
            let t = token(&p);
            let mut changes = Vec::new();
            let mut q = p.clone(); q.stack.push('x'); changes.push(q);
            let mut q = p.clone(); q.region.push('x'); changes.push(q);
            let mut q = p.clone(); q.tags = !q.tags; changes.push(q);
            let mut q = p.clone(); q.members[0].2.push('x'); changes.push(q);
            let mut q = p.clone(); q.members[0].0.push('x'); changes.push(q);
            let mut q = p.clone(); q.members.push(("zzzzz".into(), None, "-".into())); changes.push(q);
            let mut q = p.clone(); q.body.push(("Zzzzz".into(), "x".into())); changes.push(q);
            // Moving a boundary between neighbouring fields is a change too.
            let mut q = p.clone(); let c = q.stack.pop().unwrap(); q.region.insert(0, c);
            if !q.stack.is_empty() { changes.push(q); }
            for q in changes {
                prop_assert_ne!(&t, &token(&q), "{:?}\n{:?}", p, q);
            }
            let same = format!("{p:?}") == format!("{other:?}");
            prop_assert_eq!(t == token(&other), same || canonical_equal(&p, &other));
        }
    }

    fn canonical_equal(a: &Parts, b: &Parts) -> bool {
        let map = |p: &Parts| p.body.iter().cloned().collect::<std::collections::BTreeMap<_, _>>();
        (&a.stack, &a.region, a.tags, &a.members) == (&b.stack, &b.region, b.tags, &b.members) && map(a) == map(b)
    }

    /// Pinned: a change of this value buys everything again for whoever lost a state.
    #[test]
    fn pinned() {
        let body = json!({"BundleId": "b", "BlueprintId": "i", "InstanceCount": 2, "InstanceName": "web-0"});
        let (a, b) = (Address::indexed("web", 0), Address::indexed("web", 1));
        let token = client_token(&"shop".into(), "ap-guangzhou", Ownership::Tags, [(&a, "-"), (&b, "lhins-1")], &body);
        insta::assert_snapshot!(token, @"0cac2bd788d9c2c8f428130bebc1aecfa7a9cd61c62a1a229969fdf56f84d44f");
    }
}
