//! The task that works a conversation's turns off: the oldest first, its steps one after the other, and only while
//! no reply of the conversation grows, on whichever instance.
//!
//! It lives while this instance has turns there. What goes wrong ends it; the sweep begins another, which finds in the
//! log what was done.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use kernel::{MessageId, PortError, UserId};

use super::OPEN_TURNS_READ;
use super::step::StepOutcome;
use crate::conversation::ConversationId;
use crate::event::{EventBody, Frame, Notice};
use crate::ports::BusSignal;
use crate::room::Room;
use crate::running::RoomGuard;
use crate::service::Inner;
use crate::turn::{StepState, Turn, TurnState};

/// The log is asked this often whether it is a turn's time, should a frame have been lost.
const POLL_MS: i64 = 1_000;
/// An answer that comes later than this answers nobody.
const TURN_LIFE_MS: i64 = 900_000;
/// A room's delay before its first answer is not longer.
const DELAY_MS_MAX: i64 = 60_000;

/// Works the turns of a conversation off until none of this instance's is left.
pub(super) async fn work(inner: Arc<Inner>, guard: RoomGuard) {
    let mut ear = Ear { inner: Arc::clone(&inner), room: guard.room().clone(), bus: None };
    let worker = Worker { inner, guard };
    while let Some(next) = worker.next().await {
        let worked = match next {
            Next::Turn(turn) => worker.work_off(*turn, &mut ear).await,
            Next::Wait => {
                ear.wait().await;
                Ok(())
            }
        };
        if let Err(error) = worked {
            tracing::warn!(%error, "a turn was not worked off; the next sweep goes on with it");
            return;
        }
    }
}

enum Next {
    /// It is this turn's time.
    Turn(Box<Turn>),
    /// Another instance's turn comes first.
    Wait,
}

pub(super) struct Worker {
    pub(super) inner: Arc<Inner>,
    guard: RoomGuard,
}

/// Hears when it may be a turn's time.
struct Ear {
    inner: Arc<Inner>,
    room: ConversationId,
    bus: Option<BoxStream<'static, BusSignal>>,
}

impl Worker {
    /// What is to be done, or `None` where nothing is, or nothing may be done any more.
    async fn next(&self) -> Option<Next> {
        let here = self.inner.settings.instance;
        loop {
            if self.inner.running.is_handing_over() {
                return None;
            }
            let open = match self.inner.ports.turns.open(self.guard.room(), OPEN_TURNS_READ).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(%error, "a room's turns were not read; the next sweep goes on with them");
                    return None;
                }
            };
            let is_own = open.iter().any(|turn| turn.owner == here);
            match open.into_iter().next() {
                Some(turn) if turn.owner == here => return Some(Next::Turn(Box::new(turn))),
                Some(_) if is_own => return Some(Next::Wait),
                Some(_) | None if self.guard.has_news() => {}
                Some(_) | None => return None,
            }
        }
    }

    async fn work_off(&self, mut turn: Turn, ear: &mut Ear) -> Result<(), PortError> {
        let Some(room) = self.inner.ports.rooms.room(&turn.conversation_id).await? else {
            return self.conclude(&mut turn, TurnState::Cut).await;
        };
        if room.closed_at.is_some() {
            return self.conclude(&mut turn, TurnState::Cut).await;
        }
        if !turn.has_begun() {
            self.delay(&turn, &room).await;
        }
        loop {
            if self.inner.running.is_handing_over() {
                return Ok(());
            }
            if !self.heed(&mut turn).await? {
                return Ok(());
            }
            if self.inner.now().millis_since(turn.created_at) > TURN_LIFE_MS {
                self.notify(&turn, turn.asker, Notice::Unavailable).await;
                return self.conclude(&mut turn, TurnState::Failed).await;
            }
            let Some(step) = turn.next_step().cloned() else {
                let state = if turn.has_begun() { TurnState::Done } else { TurnState::Cut };
                return self.conclude(&mut turn, state).await;
            };
            match self.take(&room, &mut turn, &step).await? {
                StepOutcome::Next => {}
                StepOutcome::Wait => ear.wait().await,
                StepOutcome::Over(state) => return self.conclude(&mut turn, state).await,
                StepOutcome::Left => return Ok(()),
            }
        }
    }

    /// Takes over what others have left out of the stored turn. `false` where it is over or another's.
    async fn heed(&self, turn: &mut Turn) -> Result<bool, PortError> {
        match self.inner.ports.turns.get(turn.id).await? {
            Some(stored) if stored.state == TurnState::Open && stored.owner == turn.owner => {
                turn.heed(&stored);
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Ends a turn: what waits is left out, and whoever watches is told. Somebody else may have ended it before.
    async fn conclude(&self, turn: &mut Turn, state: TurnState) -> Result<(), PortError> {
        let waiting = turn.steps.iter().filter(|step| step.state == StepState::Waiting);
        let unsaid: Vec<MessageId> = waiting.map(|step| step.reply).collect();
        turn.skip_waiting(|_| true);
        turn.state = state;
        if self.inner.ports.turns.update(turn).await? {
            for reply in unsaid {
                self.give_back(reply).await;
            }
            self.inner.stage.forget(&turn.conversation_id);
            self.inner.publish(&turn.conversation_id, Frame::TurnOver { question: turn.question }).await;
        }
        Ok(())
    }

    pub(super) async fn notify(&self, turn: &Turn, user_id: UserId, notice: Notice) {
        let frame = Frame::Notice { user_id, question: turn.question, notice };
        self.inner.publish(&turn.conversation_id, frame).await;
    }

    /// The pause that a room wants before its first answer, from the question on.
    async fn delay(&self, turn: &Turn, room: &Room) {
        let delay = i64::from(room.settings.ai_response_delay).min(DELAY_MS_MAX);
        let clock = &self.inner.runtime.clock;
        let end = turn.created_at.plus_millis(delay);
        while clock.now() < end && !self.inner.running.is_handing_over() {
            clock.sleep_until(end.min(clock.now().plus_millis(POLL_MS))).await;
        }
    }
}

impl Ear {
    /// Waits until it may be a turn's time: a reply or a turn has ended, or a second has passed.
    async fn wait(&mut self) {
        let Some(bus) = &mut self.bus else {
            // What ended before the watch began is found by looking once more.
            self.bus = Some(self.inner.watch(&self.room).await);
            return;
        };
        let clock = &self.inner.runtime.clock;
        let mut poll = clock.sleep_until(clock.now().plus_millis(POLL_MS));
        loop {
            match select(bus.next(), poll).await {
                Either::Left((Some(BusSignal::Frame(frame)), rest)) if !is_an_end(&frame) => poll = rest,
                Either::Left((Some(BusSignal::Frame(_) | BusSignal::Missed), _)) | Either::Right(_) => return,
                Either::Left((None, rest)) => {
                    // The bus is gone: from now on only the poll wakes this task.
                    self.bus = Some(stream::pending().boxed());
                    return rest.await;
                }
            }
        }
    }
}

fn is_an_end(frame: &Frame) -> bool {
    match frame {
        Frame::Committed { events } => {
            // None at all: an end may be among what is not told.
            events.is_empty() || events.iter().any(|event| matches!(event.body, EventBody::AiEnd { .. }))
        }
        Frame::TurnOver { .. } => true,
        Frame::Delta { .. }
        | Frame::Settled { .. }
        | Frame::Typing { .. }
        | Frame::Read { .. }
        | Frame::Presence { .. }
        | Frame::Notice { .. }
        | Frame::Expelled { .. } => false,
    }
}
