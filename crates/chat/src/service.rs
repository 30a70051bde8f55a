//! The use cases of chat: sessions, questions, history, stopping.

mod announce;
mod ask;
mod blocks;
mod complete;
mod create;
mod marks;
mod plan;
mod post;
mod recall;
mod reports;
mod rooms;
mod squads;
mod stop;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kernel::{Clock, Entropy, Ids, MessageId, Page, PageRequest, PortError, Tasks, Timestamp, UserId};

use crate::announcer::Announcer;
use crate::block_lists::BlockLists;
use crate::catalog::ModelCatalog;
use crate::content::parse_text;
use crate::conversation::{Conversation, ConversationId};
use crate::counts::MessageCounts;
use crate::error::{ChatError, Field};
use crate::event::{Event, Frame};
use crate::feed::Feeds;
use crate::generation::InstanceId;
use crate::message::{Message, MessageStatus};
use crate::ports::{
    BanList, BlockStore, Broadcaster, BusSignal, ConversationStore, EventLog, GenerationStore, HistoryPage,
    HistoryQuery, Knowledge, Levels, Meter, People, Personas, Presence, ReplyModel, ReportStore, RoomStore,
    StreamBuffer, Throttle, TurnStore,
};
use crate::presence::Here;
use crate::recent_rooms::RecentRooms;
use crate::running::Running;

pub use ask::{Asked, Question};
pub use complete::{Completion, CompletionEvent};
pub use create::{Created, DEFAULT_CHARACTER};
pub use marks::Liked;
pub use post::{Draft, PostOrder, PostPlace, Posted};
pub use reports::Reported;
pub use rooms::{Actor, CreatedRoom, Joined, NewRoom, RoomEdit, RoomView};
pub use squads::{NewSquad, SquadFailure, SquadFrame};
pub use stop::StopState;

/// A session in a list: the conversation and its newest message.
pub type SessionSummary = (Conversation, Option<Message>);

const TITLE_CHARS_MAX: u32 = 100;
/// An instance that has not renewed its lease for so long has died.
const LEASE_SECONDS: i64 = 15;

/// Everything that chat needs of the outside.
pub struct ChatPorts {
    /// Conversations.
    pub conversations: Arc<dyn ConversationStore>,
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Sagas and leases.
    pub generations: Arc<dyn GenerationStore>,
    /// The bus.
    pub broadcaster: Arc<dyn Broadcaster>,
    /// Growing text.
    pub buffer: Arc<dyn StreamBuffer>,
    /// The language model.
    pub model: Arc<dyn ReplyModel>,
    /// Characters.
    pub personas: Arc<dyn Personas>,
    /// The library.
    pub knowledge: Arc<dyn Knowledge>,
    /// Payment.
    pub meter: Arc<dyn Meter>,
    /// Rates.
    pub throttle: Arc<dyn Throttle>,
    /// Rooms and squads.
    pub rooms: Arc<dyn RoomStore>,
    /// Turns.
    pub turns: Arc<dyn TurnStore>,
    /// Who is here.
    pub presence: Arc<dyn Presence>,
    /// What others see of a person.
    pub people: Arc<dyn People>,
    /// Who may not come back into a room.
    pub bans: Arc<dyn BanList>,
    /// Whom people have blocked.
    pub blocks: Arc<dyn BlockStore>,
    /// Reports to the operators.
    pub reports: Arc<dyn ReportStore>,
    /// How far people have come.
    pub levels: Arc<dyn Levels>,
}

