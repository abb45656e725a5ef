//! What was bought for whom, as somebody sees it who watches both the account and the sender's disk.

use crate::model::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every purchase of a schedule.
#[derive(Default)]
pub struct Ledger {
    /// For whom a token buys, as its intent says.
    members: BTreeMap<String, Arc<[Address]>>,
    /// For whom purchases buy that nobody can tell apart, by what they have in common.
    alike: BTreeMap<String, BTreeSet<Address>>,
    /// What a token's purchase has in common with others.
    shapes: BTreeMap<String, String>,
    /// The last body that was sent with a token.
    bodies: BTreeMap<String, String>,
    /// Instances that stand until their successor runs, by the token that buys it.
    replaced: BTreeMap<String, Vec<String>>,
    /// By which token each instance was bought.
    tokens: BTreeMap<String, String>,
}

impl Ledger {
    /// Whether the intent of a token is known.
    pub fn knows(&self, token: &str) -> bool {
        self.members.contains_key(token)
    }

    /// For whom a token buys.
    pub fn members(&self, token: &str) -> &[Address] {
        self.members.get(token).map_or(&[], |members| members)
    }

    /// Notes what a purchase has in common with others from which nobody can tell it apart. It need never be sent: what
    /// another of them bought may be found and taken for it.
    pub fn pool<'a>(&mut self, token: &str, shape: &str, members: impl Iterator<Item = &'a Address>) {
        self.alike.entry(shape.to_owned()).or_default().extend(members.cloned());
        self.shapes.insert(token.to_owned(), shape.to_owned());
    }

    /// Notes for whom a token buys.
    pub fn intend(&mut self, token: &str, members: Vec<Address>) {
        self.members.insert(token.to_owned(), members.into());
    }

    /// Notes whose successors a token buys, while they stand.
    pub fn replace(&mut self, token: &str, old: Vec<String>) {
        self.replaced.insert(token.to_owned(), old);
    }

    /// Notes the body that goes out with a token. Gives the one that went before, if it was another.
    pub fn send(&mut self, token: &str, body: &str) -> Option<String> {
        let before = self.bodies.insert(token.to_owned(), body.to_owned());
        before.filter(|before| before != body)
    }

    /// Whether a token has bought anything, whatever became of it.
    pub fn has_bought(&self, token: &str) -> bool {
        self.tokens.values().any(|bought| bought == token)
    }

    /// Whether a token bought this instance.
    pub fn is_of(&self, token: &str, id: &str) -> bool {
        self.tokens.get(id).is_some_and(|bought| bought == token)
    }

    /// Notes what an answer of the account to a purchase names.
    pub fn buy(&mut self, token: &str, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            self.tokens.entry(id).or_insert_with(|| token.to_owned());
        }
    }

    /// How many instances were bought so far.
    pub fn bought(&self) -> usize {
        self.tokens.len()
    }

    /// Whether more of these instances live than addresses are there for which they were bought: then one was bought twice,
    /// wherever the engine lets them stand. Says which.
    pub fn bought_twice<'a>(&self, live: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let mut standing: BTreeMap<&Address, &str> = BTreeMap::new();
        let succeeded = self.replaced.iter().filter(|(token, _)| self.has_bought(token));
        let leaving: BTreeSet<&str> = succeeded.flat_map(|(_, old)| old).map(String::as_str).collect();
        for id in live.into_iter().filter(|id| !leaving.contains(id)) {
            let known = self.tokens.get(id).filter(|token| self.knows(token));
            if known.is_some() && !self.place(id, &mut standing, &mut BTreeSet::new()) {
                return Some(format!("{id} was bought for an address that has a live instance: {standing:?}"));
            }
        }
        None
    }

    /// Gives an instance an address of its own, moving others if need be (a bipartite matching).
    fn place<'a>(
        &'a self,
        id: &'a str,
        standing: &mut BTreeMap<&'a Address, &'a str>,
        tried: &mut BTreeSet<&'a Address>,
    ) -> bool {
        let Some(token) = self.tokens.get(id) else { return true };
        let pool = self.shapes.get(token).and_then(|shape| self.alike.get(shape));
        let own = self.members(token).iter();
        for address in own.chain(pool.into_iter().flatten()) {
            if !tried.insert(address) {
                continue;
            }
            let free = match standing.get(address).copied() {
                None => true,
                Some(other) => self.place(other, standing, tried),
            };
            if free {
                standing.insert(address, id);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_for_each_address_and_no_more() {
        let web = |index| Address::indexed("web", index);
        let mut ledger = Ledger::default();
        ledger.intend("both", vec![web(0), web(1)]);
        ledger.intend("first", vec![web(0)]);
        ledger.buy("both", ["a".to_owned()]);
        ledger.buy("first", ["b".to_owned()]);
        // One of two came, so it may stand at the second, and the first is bought again.
        assert_eq!(ledger.bought_twice(["a", "b"]), None);
        ledger.buy("both", ["a".to_owned(), "c".to_owned()]);
        assert!(ledger.bought_twice(["a", "b", "c"]).is_some());
        assert_eq!(ledger.bought_twice(["a", "c"]), None);
        // Who cannot be told apart from others may stand for any of them, and no more of them than there are addresses.
        let mut ledger = Ledger::default();
        ledger.intend("two", vec![web(0), web(1)]);
        ledger.intend("one", vec![web(2)]);
        ledger.pool("two", "web", [web(0), web(1)].iter());
        ledger.pool("one", "web", [web(2)].iter());
        ledger.buy("two", ["a".to_owned()]);
        ledger.buy("one", ["b".to_owned(), "c".to_owned()]);
        assert_eq!(ledger.bought_twice(["a", "b", "c"]), None);
        ledger.buy("one", ["d".to_owned()]);
        assert!(ledger.bought_twice(["a", "b", "c", "d"]).is_some());
    }

    #[test]
    fn a_token_goes_out_with_one_body() {
        let mut ledger = Ledger::default();
        ledger.buy("both", ["a".to_owned()]);
        assert!(ledger.has_bought("both") && !ledger.has_bought("other"));
        assert!(ledger.is_of("both", "a") && !ledger.is_of("other", "a") && !ledger.is_of("both", "b"));
        assert_eq!(ledger.send("both", "{}"), None);
        assert_eq!(ledger.send("both", "{}"), None);
        assert_eq!(ledger.send("both", "[]"), Some("{}".to_owned()));
    }
}
