//! Randomness as a port, and the maker of ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Builder;

use crate::id::Id;
use crate::time::Clock;

/// Random bytes. Production answers with the operating system's CSPRNG.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer; MUST be unpredictable in production, since tokens are made of it.
    fn fill(&self, buffer: &mut [u8]);
}

/// Randomness that a test can repeat: a SplitMix64 stream from a seed. Never for production.
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// A stream that is the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            for (byte, random) in chunk.iter_mut().zip(mixed.to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

/// Makes ids from the clock and entropy; those of one maker rise strictly, also within a millisecond.
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Milliseconds shifted by twelve, plus a counter: the first 60 meaningful bits of a UUIDv7.
    last: AtomicU64,
}

const COUNTER_BITS: u32 = 12;

impl Ids {
    /// A maker on this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: AtomicU64::new(0) }
    }

    /// A fresh id.
    pub fn next<K>(&self) -> Id<K> {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let ticket = self.ticket(millis << COUNTER_BITS);
        let mut random = [0_u8; 10];
        self.entropy.fill(&mut random);
        let counter = ticket & ((1 << COUNTER_BITS) - 1);
        let [.., high, low] = counter.to_be_bytes();
        random[0] = high;
        random[1] = low;
        Id::from_uuid(Builder::from_unix_timestamp_millis(ticket >> COUNTER_BITS, &random).into_uuid())
    }

    fn ticket(&self, floor: u64) -> u64 {
        let next = |last: u64| floor.max(last.saturating_add(1));
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last))) {
            Ok(last) | Err(last) => next(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::time::{ManualClock, Timestamp};

    #[test]
    fn ids_of_one_maker_rise_even_when_the_clock_stands_or_falls_back() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let ids = Ids::new(clock.clone(), Arc::new(SeededEntropy::new(1)));
        let mut last: UserId = ids.next();
        for step in 0..10_000 {
            if step == 5_000 {
                clock.advance_millis(-60_000);
            }
            let next: UserId = ids.next();
            assert!(next > last);
            last = next;
        }
        assert_eq!(last.as_uuid().get_version_num(), 7);
    }
}
