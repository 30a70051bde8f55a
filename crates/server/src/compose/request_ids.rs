//! The maker of request ids.
//!
//! Every request gets an id, and an id needs ten random bytes: fetched for many ids at once, they cost no system call
//! each. Nothing secret is made of them.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, Entropy, Ids};

/// Randomness for some four hundred ids.
const STOCK_BYTES: usize = 4_096;

/// A maker that fetches randomness in large pieces.
pub(super) fn maker(clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Arc<Ids> {
    let stock = Stock { source: Arc::clone(entropy), bytes: Mutex::default() };
    Arc::new(Ids::new(Arc::clone(clock), Arc::new(stock)))
}

struct Stock {
    source: Arc<dyn Entropy>,
    bytes: Mutex<Vec<u8>>,
}

impl Entropy for Stock {
    fn fill(&self, buffer: &mut [u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() < buffer.len() {
            bytes.resize(STOCK_BYTES.max(buffer.len()), 0);
            self.source.fill(&mut bytes);
        }
        let left = bytes.len().saturating_sub(buffer.len());
        for (byte, random) in buffer.iter_mut().zip(bytes.drain(left..)) {
            *byte = random;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kernel::{Id, ManualClock, SeededEntropy, Timestamp};

    use super::*;

    #[test]
    fn ids_differ_in_their_random_part_across_fetches() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let maker = maker(&clock, &entropy);
        let tail = |id: Id<()>| id.as_uuid().as_u128() & 0xFFFF_FFFF_FFFF;
        let tails: BTreeSet<u128> = (0..2_000).map(|_| tail(maker.next())).collect();
        assert_eq!(tails.len(), 2_000);
    }
}
