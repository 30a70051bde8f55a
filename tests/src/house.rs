//! Chat and billing on a real database, with a scripted model and a clock that the test drives.

mod listening;
mod ports;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{MemoryBroadcaster, MemoryPresence, MemoryStreamBuffer};
use adapter_sql::SqlEventLog;
use billing::BillingService;
use chat::ports::{EventLog, Exchange, ExchangeOutcome, NewQuestion, NewReply, Presence};
use chat::{
    Asked, ChatError, ChatPorts, ChatRuntime, ChatService, ChatSettings, Conversation, ConversationId,
    ConversationKind, Lane, ModelCatalog, ModelLimits, NewRoom, Question, ReplyFrame, ReplyStream, Room,
    RoomProfile, RoomSettings, RoomStatistics,
};
use futures::StreamExt;
use futures::future::{Either, select};
use kernel::{Credits, Id, Ids, ManualClock, MessageId, SeededEntropy, Tariff, Timestamp, UserId};
use server::system::TrackedTasks;
use tokio::runtime::Handle;

pub use listening::Listening;

use crate::backends::Backend;
use crate::fakes::scripted_model::{Calls, ScriptedModel};
use crate::fakes::society::{SameLevel, Society, Turnstile};

use ports::{billing_on, ports_on};

/// Credits of a new account.
pub const WELCOME: i64 = 1_000_000;
/// Prices of the one model: a credit for each token of the prompt, four for each of the answer.
pub const TARIFF: Tariff = Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 };
const OUTPUT_TOKENS_MAX: u32 = 4_000;
/// Names the hold of what a test sets aside.
const SET_ASIDE: MessageId = Id::from_uuid(uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_beef));

/// One server process: its services, and the calls that its model gets.
pub struct House {
    /// Chat.
    pub chat: ChatService,
    /// Billing.
    pub billing: Arc<BillingService>,
    /// The clock, shared by all processes on one database.
    pub clock: Arc<ManualClock>,
    /// What the model was asked.
    pub calls: Calls,
    /// This process, as chat knows it.
    pub instance: chat::InstanceId,
    /// A person without an account yet.
    pub user: UserId,
    /// Rates, which a test may use up.
    pub turnstile: Arc<Turnstile>,
    /// What others see of people, which a test may lose.
    pub society: Arc<Society>,
    /// How far everybody has come.
    pub level: Arc<SameLevel>,
    /// What carries frames, text and presence.
    pub live: Live,
    seed: u64,
}

/// What carries frames, growing text and presence to a process.
#[derive(Clone)]
pub struct Live {
    /// Frames and text.
    pub lane: Lane,
    /// Who is here.
    pub presence: Arc<dyn Presence>,
}

impl Live {
    /// All in process.
    pub fn in_process(clock: &Arc<ManualClock>) -> Self {
        let bus = MemoryBroadcaster::new(1_024);
        let buffer = MemoryStreamBuffer::new(bus.clone(), clock.clone());
        let lane = Lane { broadcaster: Arc::new(bus), buffer: Arc::new(buffer) };
        Self { lane, presence: Arc::new(MemoryPresence::default()) }
    }
}

