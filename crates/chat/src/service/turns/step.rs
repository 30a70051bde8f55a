//! One step of a turn: a character reads what was said until now, and answers.
//!
//! The order is the contract: is it still to be said, **hold**, `ai_start`, and only then the model. The step's reply
//! has its id from the start, so that a hold or a reply of an earlier try is found and not made twice.

use std::sync::Arc;

use kernel::{MessageId, PortError, UserId};

use super::stage::Cast;
use super::work::Worker;
use crate::conversation::{CharacterId, ConversationId};
use crate::error::ChatError;
use crate::event::{Event, EventBody, Notice};
use crate::generation::GenerationState;
use crate::message::{Author, Message, MessageStatus};
use crate::ports::{HistoryQuery, NewReply, Persona, ReplyStart, StartOutcome};
use crate::prompt::{self, Company, RoomPromptParts};
use crate::reply::{self, ReplyJob, retried};
use crate::room::{Payer, PayerRule, Room, UserCard};
use crate::service::plan::{HISTORY_MESSAGES, Plan};
use crate::turn::{Step, StepState, Turn, TurnState};

/// What became of a step.
pub(super) enum StepOutcome {
    /// It is done or left out.
    Next,
    /// A reply of the conversation still grows.
    Wait,
    /// The turn is over.
    Over(TurnState),
    /// The turn is no longer this task's.
    Left,
}

/// What a step answers, and what was said until then.
struct Ground {
    history: Vec<Message>,
    /// The message that is answered.
    answered: Message,
}

/// Whether a step is to be taken.
enum Look {
    Take(Box<Ground>),
    Not(StepOutcome),
    /// It is left out, with a word to the asker where a system failed.
    Skip(Option<Notice>),
}

impl Worker {
    pub(super) async fn take(
        &self,
        room: &Room,
        turn: &mut Turn,
        step: &Step,
    ) -> Result<StepOutcome, PortError> {
        let cast = self.inner.cast(&room.characters).await?;
        let ground = match self.look(turn, step).await? {
            Look::Take(ground) => ground,
            Look::Not(outcome) => return Ok(outcome),
            Look::Skip(notice) => return self.skip(turn, step, notice).await,
        };
        let silenced = room.settings.muted_characters.contains(&step.character_id);
        let Some(persona) = cast.persona(&step.character_id).filter(|_| !silenced) else {
            return self.skip(turn, step, None).await;
        };
        let plan = match self.plan(room, (turn, step), (&cast, persona), &ground).await {
            Ok(plan) => plan,
            Err(ChatError::Port(error)) => return Err(error),
            Err(error) => return self.cannot(turn, step, &error).await,
        };
        match self.reserve(turn, plan).await {
            Ok(job) => {
                let step = Step { reply: job.request.message_id, ..step.clone() };
                self.begin(room, turn, &step, job).await
            }
            Err(ChatError::InsufficientBalance { .. }) => {
                self.notify(turn, turn.payer, Notice::InsufficientBalance).await;
                Ok(StepOutcome::Over(TurnState::Refused))
            }
            Err(ChatError::Port(error @ (PortError::Unavailable { .. } | PortError::Full { .. }))) => {
                Err(error)
            }
            Err(error) => self.cannot(turn, step, &error).await,
        }
    }

    /// Holds the reply's worst case. Where an earlier try gave its hold back, the step gets another reply.
    async fn reserve(&self, turn: &mut Turn, plan: Plan) -> Result<ReplyJob, ChatError> {
        match self.try_reserve(turn, &plan).await {
            Err(ChatError::Port(PortError::Rejected { .. })) => {
                let fresh = self.inner.runtime.ids.next();
                turn.renew(plan.reply_id, fresh);
                self.inner.ports.turns.update(turn).await?;
                self.try_reserve(turn, &Plan { reply_id: fresh, ..plan }).await
            }
            answer => answer,
        }
    }

    /// A try that failed may have been written all the same: what it holds is freed.
    async fn try_reserve(&self, turn: &Turn, plan: &Plan) -> Result<ReplyJob, ChatError> {
        let answer = self.inner.reserve(&turn.conversation_id, plan).await;
        if matches!(answer, Err(ChatError::Port(_))) {
            self.give_back(plan.reply_id).await;
        }
        answer
    }

    /// Whether the step is still to be said, by what the log says now.
    async fn look(&self, turn: &mut Turn, step: &Step) -> Result<Look, PortError> {
        let ports = &self.inner.ports;
        if let Some(saga) = ports.generations.get(step.reply).await? {
            // An earlier try began it; where its owner died, the sweep ends it.
            turn.mark(step.reply, StepState::Begun);
            let is_kept = ports.turns.update(turn).await?;
            let is_growing = saga.state == GenerationState::Streaming;
            return Ok(Look::Not(match (is_kept, is_growing) {
                (false, _) => StepOutcome::Left,
                (true, true) => StepOutcome::Wait,
                (true, false) => StepOutcome::Next,
            }));
        }
        if !ports.log.streaming(&turn.conversation_id).await?.is_empty() {
            return Ok(Look::Not(StepOutcome::Wait));
        }
        let Some(question) = ports.log.message(turn.question).await?.filter(is_there) else {
            return Ok(Look::Not(StepOutcome::Over(TurnState::Cut)));
        };
        let newest = HistoryQuery::Newest { limit: HISTORY_MESSAGES };
        let history = ports.log.history(&turn.conversation_id, newest).await?.messages;
        if step.reason.is_unasked() && is_overtaken(&question, &history) {
            return Ok(Look::Skip(None));
        }
        let answered = if step.reply_to == question.id {
            question
        } else {
            match ports.log.message(step.reply_to).await?.filter(is_there) {
                Some(answered) => answered,
                None => return Ok(Look::Skip(None)),
            }
        };
        Ok(Look::Take(Box::new(Ground { history, answered })))
    }

