//! Turns: decided before the append, worked off after it, one reply at a time in a conversation.
//!
//! The log decides, not memory: whether a step still is to be said is judged when its time comes, from what was said
//! since. So no instance has to tell another of a new message, and what is remembered here (who speaks in a room, who
//! spoke last) only saves reads.

mod choice;
mod stage;
mod step;
mod work;

use std::sync::Arc;

use kernel::{Page, PageRequest, PortError};

use super::{ChatService, Inner};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::Frame;
use crate::message::Message;
use crate::ports::NewMessage;
use crate::room::{Room, TurnStrategy};
use crate::turn::{Step, StepState, Turn, TurnState};

pub(super) use stage::Stage;

/// So many open turns of a conversation are looked at.
const OPEN_TURNS_READ: u32 = 64;
/// A change of a turn that meets another's is tried so often.
const CHANGES_MAX: usize = 4;

impl ChatService {
    /// Works a stored turn off, in a task of its own.
    pub(crate) fn begin_turn(&self, turn: &Turn) {
        self.inner.stage.forget(&turn.conversation_id);
        self.inner.work_on(&turn.conversation_id);
    }

    /// A person has spoken: what older turns of the room would still say unasked is cut, in a task of its own. The
    /// turns' owners judge by the log as well; this frees the room's queue at once.
    pub(crate) async fn cut_unasked(&self, room: &Room, by: &NewMessage) {
        let is_quiet = room.characters.is_empty() || room.settings.turn_strategy == TurnStrategy::Manual;
        if is_quiet || !self.inner.may_have_unasked(room).await {
            return;
        }
        let (inner, room, by) = (Arc::clone(&self.inner), room.id.clone(), (by.id, by.at));
        self.inner.runtime.tasks.spawn(Box::pin(async move {
            let older = |turn: &Turn| turn.question != by.0 && turn.created_at <= by.1;
            if let Err(error) = inner.cut_unasked(&room, older).await {
                tracing::warn!(%error, "unasked steps were not cut; their turns' owner leaves them out");
            }
        }));
    }

    /// A message was taken back: the turn that it began is cut. Its replies are the caller's to stop.
    pub(crate) async fn cut_turns_of(&self, message: &Message) {
        if let Err(error) = self.inner.cut_turn(message).await {
            tracing::warn!(%error, "a turn was not cut; its owner finds its question gone");
        }
    }

    /// A conversation's turns, the newest first, for operators.
    pub async fn turns(&self, id: &ConversationId, page: PageRequest) -> Result<Page<Turn>, ChatError> {
        Ok(self.inner.ports.turns.list(id, page).await?)
    }

    /// Adopts turns whose owner died, and sees to it that a task is at work on each of this instance's. Answers how
    /// many were adopted.
    pub(crate) async fn resume_turns(&self, limit: u32) -> Result<u64, PortError> {
        let inner = &self.inner;
        if inner.running.is_handing_over() {
            return Ok(0);
        }
        let turns = &inner.ports.turns;
        let here = inner.settings.instance;
        let mut adopted = 0;
        if self.trusts_leases() {
            for orphan in turns.orphans(inner.now(), limit).await? {
                if turns.adopt(orphan.id, orphan.owner, here).await? {
                    adopted += 1;
                    inner.work_on(&orphan.conversation_id);
                }
            }
        }
        for own in turns.owned_by(here, limit).await? {
            inner.work_on(&own.conversation_id);
        }
        Ok(adopted)
    }
}

impl Inner {
    /// Sees to it that a task works the conversation's turns off.
    fn work_on(self: &Arc<Self>, conversation: &ConversationId) {
        if self.running.is_handing_over() {
            return;
        }
        if let Some(guard) = self.running.begin_room(conversation) {
            let inner = Arc::clone(self);
            self.runtime.tasks.spawn(Box::pin(async move { work::work(inner, guard).await }));
        }
    }

    async fn cut_unasked(
        self: &Arc<Self>,
        conversation: &ConversationId,
        is_meant: impl Fn(&Turn) -> bool,
    ) -> Result<(), PortError> {
        for before in self.ports.turns.open(conversation, OPEN_TURNS_READ).await? {
            let mut turn = before.clone();
            if !is_meant(&turn) || !turn.skip_waiting(|step: &Step| step.reason.is_unasked()) {
                continue;
            }
            // One that has begun is its owner's to conclude.
            if turn.next_step().is_none() && !turn.has_begun() {
                turn.state = TurnState::Cut;
            }
            // One that its owner changed meanwhile is left to them: they judge by the log.
            if self.ports.turns.replace(&before, &turn).await? && turn.state == TurnState::Cut {
                self.give_back_unsaid(&before);
                self.publish(conversation, Frame::TurnOver { question: turn.question }).await;
            }
        }
        self.stage.forget(conversation);
        Ok(())
    }

    /// Frees what was held for steps of a turn that is over: none of them begins any more.
    fn give_back_unsaid(self: &Arc<Self>, over: &Turn) {
        for step in over.steps.iter().filter(|step| step.state == StepState::Waiting) {
            self.give_back(step.reply);
        }
    }

    /// Cuts the turn that a message began, unless it is over. Answers whether this did it.
    pub(super) async fn cut_turn(self: &Arc<Self>, question: &Message) -> Result<bool, PortError> {
        for _ in 0..CHANGES_MAX {
            let found = self.ports.turns.of_question(question.id).await?;
            let Some(before) = found.filter(|turn| turn.state == TurnState::Open) else { return Ok(false) };
            let mut turn = before.clone();
            turn.skip_waiting(|_| true);
            turn.state = TurnState::Cut;
            if self.ports.turns.replace(&before, &turn).await? {
                self.give_back_unsaid(&before);
                self.stage.forget(&turn.conversation_id);
                self.publish(&turn.conversation_id, Frame::TurnOver { question: turn.question }).await;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