impl House {
    /// The first process on a database.
    pub fn on(backend: &Backend) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let live = Live::in_process(&clock);
        Self::start(backend, clock, live, 1)
    }

    /// Another process on the same database, bus and clock.
    pub fn second(&self, backend: &Backend) -> Self {
        self.beside(backend, self.live.clone())
    }

    /// Another process on the same database and clock, with its own way to others.
    pub fn beside(&self, backend: &Backend, live: Live) -> Self {
        let mut house = Self::start(backend, self.clock.clone(), live, self.seed + 1);
        house.user = self.user;
        house
    }

    /// A process on a database with this clock and way to others.
    pub fn start(backend: &Backend, clock: Arc<ManualClock>, live: Live, seed: u64) -> Self {
        Self::start_with(backend, clock, live, seed, |_| ())
    }

    /// The same, with a change to its ports.
    pub fn start_with(
        backend: &Backend,
        clock: Arc<ManualClock>,
        live: Live,
        seed: u64,
        change: impl FnOnce(&mut ChatPorts),
    ) -> Self {
        let entropy = Arc::new(SeededEntropy::new(seed));
        let ids = Arc::new(Ids::new(clock.clone(), entropy.clone()));
        let instance = ids.next();
        let billing = Arc::new(billing_on(backend, &clock, &ids, instance));
        let (model, calls) = ScriptedModel::new();
        let runtime = ChatRuntime {
            clock: clock.clone(),
            ids: ids.clone(),
            entropy,
            tasks: Arc::new(TrackedTasks::on(Handle::current())),
        };
        let settings = ChatSettings {
            instance: Id::from_uuid(instance.as_uuid()),
            models: ModelCatalog::new([(
                "default".to_owned(),
                ModelLimits { output_tokens_max: OUTPUT_TOKENS_MAX, context_tokens_max: 64_000 },
            )]),
            message_chars: 1_000,
            reply_bytes: 131_072,
            streams_per_user: 2,
            passages: 4,
            recall_seconds: 120,
            room_online: 100,
            events_size: 300,
            gather_ms: 0,
        };
        let (turnstile, society) = (Arc::<Turnstile>::default(), Arc::<Society>::default());
        let level = Arc::<SameLevel>::default();
        let mut ports = ChatPorts {
            throttle: turnstile.clone(),
            people: society.clone(),
            levels: level.clone(),
            ..ports_on(backend, Arc::new(model), &billing, &live)
        };
        change(&mut ports);
        let chat = ChatService::new(ports, runtime, settings);
        Self {
            chat,
            billing,
            clock,
            calls,
            instance: Id::from_uuid(instance.as_uuid()),
            user: ids.next(),
            turnstile,
            society,
            level,
            live,
            seed,
        }
    }

    /// Another person, the same for the same number.
    pub fn person(&self, n: u128) -> UserId {
        Id::from_uuid(uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + n))
    }

    /// A private room of the house's person.
    pub async fn room(&self, room: NewRoom) -> Room {
        let profile = RoomProfile { name: "书房".to_owned(), ..room.profile };
        let room = NewRoom { profile, ..room };
        self.chat.create_room(self.user, room, None).await.expect("a room").room
    }

    /// A room that is there from the start.
    pub async fn public_room(&self, settings: RoomSettings) -> Room {
        let at = kernel::Clock::now(&*self.clock);
        let room = Room {
            id: "guoxue_room".parse().expect("a slug"),
            kind: ConversationKind::Room,
            owner: None,
            is_public: true,
            profile: RoomProfile { name: "国学书院".to_owned(), ..RoomProfile::default() },
            settings,
            characters: vec!["classics_kongzi".parse().expect("a slug")],
            epoch: "e".to_owned(),
            head: 0,
            created_at: at,
            last_active_at: at,
            closed_at: None,
            statistics: RoomStatistics::default(),
        };
        self.chat.ensure_rooms(std::slice::from_ref(&room)).await.expect("the room is stored");
        room
    }

    /// What the bus carries of a conversation from now on.
    pub async fn listen(&self, conversation: &ConversationId) -> Listening {
        let signals = self.live.lane.broadcaster.subscribe(conversation).await.expect("the bus in memory");
        Listening { signals, clock: self.clock.clone() }
    }

    /// A session of the house's person.
    pub async fn session(&self) -> Conversation {
        self.chat.create_session(self.user, None, None).await.expect("a session")
    }

    /// Asks, and returns what was taken.
    pub async fn ask(&self, session: &Conversation, content: &str) -> Result<Asked, ChatError> {
        let question = Question { content: content.to_owned(), ..Question::default() };
        self.chat.ask(self.user, session.id.as_str(), question).await
    }

    /// The next call of the model.
    pub async fn call(&mut self) -> crate::fakes::scripted_model::Call {
        let Self { calls, clock, .. } = self;
        driven(clock, calls.next()).await.expect("the model is called")
    }

    /// What the person can spend, and what is held.
    pub async fn balance(&self) -> (i64, i64) {
        let balance = self.billing.balance(self.user).await.expect("a balance");
        (balance.available.get(), balance.held.get())
    }

    /// Leaves so many credits of a new account; the others are set aside.
    pub async fn leave_only(&self, credits: i64) {
        self.set_aside(WELCOME - credits).await;
        assert_eq!(self.balance().await, (credits, WELCOME - credits));
    }

    /// Sets so many credits aside.
    pub async fn set_aside(&self, credits: i64) {
        let request = billing::HoldRequest {
            message_id: SET_ASIDE,
            payer: billing::Owner::User(self.user),
            model_alias: "default".to_owned(),
            prompt_tokens_max: u32::try_from(credits).expect("as many as an account has"),
            output_tokens_wanted: 0,
            output_tokens_min: 0,
            at: kernel::Clock::now(&*self.clock),
        };
        self.billing.reserve(request).await.expect("a hold");
    }

    /// Gives back what was set aside.
    pub async fn give_back_all(&self) {
        let now = kernel::Clock::now(&*self.clock);
        self.billing.void(SET_ASIDE, now).await.expect("the hold is freed");
    }

    /// Reads a stream to its end while the clock runs.
    pub async fn frames(&self, stream: ReplyStream) -> Vec<ReplyFrame> {
        driven(&self.clock, stream.collect()).await
    }
}