    async fn plan(
        &self,
        room: &Room,
        (turn, step): (&Turn, &Step),
        (cast, persona): (&Cast, &Persona),
        ground: &Ground,
    ) -> Result<Plan, ChatError> {
        let Ground { history, answered } = ground;
        let budget = self.inner.budget(None)?;
        let passages = if persona.uses_knowledge {
            self.inner.passages(persona, &answered.content).await
        } else {
            Vec::new()
        };
        let people = self.people(history, answered).await;
        let prompt = prompt::build_in_room(RoomPromptParts {
            persona,
            company: Company {
                title: &room.profile.name,
                subject: &room.profile.description,
                characters: &cast.personas,
                people: &people,
            },
            passages: &passages,
            history,
            question: answered,
            tokens_max: budget.prompt_tokens_max,
        });
        let payer = match room.settings.payer {
            PayerRule::Pool => Payer::Pool(room.id.clone()),
            PayerRule::Speaker | PayerRule::Owner => Payer::User(turn.payer),
        };
        Ok(Plan { reply_id: step.reply, budget, prompt, asker: turn.asker, payer })
    }

    /// The names of people in the history. Without them the people are nameless, and the answer comes all the same.
    async fn people(&self, history: &[Message], answered: &Message) -> Vec<UserCard> {
        let authors = history.iter().chain([answered]).filter_map(|message| match message.author {
            Author::User(user) => Some(user),
            Author::Character(_) | Author::System => None,
        });
        let mut users: Vec<UserId> = authors.collect();
        users.sort_unstable();
        users.dedup();
        match self.inner.ports.people.cards(&users).await {
            Ok(cards) => cards,
            Err(error) => {
                tracing::warn!(%error, "people's names were not read for a prompt");
                Vec::new()
            }
        }
    }

    async fn begin(
        &self,
        room: &Room,
        turn: &mut Turn,
        step: &Step,
        job: ReplyJob,
    ) -> Result<StepOutcome, PortError> {
        let inner = &self.inner;
        // A person may have any number of rooms: what bounds their replies is one at a time in each.
        let Some(guard) = inner.running.begin(turn.asker, step.reply, 0) else {
            return Ok(StepOutcome::Wait);
        };
        let start = self.start(turn, step, &job);
        match retried(inner, || inner.ports.log.append_start(&start)).await {
            Ok(StartOutcome::Started { seq }) => self.announce(&start, seq),
            // The answer to this try was lost and not the try, or a former owner of the turn began it.
            Ok(StartOutcome::AlreadyStarted) => {
                if !self.is_own(step.reply).await? {
                    return Ok(StepOutcome::Wait);
                }
                inner.bid_look(&turn.conversation_id).await;
            }
            Ok(refused) => {
                self.give_back(step.reply).await;
                return self.not_begun(turn, step, refused).await;
            }
            Err(error) => {
                self.give_back(step.reply).await;
                return Err(error);
            }
        }
        turn.mark(step.reply, StepState::Begun);
        inner.stage.forget(&turn.conversation_id);
        let is_left = match inner.ports.turns.update(turn).await {
            Ok(is_kept) => !is_kept,
            // The saga says it as well: whoever goes on with the turn finds it.
            Err(error) => {
                tracing::warn!(%error, "a step was not noted as begun");
                false
            }
        };
        if is_left {
            // The turn was cut, or adopted, at this very moment.
            inner.running.request_stop(step.reply);
        }
        let job = ReplyJob { watchers: self.watchers(&turn.conversation_id).await, ..job };
        reply::run(Arc::clone(inner), job, guard).await;
        inner.stage.forget(&turn.conversation_id);
        if is_left { Ok(StepOutcome::Left) } else { self.go_on(room, turn, step).await }
    }

    /// Without the common count a reply is flushed as to a few.
    async fn watchers(&self, conversation: &ConversationId) -> u32 {
        match self.inner.ports.presence.online(conversation, self.inner.now(), 0).await {
            Ok(online) => online.count,
            Err(error) => {
                tracing::debug!(%error, "how many watch a reply is not known");
                0
            }
        }
    }

    async fn is_own(&self, reply: MessageId) -> Result<bool, PortError> {
        let generations = &self.inner.ports.generations;
        let saga = retried(&self.inner, || generations.get(reply)).await?;
        Ok(saga.is_some_and(|saga| saga.owner == self.inner.settings.instance))
    }

