//! Who speaks after a person's message: those who are named, else by the room's strategy.
//!
//! Pure and seeded: the same scene gives the same decision, so that a stored turn can be explained and replayed.

use kernel::Timestamp;
use kernel::fold::fold;

use super::{Candidate, Reason};
use crate::conversation::CharacterId;
use crate::room::TurnStrategy;

/// So many characters answer one message at most.
pub const SPEAKERS_MAX: usize = 8;
/// So many of them without having been named, where the strategy chooses: one "hi" must not buy five replies.
pub const UNASKED_MAX: usize = 2;
/// With so many turns waiting, nobody speaks unasked.
pub const OPEN_TURNS_MAX: u32 = 8;
/// A character that began to speak so short a time ago does not speak again unasked.
pub const COOLDOWN_MS: i64 = 10_000;

/// What talkativeness, affinity and topic add to a weight, in thousandths.
const TALKATIVENESS_SHARE: u32 = 600;
const AFFINITY_SHARE: u32 = 200;
const TOPIC_SHARE: u32 = 200;
/// What a topic is worth that the room is about, though this message is not.
const ROOM_TOPIC_SHARE: u32 = 80;
/// The second speaker's chance is its weight in so many.
const SECOND_CHANCE: u64 = 4_000;

/// A character of the room, as the choice needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Who.
    pub id: CharacterId,
    /// How readily it speaks unasked, 0 to 100.
    pub talkativeness: u8,
    /// How well it goes together with who spoke last, 0 to 100.
    pub affinity: u8,
    /// What it likes to talk about.
    pub topics: Vec<String>,
    /// Whether it is silenced in this room.
    pub is_muted: bool,
    /// When it last began to speak here.
    pub spoke_at: Option<Timestamp>,
}

/// Everything that a decision depends on.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// How the room chooses where nobody is named.
    pub strategy: TurnStrategy,
    /// Its characters, in the room's order.
    pub speakers: &'a [Speaker],
    /// The message.
    pub text: &'a str,
    /// What the room is about.
    pub room_topics: &'a [String],
    /// Characters named by id, in order.
    pub by_id: &'a [CharacterId],
    /// Characters named in the text, in order.
    pub by_name: &'a [CharacterId],
    /// Whose message this one answers.
    pub replied_to: Option<&'a CharacterId>,
    /// The character that spoke last.
    pub last_speaker: Option<&'a CharacterId>,
    /// Turns that are waiting or at work.
    pub open_turns: u32,
    /// What chances are drawn from.
    pub seed: u64,
    /// When.
    pub now: Timestamp,
}

/// Who speaks, and who was considered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everybody of the room, in its order, except that nobody is considered where nobody may be.
    pub candidates: Vec<Candidate>,
    /// Who speaks, in order, and why.
    pub speakers: Vec<(CharacterId, Reason)>,
    /// Who was named and is silenced in this room.
    pub silenced: Vec<CharacterId>,
}

/// Decides who answers a message.
pub fn decide(scene: &Scene<'_>) -> Decision {
    let named = named(scene);
    let silenced = silenced(scene);
    // Who asks one that is silenced has not asked the others: nobody stands in.
    if !named.is_empty() || !silenced.is_empty() {
        return Decision { silenced, ..concluded(scene, named, &[], |_| Reason::Outweighed) };
    }
    if scene.open_turns >= OPEN_TURNS_MAX && scene.strategy != TurnStrategy::Manual {
        return concluded(scene, Vec::new(), &[], |_| Reason::RoomBusy);
    }
    match scene.strategy {
        TurnStrategy::Natural => natural(scene),
        TurnStrategy::List => {
            let all = scene.speakers.iter().filter(|speaker| !speaker.is_muted).take(SPEAKERS_MAX);
            let all = all.map(|speaker| (speaker.id.clone(), Reason::InOrder)).collect();
            concluded(scene, all, &[], |_| Reason::Outweighed)
        }
        TurnStrategy::Pooled => pooled(scene),
        TurnStrategy::Manual => concluded(scene, Vec::new(), &[], |_| Reason::Outweighed),
    }
}

/// Whom the message asks: by id, then in the text, then by being answered.
fn asked<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a CharacterId, Reason)> {
    let by_id = scene.by_id.iter().map(|id| (id, Reason::MentionedById));
    let by_name = scene.by_name.iter().map(|id| (id, Reason::MentionedByName));
    by_id.chain(by_name).chain(scene.replied_to.into_iter().map(|id| (id, Reason::RepliedTo)))
}

/// Who is asked and silenced, each once.
fn silenced(scene: &Scene<'_>) -> Vec<CharacterId> {
    let mut silenced: Vec<CharacterId> = Vec::new();
    for (id, _) in asked(scene) {
        let is_silenced = scene.speakers.iter().any(|speaker| speaker.id == *id && speaker.is_muted);
        if is_silenced && !silenced.contains(id) {
            silenced.push(id.clone());
        }
    }
    silenced
}

/// Who is asked and may speak.
fn named(scene: &Scene<'_>) -> Vec<(CharacterId, Reason)> {
    let mut named: Vec<(CharacterId, Reason)> = Vec::new();
    for (id, reason) in asked(scene) {
        let may_speak = scene.speakers.iter().any(|speaker| speaker.id == *id && !speaker.is_muted);
        if may_speak && named.len() < SPEAKERS_MAX && !named.iter().any(|(known, _)| known == id) {
            named.push((id.clone(), reason));
        }
    }
    named
}

