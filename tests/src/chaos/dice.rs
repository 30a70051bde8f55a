//! Random choices of a run, all from one printed seed.
//!
//! Every client, proxied connection and schedule draws from dice of its own, made from the seed and its place, so
//! that one drawing more or less disturbs no other.

use kernel::{Entropy, SeededEntropy};

/// A stream of choices that is the same for the same seed.
pub struct Dice {
    seed: u64,
    entropy: SeededEntropy,
}

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, entropy: SeededEntropy::new(seed) }
    }

    /// Dice of somebody else in the same run; how often this one was thrown makes no difference.
    pub fn of(&self, place: u64) -> Self {
        // The odd constant spreads neighbouring places over the seeds.
        Self::new(self.seed.rotate_left(17) ^ place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A number of 64 random bits.
    pub fn next(&self) -> u64 {
        let mut bytes = [0_u8; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number from 0 to `end`, which is not among them.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number of a range, its end included.
    pub fn between(&self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Whether something of so many percent happens.
    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these. There must be one.
    pub fn pick<'a, T>(&self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).expect("a length");
        &all[usize::try_from(self.below(count)).expect("an index")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_place_draw_the_same_whatever_others_draw() {
        let draw = |dice: &Dice| (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>();
        let (one, other) = (Dice::new(7), Dice::new(7));
        other.next();
        assert_eq!(draw(&one.of(3)), draw(&other.of(3)));
        assert_ne!(draw(&one.of(3)), draw(&one.of(4)));
        assert_ne!(draw(&one.of(3)), draw(&Dice::new(8).of(3)));
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let dice = Dice::new(1);
        let drawn: Vec<u64> = (0..200).map(|_| dice.between(2, 4)).collect();
        assert!([2, 3, 4].iter().all(|n| drawn.contains(n)) && drawn.iter().all(|n| (2..=4).contains(n)));
    }
}
