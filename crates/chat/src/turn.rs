//! Turns: which characters answer a person's message, in which order, and why.
//!
//! A turn is decided once, by pure functions from what is known when the message arrives and a seed, and stored with
//! the message: strategy, candidates, seed and reasons can be looked at afterwards. Its steps are worked off one
//! after the other; each step is one reply.

pub mod mention;
pub mod strategy;

use kernel::{Id, MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::conversation::{CharacterId, ConversationId};
use crate::generation::InstanceId;
use crate::room::TurnStrategy;

/// Kind of a turn.
#[derive(Debug)]
pub enum TurnKind {}

/// A turn's id.
pub type TurnId = Id<TurnKind>;

/// Why a character speaks, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Named by id.
    MentionedById,
    /// Named in the text.
    MentionedByName,
    /// The message answers one of its messages.
    RepliedTo,
    /// Won the natural choice.
    Chosen,
    /// Its place in the room's order.
    InOrder,
    /// Has waited longest.
    WaitedLongest,
    /// Another character named it.
    NamedByCharacter,
    /// Not chosen: others were more fitting.
    Outweighed,
    /// Not chosen: it spoke last.
    SpokeLast,
    /// Not chosen: it spoke a moment ago.
    CoolingDown,
    /// Silenced in this room: not chosen, and left out where it was named.
    Muted,
    /// Not chosen: too many turns are waiting.
    RoomBusy,
}

impl Reason {
    /// Whether nobody asked this character: a person's next message comes before it.
    pub const fn is_unasked(self) -> bool {
        match self {
            Self::Chosen | Self::InOrder | Self::WaitedLongest | Self::NamedByCharacter => true,
            Self::MentionedById
            | Self::MentionedByName
            | Self::RepliedTo
            | Self::Outweighed
            | Self::SpokeLast
            | Self::CoolingDown
            | Self::Muted
            | Self::RoomBusy => false,
        }
    }
}

/// A character that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Who.
    pub character_id: CharacterId,
    /// How fitting, in thousandths; 0 where nothing was weighed.
    pub weight: u32,
    /// Why it speaks or does not.
    pub reason: Reason,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// To be done.
    Waiting,
    /// Its reply began; how it ended is the reply's own state.
    Begun,
    /// Left out: cut, refused or impossible.
    Skipped,
}

/// One reply of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The reply's id, made with the step, so that a hold that was taken for it is found again.
    pub reply: MessageId,
    /// Who speaks.
    pub character_id: CharacterId,
    /// Why.
    pub reason: Reason,
    /// The message that it answers.
    pub reply_to: MessageId,
    /// How far it is.
    pub state: StepState,
}

/// How a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Steps are to be done.
    Open,
    /// All were done.
    Done,
    /// A new message, a recall or a stop cut it.
    Cut,
    /// The payer could not afford it.
    Refused,
    /// A system behind failed for too long.
    Failed,
}

/// A turn as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// Where.
    pub conversation_id: ConversationId,
    /// The message that began it.
    pub question: MessageId,
    /// Who wrote that, also for AI-to-AI steps.
    pub asker: UserId,
    /// Who pays.
    pub payer: UserId,
    /// How it was decided.
    pub strategy: TurnStrategy,
    /// What its chances were drawn from.
    pub seed: u64,
    /// Who was considered.
    pub candidates: Vec<Candidate>,
    /// What is to be said, in order. AI-to-AI steps are added as they arise.
    pub steps: Vec<Step>,
    /// AI-to-AI steps that may still be added.
    pub follow_ups_left: u32,
    /// How it stands.
    pub state: TurnState,
    /// The instance at work on it.
    pub owner: InstanceId,
    /// When it began.
    pub created_at: Timestamp,
}

/// Of the replies that one message may bring, so many at most were not asked for by a person.
const UNASKED_AND_FOLLOW_UPS_MAX: u32 = 4;
/// Characters may call one another so often after one message.
pub const FOLLOW_UPS_MAX: u32 = 3;

/// How often characters may still call one another in a turn that begins with these steps.
pub fn follow_ups(steps: &[Step]) -> u32 {
    let unasked = steps.iter().filter(|step| step.reason.is_unasked()).count();
    let unasked = u32::try_from(unasked).unwrap_or(u32::MAX);
    UNASKED_AND_FOLLOW_UPS_MAX.saturating_sub(unasked).min(FOLLOW_UPS_MAX)
}