/// The text that a watcher puts together, by the rule for deltas.
pub fn text_of(frames: &[ReplyFrame]) -> String {
    let mut text: Vec<u16> = Vec::new();
    for frame in frames {
        if let ReplyFrame::Delta { offset, text: tail, .. } = frame {
            assert_eq!(usize::try_from(*offset).unwrap(), text.len(), "a delta goes on where the last ended");
            text.extend(tail.encode_utf16());
        }
    }
    String::from_utf16(&text).expect("no pair was split")
}

/// Runs a future while the clock goes ten times as fast as a real one.
pub async fn driven<F: Future>(clock: &ManualClock, work: F) -> F::Output {
    let mut work = pin!(work);
    for _ in 0..60_000 {
        let beat = pin!(tokio::time::sleep(Duration::from_millis(1)));
        match select(work.as_mut(), beat).await {
            Either::Left((output, _)) => return output,
            Either::Right(((), _)) => clock.advance_millis(10),
        }
    }
    panic!("the work did not end within ten minutes of the clock");
}

/// A saga of this house's instance in the log, with its hold, and no task at work on it.
pub async fn orphan(backend: &Backend, house: &House, session: &Conversation) -> MessageId {
    let ids = Ids::new(house.clock.clone(), Arc::new(SeededEntropy::new(99)));
    let at = kernel::Clock::now(&*house.clock);
    let reply_id: MessageId = ids.next();
    let request = billing::HoldRequest {
        message_id: reply_id,
        payer: billing::Owner::User(house.user),
        model_alias: "default".to_owned(),
        prompt_tokens_max: 10,
        output_tokens_wanted: 10,
        output_tokens_min: 10,
        at,
    };
    house.billing.reserve(request).await.expect("a hold");
    let exchange = Exchange {
        conversation_id: session.id.clone(),
        question: NewQuestion {
            id: ids.next(),
            author: house.user,
            content: "问".to_owned(),
            client_msg_id: None,
            body_hash: String::new(),
        },
        reply: NewReply {
            id: reply_id,
            character_id: session.character_id.clone(),
            owner: house.instance,
            payer: house.user,
            model_alias: "default".to_owned(),
            tariff: TARIFF,
            held: Credits::new(50),
            prompt_tokens_estimate: 10,
        },
        title_if_empty: String::new(),
        at,
    };
    let log = SqlEventLog::new(backend.store.clone());
    let appended = log.append_exchange(&exchange).await.expect("an append");
    assert!(matches!(appended, ExchangeOutcome::Appended { .. }));
    reply_id
}
