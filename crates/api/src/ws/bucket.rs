//! How many frames a connection may send.

use kernel::Timestamp;

/// So many at once, and so many more each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be read.
    Admitted,
    /// It comes too soon by so many milliseconds.
    TooSoon(i64),
    /// It comes too soon, as so many before it did.
    Enough,
}

/// A bucket that fills by the second and is emptied by frames. Counted in thousandths of a frame.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: i64,
    filled_at: Timestamp,
    refused: u32,
}

/// Frames refused since the bucket was last full, after which it is enough.
const REFUSED_MAX: u32 = 100;
const FRAME: i64 = 1_000;

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Timestamp) -> Self {
        Self { level: i64::from(rate.burst) * FRAME, filled_at: now, refused: 0 }
    }

    /// Counts a frame. A rate of 0 is no limit.
    pub(crate) fn take(&mut self, rate: Rate, now: Timestamp) -> Verdict {
        if rate.per_second == 0 {
            return Verdict::Admitted;
        }
        let per_second = i64::from(rate.per_second);
        let most = i64::from(rate.burst.max(1)) * FRAME;
        // A thousandth of a frame is what a rate of one a second gives in a millisecond.
        let gained = now.millis_since(self.filled_at).max(0).saturating_mul(per_second);
        self.level = self.level.saturating_add(gained).min(most);
        self.filled_at = now;
        if self.level == most {
            self.refused = 0;
        }
        if self.level >= FRAME {
            self.level -= FRAME;
            return Verdict::Admitted;
        }
        self.refused += 1;
        if self.refused > REFUSED_MAX {
            return Verdict::Enough;
        }
        let lacking = FRAME - self.level;
        Verdict::TooSoon((lacking + per_second - 1) / per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 30 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_burst_then_ten_a_second() {
        let mut bucket = Bucket::full(RATE, at(0));
        assert!((0..30).all(|_| bucket.take(RATE, at(0)) == Verdict::Admitted));
        assert_eq!(bucket.take(RATE, at(0)), Verdict::TooSoon(100));
        assert_eq!(bucket.take(RATE, at(60)), Verdict::TooSoon(40));
        assert_eq!(bucket.take(RATE, at(100)), Verdict::Admitted);
    }

    #[test]
    fn who_goes_on_is_told_that_it_is_enough() {
        let mut bucket = Bucket::full(RATE, at(0));
        let verdicts: Vec<_> = (0..131).map(|_| bucket.take(RATE, at(0))).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Admitted).count(), 30);
        assert_eq!(verdicts.last(), Some(&Verdict::Enough));
    }

    #[test]
    fn nought_is_no_limit() {
        let none = Rate { per_second: 0, burst: 30 };
        let mut bucket = Bucket::full(none, at(0));
        assert!((0..1_000).all(|_| bucket.take(none, at(0)) == Verdict::Admitted));
    }
}