impl Turn {
    /// The step that is next.
    pub fn next_step(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state == StepState::Waiting)
    }

    /// Whether anything was said.
    pub fn has_begun(&self) -> bool {
        self.steps.iter().any(|step| step.state == StepState::Begun)
    }

    /// Notes how far the step of this reply is.
    pub fn mark(&mut self, reply: MessageId, state: StepState) {
        for step in self.steps.iter_mut().filter(|step| step.reply == reply) {
            step.state = state;
        }
    }

    /// Gives the step of this reply another one: the hold of the first is used up.
    pub fn renew(&mut self, reply: MessageId, fresh: MessageId) {
        for step in self.steps.iter_mut().filter(|step| step.reply == reply) {
            step.reply = fresh;
        }
    }

    /// Leaves out the waiting steps that are meant, and answers whether there were any.
    pub fn skip_waiting(&mut self, is_meant: impl Fn(&Step) -> bool) -> bool {
        let mut changed = false;
        for step in self.steps.iter_mut().filter(|step| step.state == StepState::Waiting && is_meant(step)) {
            step.state = StepState::Skipped;
            changed = true;
        }
        changed
    }

    /// Leaves out what somebody else has left out in the stored turn meanwhile.
    pub fn heed(&mut self, stored: &Self) {
        let is_skipped =
            |reply| stored.steps.iter().any(|step| step.reply == reply && step.state == StepState::Skipped);
        self.skip_waiting(|step| is_skipped(step.reply));
    }

    /// Lets the first of these characters, whom `speaker` has named in `reply`, speak next to it. Only where
    /// characters talk to one another of themselves; a character that is to speak anyhow is not added again.
    pub fn add_follow_up(&mut self, reply: MessageId, named: &[CharacterId], step_reply: MessageId) -> bool {
        if self.strategy != TurnStrategy::Natural || self.follow_ups_left == 0 {
            return false;
        }
        let speaker = self.steps.iter().find(|step| step.reply == reply).map(|step| &step.character_id);
        let is_waiting = |id: &CharacterId| {
            self.steps.iter().any(|step| step.character_id == *id && step.state == StepState::Waiting)
        };
        let Some(next) = named.iter().find(|id| Some(*id) != speaker && !is_waiting(id)) else {
            return false;
        };
        self.steps.push(Step {
            reply: step_reply,
            character_id: next.clone(),
            reason: Reason::NamedByCharacter,
            reply_to: reply,
            state: StepState::Waiting,
        });
        self.follow_ups_left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<K>(n: u32) -> Id<K> {
        format!("00000000-0000-7000-8000-{n:012}").parse().unwrap()
    }

    fn step(n: u32, character: &str, reason: Reason) -> Step {
        let character_id = character.parse().unwrap();
        Step { reply: id(n), character_id, reason, reply_to: id(100), state: StepState::Waiting }
    }

    fn turn(steps: Vec<Step>) -> Turn {
        Turn {
            id: id(1),
            conversation_id: "room".parse().unwrap(),
            question: id(100),
            asker: id(2),
            payer: id(2),
            strategy: TurnStrategy::Natural,
            seed: 0,
            candidates: Vec::new(),
            follow_ups_left: follow_ups(&steps),
            steps,
            state: TurnState::Open,
            owner: id(3),
            created_at: Timestamp::from_millis(0),
        }
    }

    fn names(ids: &[&str]) -> Vec<CharacterId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn characters_call_one_another_three_times_and_never_themselves() {
        let mut turn = turn(vec![step(10, "a", Reason::MentionedByName)]);
        let mut speaking = 10;
        for round in 0..5 {
            turn.mark(id(speaking), StepState::Begun);
            let speaker = if round % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
            let added = turn.add_follow_up(id(speaking), &names(&speaker), id(speaking + 1));
            assert_eq!(added, round < 3, "round {round}");
            speaking += u32::from(added);
        }
        assert_eq!(turn.steps.len(), 4);
        assert!(turn.steps.iter().skip(1).all(|step| step.reason == Reason::NamedByCharacter));
    }

    #[test]
    fn who_is_to_speak_anyhow_is_not_called_again_and_lists_call_nobody() {
        let steps = vec![step(10, "a", Reason::MentionedByName), step(11, "b", Reason::MentionedByName)];
        let mut turn = turn(steps);
        turn.mark(id(10), StepState::Begun);
        assert!(!turn.add_follow_up(id(10), &names(&["b"]), id(12)));
        assert!(turn.add_follow_up(id(10), &names(&["b", "c"]), id(12)));
        turn.strategy = TurnStrategy::List;
        assert!(!turn.add_follow_up(id(10), &names(&["d"]), id(13)));
    }

    #[test]
    fn one_greeting_never_brings_five_replies() {
        let chosen = [step(10, "a", Reason::Chosen), step(11, "b", Reason::Chosen)];
        assert_eq!(follow_ups(&chosen), 2);
        assert_eq!(follow_ups(&chosen[..1]), 3);
        assert_eq!(follow_ups(&[step(10, "a", Reason::MentionedById)]), 3);
    }

    #[test]
    fn what_others_left_out_is_heeded_and_what_has_begun_stays() {
        let steps = vec![step(10, "a", Reason::MentionedByName), step(11, "b", Reason::Chosen)];
        let mut stored = turn(steps);
        let mut own = stored.clone();
        own.mark(id(10), StepState::Begun);
        assert!(stored.skip_waiting(|_| true));
        own.heed(&stored);
        let states: Vec<StepState> = own.steps.iter().map(|step| step.state).collect();
        assert_eq!(states, [StepState::Begun, StepState::Skipped]);
        assert!(own.next_step().is_none() && own.has_begun());
    }
}
