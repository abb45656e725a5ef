//! Where does chance come from? A seed given at construction, so that a run can be repeated exactly.

use serde::{Deserialize, Serialize};

/// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Good enough to spread waits;
/// nothing secret may be made with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Every seed gives a sequence of its own.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next value in 0..1, one excluded.
    pub fn next_unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sequence() {
        // First outputs for seed 1234567, from the reference implementation (prng.di.unimi.it/splitmix64.c).
        let mut chance = SplitMix64::new(1_234_567);
        assert_eq!(chance.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(chance.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn stays_in_the_unit_interval() {
        let mut chance = SplitMix64::new(7);
        assert!((0..1000).map(|_| chance.next_unit()).all(|x| (0.0..1.0).contains(&x)));
    }
}
