//! Two sorted maps walked side by side: one step for each entry instead of a search.

use std::collections::btree_map::{BTreeMap, Iter};
use std::iter::Peekable;

/// Looks up in a map what is asked for in its order.
pub struct Alongside<'a, K, V>(Peekable<Iter<'a, K, V>>);

impl<'a, K: Ord, V> Alongside<'a, K, V> {
    /// From the first entry of `map`.
    pub fn new(map: &'a BTreeMap<K, V>) -> Self {
        Self(map.iter().peekable())
    }

    /// What the map has at `key`, which is larger than any that was asked for before.
    pub fn get(&mut self, key: &K) -> Option<&'a V> {
        while self.0.next_if(|(passed, _)| *passed < key).is_some() {}
        self.0.next_if(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_search_finds(map in btree_map(0u8..40, any::<u8>(), 0..30), asked in btree_set(0u8..40, 0..30)) {
            let mut alongside = Alongside::new(&map);
            for key in &asked {
                prop_assert_eq!(alongside.get(key), map.get(key));
            }
        }
    }
}
