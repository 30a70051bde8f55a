//! Chat and billing on a real database, with a scripted model and a clock that the test drives.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{MemoryBroadcaster, MemoryPresence, MemoryStreamBuffer};
use adapter_sql::{SqlConversations, SqlEventLog, SqlGenerations, SqlLedger, SqlRooms, SqlTurns};
use async_trait::async_trait;
use billing::{BillingPorts, BillingService, BillingSettings, Calendar, Price, PriceTable};
use chat::event::Frame;
use chat::ports::{
    BusSignal, EventLog, Exchange, ExchangeOutcome, Knowledge, NewQuestion, NewReply, Presence, ReplyModel,
    Retrieved,
};
use chat::{
    Asked, ChatError, ChatPorts, ChatRuntime, ChatService, ChatSettings, Conversation, ConversationId,
    ConversationKind, Lane, ModelCatalog, ModelLimits, NewRoom, Question, ReplyFrame, ReplyStream, Room,
    RoomProfile, RoomSettings, RoomStatistics,
};
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::BoxStream;
use kernel::{Credits, Id, Ids, ManualClock, MessageId, PortError, SeededEntropy, Tariff, Timestamp, UserId};
use server::bridge::BillingMeter;
use server::system::TrackedTasks;
use tokio::runtime::Handle;

use crate::backends::Backend;
use crate::fakes::scripted_model::{Calls, ScriptedModel};
use crate::fakes::society::{Cast, Society, Turnstile};

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
        let ports = ChatPorts {
            throttle: turnstile.clone(),
            people: society.clone(),
            ..ports_on(backend, Arc::new(model), &billing, &live)
        };
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

/// Frames of a conversation, one after the other.
pub struct Listening {
    signals: BoxStream<'static, BusSignal>,
    clock: Arc<ManualClock>,
}

impl Listening {
    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        match driven(&self.clock, self.signals.next()).await {
            Some(BusSignal::Frame(frame)) => Frame::clone(&frame),
            other => panic!("the bus in memory loses nothing here: {other:?}"),
        }
    }

    /// The next frame that is wanted; others are passed over.
    pub async fn until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.frame().await;
            if is_wanted(&frame) {
                return frame;
            }
        }
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

fn billing_on(
    backend: &Backend,
    clock: &Arc<ManualClock>,
    ids: &Arc<Ids>,
    instance: billing::InstanceId,
) -> BillingService {
    let prices =
        PriceTable::new([Price::always("default", TARIFF)], Calendar::default()).expect("a price table");
    let ledger = Arc::new(SqlLedger::new(backend.store.clone(), Arc::clone(ids)));
    BillingService::new(
        BillingPorts { ledger: Arc::<SqlLedger>::clone(&ledger), cashier: ledger },
        prices,
        clock.clone(),
        ids.clone(),
        BillingSettings::new(Credits::new(WELCOME), instance),
    )
}

fn ports_on(
    backend: &Backend,
    model: Arc<dyn ReplyModel>,
    billing: &Arc<BillingService>,
    live: &Live,
) -> ChatPorts {
    ChatPorts {
        conversations: Arc::new(SqlConversations::new(backend.store.clone())),
        log: Arc::new(SqlEventLog::new(backend.store.clone())),
        generations: Arc::new(SqlGenerations::new(backend.store.clone())),
        broadcaster: live.lane.broadcaster.clone(),
        buffer: live.lane.buffer.clone(),
        model,
        personas: Arc::new(Cast),
        knowledge: Arc::new(OnePassage),
        meter: Arc::new(BillingMeter(billing.clone())),
        throttle: Arc::new(Turnstile::default()),
        rooms: Arc::new(SqlRooms::new(backend.store.clone())),
        turns: Arc::new(SqlTurns::new(backend.store.clone())),
        presence: live.presence.clone(),
        people: Arc::new(Society::default()),
    }
}

/// The library has one passage.
struct OnePassage;

#[async_trait]
impl Knowledge for OnePassage {
    async fn retrieve(&self, _: &str, _: &[String], _: u32) -> Result<Vec<Retrieved>, PortError> {
        Ok(vec![Retrieved {
            passage_id: "lunyu.1.1".to_owned(),
            work: "论语".to_owned(),
            chapter: "学而".to_owned(),
            text: "学而时习之，不亦说乎？".to_owned(),
            score: 1.0,
        }])
    }
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