    async fn not_begun(
        &self,
        turn: &mut Turn,
        step: &Step,
        refused: StartOutcome,
    ) -> Result<StepOutcome, PortError> {
        match refused {
            StartOutcome::ReplyInProgress => Ok(StepOutcome::Wait),
            StartOutcome::TurnOver => Ok(StepOutcome::Left),
            StartOutcome::NoQuestion if step.reply_to != turn.question => self.skip(turn, step, None).await,
            StartOutcome::NoQuestion
            | StartOutcome::NoConversation
            | StartOutcome::Started { .. }
            | StartOutcome::AlreadyStarted => Ok(StepOutcome::Over(TurnState::Cut)),
        }
    }

    /// Frees the hold of a reply that did not begin. Waited for, so that another try never meets it half-way.
    pub(super) async fn give_back(&self, reply: MessageId) {
        if let Err(error) = reply::give_back(&self.inner, reply).await {
            tracing::warn!(%error, message.id = %reply, "a hold was not freed; it will run out");
        }
    }

    /// After a reply: whom it names speaks next; a stop cuts the turn.
    async fn go_on(&self, room: &Room, turn: &mut Turn, step: &Step) -> Result<StepOutcome, PortError> {
        let Some(reply) = self.inner.ports.log.message(step.reply).await? else {
            return Ok(StepOutcome::Over(TurnState::Cut));
        };
        match reply.status {
            MessageStatus::Stopped => return Ok(StepOutcome::Over(TurnState::Cut)),
            // Another instance closed it, and adopts the turn.
            MessageStatus::Streaming => return Ok(StepOutcome::Wait),
            MessageStatus::Failed | MessageStatus::Blocked | MessageStatus::Recalled => {
                return Ok(StepOutcome::Next);
            }
            MessageStatus::Done => {}
        }
        let cast = self.inner.cast(&room.characters).await?;
        let muted = &room.settings.muted_characters;
        let mut named: Vec<CharacterId> = cast.names.named_in(&reply.content);
        named.retain(|id| !muted.contains(id));
        if turn.add_follow_up(reply.id, &named, self.inner.runtime.ids.next())
            && !self.inner.ports.turns.update(turn).await?
        {
            return Ok(StepOutcome::Left);
        }
        Ok(StepOutcome::Next)
    }

    fn start(&self, turn: &Turn, step: &Step, job: &ReplyJob) -> ReplyStart {
        ReplyStart {
            conversation_id: turn.conversation_id.clone(),
            turn: Some(turn.id),
            reply_to: step.reply_to,
            reply: NewReply {
                id: step.reply,
                character_id: step.character_id.clone(),
                owner: self.inner.settings.instance,
                payer: turn.payer,
                model_alias: job.request.model_alias.clone(),
                tariff: job.tariff,
                held: job.held,
                prompt_tokens_estimate: job.prompt_tokens_estimate,
            },
            at: self.inner.now(),
        }
    }

    fn announce(&self, start: &ReplyStart, seq: u64) {
        let author = Author::Character(start.reply.character_id.clone());
        let message = Message {
            status: MessageStatus::Streaming,
            reply_to: Some(start.reply_to),
            generation: 1,
            ..Message::blank(start.reply.id, start.conversation_id.clone(), seq, author, start.at)
        };
        let body = EventBody::AiStart { message_id: start.reply.id, generation: 1 };
        let event = Event { seq, body, created_at: start.at, message: Some(message), author: None };
        self.inner.announce(&start.conversation_id, vec![event]);
    }

    /// A step that cannot be taken, whenever it is tried.
    async fn cannot(
        &self,
        turn: &mut Turn,
        step: &Step,
        error: &ChatError,
    ) -> Result<StepOutcome, PortError> {
        tracing::error!(%error, message.id = %step.reply, "a character cannot answer; it is left out");
        self.skip(turn, step, Some(Notice::Unavailable)).await
    }

    async fn skip(
        &self,
        turn: &mut Turn,
        step: &Step,
        notice: Option<Notice>,
    ) -> Result<StepOutcome, PortError> {
        // An earlier try may have held something.
        self.give_back(step.reply).await;
        turn.mark(step.reply, StepState::Skipped);
        if let Some(notice) = notice {
            self.notify(turn, turn.asker, notice).await;
        }
        // The last word on a turn is its end, which is stored anyhow.
        if turn.next_step().is_none() || self.inner.ports.turns.update(turn).await? {
            Ok(StepOutcome::Next)
        } else {
            Ok(StepOutcome::Left)
        }
    }
}

/// Whether a person has spoken since: then what nobody asked for is not said any more.
fn is_overtaken(question: &Message, history: &[Message]) -> bool {
    let is_by_a_person = |message: &Message| match message.author {
        Author::User(_) => true,
        Author::Character(_) | Author::System => false,
    };
    history.iter().any(|message| message.seq > question.seq && is_by_a_person(message))
}

fn is_there(message: &Message) -> bool {
    message.status != MessageStatus::Recalled
}