/// The decision for these speakers: whoever does not speak gets a reason as well. Weights are in the room's order, where
/// somebody weighed.
fn concluded(
    scene: &Scene<'_>,
    speakers: Vec<(CharacterId, Reason)>,
    weights: &[u32],
    silence: impl Fn(&Speaker) -> Reason,
) -> Decision {
    let weights = weights.iter().copied().chain(std::iter::repeat(0));
    let candidate = |(speaker, weight): (&Speaker, u32)| {
        let spoken = speakers.iter().find(|(id, _)| *id == speaker.id).map(|(_, reason)| *reason);
        let silent = || if speaker.is_muted { Reason::Muted } else { silence(speaker) };
        Candidate { character_id: speaker.id.clone(), weight, reason: spoken.unwrap_or_else(silent) }
    };
    let candidates = scene.speakers.iter().zip(weights).map(candidate).collect();
    Decision { candidates, speakers, silenced: Vec::new() }
}

/// One is drawn by weight, and now and then a second one.
fn natural(scene: &Scene<'_>) -> Decision {
    let weights = weights(scene);
    let mut draw = Draw(scene.seed);
    let weighed = scene.speakers.iter().zip(weights.iter().copied());
    let mut pool: Vec<(&Speaker, u32)> =
        weighed.filter(|(speaker, weight)| *weight > 0 && hindrance(scene, speaker).is_none()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < UNASKED_MAX {
        let Some((speaker, weight)) = drawn(&mut pool, &mut draw) else { break };
        if !chosen.is_empty() && draw.below(SECOND_CHANCE) >= u64::from(weight) {
            break;
        }
        chosen.push((speaker.id.clone(), Reason::Chosen));
    }
    concluded(scene, chosen, &weights, |speaker| hindrance(scene, speaker).unwrap_or(Reason::Outweighed))
}

/// Who began to speak longest ago, or never; the first in the room's order among equals.
fn pooled(scene: &Scene<'_>) -> Decision {
    let free = scene.speakers.iter().filter(|speaker| !speaker.is_muted && !is_cooling(scene, speaker));
    let next = free.min_by_key(|speaker| speaker.spoke_at);
    let next = next.map(|speaker| (speaker.id.clone(), Reason::WaitedLongest)).into_iter().collect();
    let silence =
        |speaker: &Speaker| if is_cooling(scene, speaker) { Reason::CoolingDown } else { Reason::Outweighed };
    concluded(scene, next, &[], silence)
}

/// Why the character cannot be chosen now. Where it is the only one, it may go on by itself.
fn hindrance(scene: &Scene<'_>, speaker: &Speaker) -> Option<Reason> {
    let has_others = || scene.speakers.iter().any(|other| !other.is_muted && other.id != speaker.id);
    if speaker.is_muted {
        Some(Reason::Muted)
    } else if scene.last_speaker == Some(&speaker.id) && has_others() {
        Some(Reason::SpokeLast)
    } else if is_cooling(scene, speaker) {
        Some(Reason::CoolingDown)
    } else {
        None
    }
}

fn is_cooling(scene: &Scene<'_>, speaker: &Speaker) -> bool {
    speaker.spoke_at.is_some_and(|spoke_at| scene.now.millis_since(spoke_at) < COOLDOWN_MS)
}

/// How fitting each is, in thousandths. Who never speaks unasked has no weight, whatever the topic.
fn weights(scene: &Scene<'_>) -> Vec<u32> {
    let text = folded(scene.text);
    let room_topics: Vec<String> = scene.room_topics.iter().map(|topic| folded(topic)).collect();
    let share = |percent: u8, share: u32| u32::from(percent.min(100)) * share / 100;
    let weight = |speaker: &Speaker| {
        if speaker.talkativeness == 0 {
            return 0;
        }
        share(speaker.talkativeness, TALKATIVENESS_SHARE)
            + share(speaker.affinity, AFFINITY_SHARE)
            + topic_share(speaker, &text, &room_topics)
    };
    scene.speakers.iter().map(weight).collect()
}

fn topic_share(speaker: &Speaker, text: &str, room_topics: &[String]) -> u32 {
    let mut share = 0;
    for topic in speaker.topics.iter().map(|topic| folded(topic)).filter(|topic| !topic.is_empty()) {
        if text.contains(&topic) {
            return TOPIC_SHARE;
        }
        if room_topics.contains(&topic) {
            share = ROOM_TOPIC_SHARE;
        }
    }
    share
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Takes one out of the pool, each with a chance of its weight in the sum of all.
fn drawn<'a>(pool: &mut Vec<(&'a Speaker, u32)>, draw: &mut Draw) -> Option<(&'a Speaker, u32)> {
    let sum: u64 = pool.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut point = draw.below(sum);
    for (place, (_, weight)) in pool.iter().enumerate() {
        match point.checked_sub(u64::from(*weight)) {
            Some(left) => point = left,
            None => return Some(pool.remove(place)),
        }
    }
    None
}

/// A SplitMix64 stream: what is drawn depends on the seed alone.
struct Draw(u64);

impl Draw {
    /// A number below the bound, or 0 where the bound is.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        mixed.checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