/// Time, ids, randomness and tasks.
pub struct ChatRuntime {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The maker of ids.
    pub ids: Arc<Ids>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background work.
    pub tasks: Arc<dyn Tasks>,
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct ChatSettings {
    /// This process.
    pub instance: InstanceId,
    /// Models by alias.
    pub models: ModelCatalog,
    /// Most characters of a message; 0 is no limit.
    pub message_chars: u32,
    /// Most bytes of a reply.
    pub reply_bytes: u32,
    /// Most replies that grow for one person on this instance; 0 is no limit.
    pub streams_per_user: u32,
    /// Passages retrieved for a question.
    pub passages: u32,
    /// Seconds in which an author may recall a message; 0: never.
    pub recall_seconds: u32,
    /// Most people in a room at a time; 0 is no limit.
    pub room_online: u32,
    /// Milliseconds that a busy house waits for more events before it tells of them; 0: none.
    pub gather_ms: u32,
    /// Most events of a recovery or a page.
    pub events_size: u32,
}

/// Chat's use cases. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct ChatService {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ports: ChatPorts,
    pub(crate) runtime: ChatRuntime,
    pub(crate) settings: ChatSettings,
    pub(crate) running: Arc<Running>,
    /// Before this (Unix ms), other instances' leases prove nothing: the database was away, so nobody could renew.
    trusts_leases_from: AtomicI64,
    pub(crate) counts: MessageCounts,
    announcer: Announcer,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) here: Here,
    pub(crate) recent_rooms: RecentRooms,
    block_lists: BlockLists,
    stage: turns::Stage,
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.clock.now()
    }

    /// Watches a conversation. Without a bus the watcher hears nothing, and finds out by asking the log.
    pub(crate) async fn watch(&self, conversation: &ConversationId) -> BoxStream<'static, BusSignal> {
        match self.ports.broadcaster.subscribe(conversation).await {
            Ok(signals) => signals,
            Err(error) => {
                tracing::warn!(%error, "the bus cannot be watched; the log is asked instead");
                stream::pending().boxed()
            }
        }
    }

    /// Asks whoever is at work on a reply to stop. For a reply of this process the buffer is not needed.
    pub(crate) async fn request_stop(&self, message_id: MessageId) -> Result<(), PortError> {
        let is_here = self.running.request_stop(message_id);
        match self.ports.buffer.request_stop(message_id).await {
            Err(error) if is_here => {
                tracing::warn!(%error, "a stop flag was not set; the reply is this process's own");
                Ok(())
            }
            answer => answer,
        }
    }

    /// Tells watchers of committed events, soon: the caller waits for nobody, and nothing can fail.
    pub(crate) fn announce(&self, conversation: &ConversationId, events: Vec<Event>) {
        self.announcer.announce(conversation, events);
    }

    /// Lets watchers look at the log: what was committed is not known here.
    pub(crate) async fn bid_look(&self, conversation: &ConversationId) {
        self.publish(conversation, Frame::Committed { events: Vec::new() }).await;
    }

    /// Publishes a frame. The log has the truth, so a bus that fails is worth a line and no more.
    pub(crate) async fn publish(&self, conversation: &ConversationId, frame: Frame) {
        if let Err(error) = self.ports.broadcaster.publish(conversation, Arc::new(frame)).await {
            tracing::warn!(%error, "a frame was not published; watchers catch up from the log");
        }
    }
}

