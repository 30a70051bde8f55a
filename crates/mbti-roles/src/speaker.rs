//! How readily a type speaks when nobody asked.

use crate::mbti::Mbti;

/// From 0, only when asked, to 100, at every occasion.
///
/// Mostly the first letter: extraverts think aloud. Beside that, intuition has more to say on most things, feeling
/// answers people sooner, and perceiving interrupts more easily.
pub const fn talkativeness(kind: Mbti) -> u8 {
    match kind {
        Mbti::Enfp => 88,
        Mbti::Entp => 86,
        Mbti::Esfp => 84,
        Mbti::Enfj => 80,
        Mbti::Esfj => 76,
        Mbti::Estp => 74,
        Mbti::Entj => 72,
        Mbti::Estj => 66,
        Mbti::Infp => 46,
        Mbti::Infj => 44,
        Mbti::Intp => 42,
        Mbti::Isfp => 38,
        Mbti::Isfj => 36,
        Mbti::Intj => 34,
        Mbti::Istj => 28,
        Mbti::Istp => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extravert_speaks_sooner_than_every_introvert() {
        let (out, within): (Vec<Mbti>, Vec<Mbti>) =
            Mbti::ALL.into_iter().partition(|kind| kind.as_str().starts_with('E'));
        let least = out.into_iter().map(talkativeness).min();
        let most = within.into_iter().map(talkativeness).max();
        assert!(least > most);
        assert!(Mbti::ALL.into_iter().all(|kind| (1..=100).contains(&talkativeness(kind))));
    }
}
