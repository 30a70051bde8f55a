//! How well two types go together in a talk.

use crate::mbti::Mbti;

/// Where nothing is known.
pub const NEUTRAL: u8 = 50;

/// From 0 to 100, the same both ways.
///
/// A shared second letter counts most: people who both see the concrete, or both the possible, understand each other.
/// A different first letter helps a talk along (one speaks, one listens), a shared third one makes it kind or
/// exact, a different fourth one gives it opening and close. The same type twice agrees too soon.
pub fn affinity(one: Mbti, other: Mbti) -> u8 {
    if one == other {
        return NEUTRAL;
    }
    let same: Vec<bool> = one.as_str().chars().zip(other.as_str().chars()).map(|(a, b)| a == b).collect();
    let [first, second, third, fourth] = same.as_slice() else { return NEUTRAL };
    let points = [(!first, 15), (*second, 35), (*third, 15), (!fourth, 15)];
    20 + points.into_iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum::<u8>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_both_ways_and_within_bounds() {
        for one in Mbti::ALL {
            for other in Mbti::ALL {
                assert_eq!(affinity(one, other), affinity(other, one));
                assert!(affinity(one, other) <= 100);
            }
        }
    }

    #[test]
    fn the_pairs_that_are_told_of_go_well_together() {
        assert_eq!(affinity(Mbti::Intj, Mbti::Entp), 100);
        assert_eq!(affinity(Mbti::Infj, Mbti::Enfp), 100);
        assert_eq!(affinity(Mbti::Infp, Mbti::Infp), NEUTRAL);
        assert_eq!(affinity(Mbti::Infp, Mbti::Istp), 20);
    }
}