impl ChatService {
    /// The service on these ports.
    pub fn new(ports: ChatPorts, runtime: ChatRuntime, settings: ChatSettings) -> Self {
        let (bus, tasks, clock) = (&ports.broadcaster, &runtime.tasks, &runtime.clock);
        let announcer =
            Announcer::new(Arc::clone(bus), Arc::clone(tasks), Arc::clone(clock), settings.gather_ms);
        let inner = Inner {
            announcer,
            feeds: Arc::default(),
            here: Here::default(),
            ports,
            runtime,
            settings,
            running: Arc::default(),
            trusts_leases_from: AtomicI64::new(i64::MIN),
            counts: MessageCounts::default(),
            recent_rooms: RecentRooms::default(),
            block_lists: BlockLists::default(),
            stage: turns::Stage::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The models that clients may name.
    pub fn models(&self) -> &ModelCatalog {
        &self.inner.settings.models
    }

    /// A person's sessions, the last active first.
    pub async fn sessions(&self, user: UserId, page: PageRequest) -> Result<Page<SessionSummary>, ChatError> {
        Ok(self.inner.ports.conversations.list(user, page).await?)
    }

    /// One of a person's sessions.
    pub async fn session(&self, user: UserId, id: &str) -> Result<Conversation, ChatError> {
        let id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        self.own(user, &id).await
    }

    /// Gives a session a title.
    pub async fn rename(&self, user: UserId, id: &str, title: &str) -> Result<Conversation, ChatError> {
        let title = parse_text(Field::Title, title, TITLE_CHARS_MAX)?;
        let conversation = self.session(user, id).await?;
        if self.inner.ports.conversations.rename(&conversation.id, &title).await? {
            Ok(Conversation { title, ..conversation })
        } else {
            Err(ChatError::NotFound)
        }
    }

    /// Deletes a session and all that was said in it. A reply that is growing is stopped.
    pub async fn delete(&self, user: UserId, id: &str) -> Result<(), ChatError> {
        let conversation = self.session(user, id).await?;
        let newest = HistoryQuery::Newest { limit: 1 };
        let last = self.inner.ports.log.history(&conversation.id, newest).await?.messages.pop();
        if let Some(message) = last.filter(|message| message.status == MessageStatus::Streaming) {
            self.inner.request_stop(message.id).await?;
        }
        let is_deleted = self.inner.ports.conversations.delete(&conversation.id).await?;
        self.inner.counts.forget(user);
        if is_deleted { Ok(()) } else { Err(ChatError::NotFound) }
    }

    /// A part of the history of a conversation that the person may read.
    pub async fn history(
        &self,
        user: UserId,
        id: &str,
        query: HistoryQuery,
    ) -> Result<HistoryPage, ChatError> {
        let id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        // One read brings page and owner, since a session's is what clients ask for most.
        let page = self.inner.ports.log.history(&id, query).await?;
        if page.owner != Some(user) {
            self.readable(user, &id).await?;
        }
        Ok(page)
    }

    /// How many messages a person has written; may be five seconds old.
    pub async fn message_count(&self, user: UserId) -> Result<u64, ChatError> {
        let now = self.inner.now();
        if let Some(count) = self.inner.counts.get(user, now) {
            return Ok(count);
        }
        let count = self.inner.ports.log.count_by(user).await?;
        self.inner.counts.remember(user, count, now);
        Ok(count)
    }

    /// Says that this instance lives; called every few seconds. While that fails, others cannot say it either: for
    /// a lease's length afterwards nobody's silence is taken for death.
    pub async fn renew_lease(&self) -> Result<(), ChatError> {
        let until = self.inner.now().plus_seconds(LEASE_SECONDS);
        let renewed = self.inner.ports.generations.renew_lease(self.inner.settings.instance, until).await;
        if renewed.is_err() {
            self.inner.trusts_leases_from.store(until.as_millis(), Ordering::Relaxed);
        }
        Ok(renewed?)
    }

    /// Whether a lease or a hold that has run out means that its owner is dead.
    pub fn trusts_leases(&self) -> bool {
        self.inner.now().as_millis() >= self.inner.trusts_leases_from.load(Ordering::Relaxed)
    }

    /// Gives up this instance's lease: what it has not ended, others may close at once.
    pub async fn release_lease(&self) -> Result<(), ChatError> {
        Ok(self.inner.ports.generations.release_lease(self.inner.settings.instance).await?)
    }

    /// Begins no further reply and closes those at work with the text they have: the last step of a process that
    /// has waited for them long enough.
    pub fn hand_over(&self) {
        self.inner.running.hand_over();
    }

    /// Replies growing on this instance, and conversations whose turns it works off.
    pub fn running_count(&self) -> usize {
        self.inner.running.count() + self.inner.running.room_count()
    }

    pub(crate) async fn own(&self, user: UserId, id: &ConversationId) -> Result<Conversation, ChatError> {
        let found = self.inner.ports.conversations.get(id).await?;
        found.filter(|conversation| conversation.owner == user).ok_or(ChatError::NotFound)
    }
}
