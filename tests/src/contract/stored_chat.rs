//! The stores of chat over one database, and makers of what they store.

use std::sync::Arc;

use adapter_sql::{
    SqlBlocks, SqlConversations, SqlEventLog, SqlGenerations, SqlReports, SqlRooms, SqlStore, SqlTurns,
};
use chat::conversation::{Conversation, ConversationKind};
use chat::generation::{Charge, InstanceId};
use chat::message::{Citation, EndReason, Message, MessageUsage};
use chat::ports::{
    AppendOutcome, BanList, BlockStore, ConversationStore, EndOutcome, EventLog, Exchange, ExchangeOutcome,
    GenerationStore, HistoryQuery, Join, JoinOutcome, NewMessage, NewQuestion, NewReply, ReplyEnd,
    ReportStore, RoomCreateOutcome, RoomStore, TurnStore,
};
use chat::room::{Room, RoomProfile, RoomSettings, RoomStatistics, SkillBonus, TurnStrategy};
use chat::turn::{Candidate, Reason, Step, StepState, Turn, TurnState};
use kernel::{Credits, Id, Ids, ManualClock, SeededEntropy, Tariff, Timestamp, TokenUsage, UserId};

/// When every story begins.
pub const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The stores, and ids that rise.
pub struct StoredChat {
    /// Conversations.
    pub conversations: Arc<dyn ConversationStore>,
    /// Their log.
    pub log: Arc<dyn EventLog>,
    /// Sagas and leases.
    pub generations: Arc<dyn GenerationStore>,
    /// Rooms, squads and their members.
    pub rooms: Arc<dyn RoomStore>,
    /// Their turns.
    pub turns: Arc<dyn TurnStore>,
    /// Who may not come back.
    pub bans: Arc<dyn BanList>,
    /// Whom people have blocked.
    pub blocks: Arc<dyn BlockStore>,
    /// Reports to the operators.
    pub reports: Arc<dyn ReportStore>,
    ids: Ids,
}

impl StoredChat {
    /// The SQL adapters over a migrated store.
    pub fn on(store: &SqlStore) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        Self {
            conversations: Arc::new(SqlConversations::new(store.clone())),
            log: Arc::new(SqlEventLog::new(store.clone())),
            generations: Arc::new(SqlGenerations::new(store.clone())),
            rooms: Arc::new(SqlRooms::new(store.clone())),
            turns: Arc::new(SqlTurns::new(store.clone())),
            bans: Arc::new(SqlRooms::new(store.clone())),
            blocks: Arc::new(SqlBlocks::new(store.clone())),
            reports: Arc::new(SqlReports::new(store.clone())),
            ids: Ids::new(clock, Arc::new(SeededEntropy::new(7))),
        }
    }

    /// A fresh id of any kind.
    pub fn id<K>(&self) -> Id<K> {
        self.ids.next()
    }

    /// A conversation that is not stored yet.
    pub fn new_conversation(&self, owner: UserId) -> Conversation {
        Conversation {
            id: self.id::<()>().to_string().parse().unwrap(),
            kind: ConversationKind::Session,
            owner,
            character_id: "classics_kongzi".parse().unwrap(),
            title: String::new(),
            epoch: "e1".to_owned(),
            head: 0,
            created_at: START,
            last_active_at: START,
        }
    }

    /// A stored conversation.
    pub async fn conversation(&self, owner: UserId) -> Conversation {
        let conversation = self.new_conversation(owner);
        self.conversations.create(&conversation, None).await.unwrap();
        conversation
    }

    /// A question by the owner and its reply, not appended yet.
    pub fn exchange(&self, conversation: &Conversation) -> Exchange {
        Exchange {
            conversation_id: conversation.id.clone(),
            question: NewQuestion {
                id: self.id(),
                author: conversation.owner,
                content: "学而时习之是什么意思？".to_owned(),
                client_msg_id: Some(self.id::<()>().to_string()),
                body_hash: "h1".to_owned(),
            },
            reply: NewReply {
                id: self.id(),
                character_id: conversation.character_id.clone(),
                owner: self.id(),
                payer: conversation.owner,
                model_alias: "deepseek-flash".to_owned(),
                tariff: Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 },
                held: Credits::new(90_000),
                prompt_tokens_estimate: 321,
            },
            title_if_empty: "学而时习之".to_owned(),
            at: START.plus_seconds(1),
        }
    }

    /// An exchange that is in the log.
    pub async fn appended(&self, conversation: &Conversation) -> Exchange {
        let exchange = self.exchange(conversation);
        let outcome = self.log.append_exchange(&exchange).await.unwrap();
        assert!(matches!(outcome, ExchangeOutcome::Appended { .. }), "{outcome:?}");
        exchange
    }

    /// An exchange whose reply has ended.
    pub async fn answered(&self, conversation: &Conversation) -> Exchange {
        let exchange = self.appended(conversation).await;
        let outcome = self.log.append_end(&end_of(&exchange)).await.unwrap();
        assert!(matches!(outcome, EndOutcome::Ended { .. }), "{outcome:?}");
        exchange
    }

    /// An appended exchange whose reply a certain instance owns.
    pub async fn appended_by(&self, owner: InstanceId) -> Exchange {
        let conversation = self.conversation(self.id()).await;
        let mut exchange = self.exchange(&conversation);
        exchange.reply.owner = owner;
        let outcome = self.log.append_exchange(&exchange).await.unwrap();
        assert!(matches!(outcome, ExchangeOutcome::Appended { .. }), "{outcome:?}");
        exchange
    }

    /// A public room that is not stored yet.
    pub fn new_room(&self) -> Room {
        self.blank_room(ConversationKind::Room, None)
    }

    /// A room by invitation that is not stored yet.
    pub fn new_private_room(&self, owner: UserId) -> Room {
        self.blank_room(ConversationKind::Room, Some(owner))
    }

    /// A squad that is not stored yet.
    pub fn new_squad(&self, owner: UserId) -> Room {
        self.blank_room(ConversationKind::Squad, Some(owner))
    }

    /// A stored public room; nobody is in it.
    pub async fn room(&self) -> Room {
        self.stored(self.new_room()).await
    }

    /// A stored room by invitation; its owner is in it.
    pub async fn private_room(&self, owner: UserId) -> Room {
        self.stored(self.new_private_room(owner)).await
    }

    /// A stored squad.
    pub async fn squad(&self, owner: UserId) -> Room {
        self.stored(self.new_squad(owner)).await
    }

    /// Stores a room as it is.
    pub async fn stored(&self, room: Room) -> Room {
        assert_eq!(self.rooms.create(&room, None).await.unwrap(), RoomCreateOutcome::Created);
        room
    }

    /// A stranger's wish to come in.
    pub fn join_of(&self, room: &Room, user_id: UserId) -> Join {
        let at = START.plus_seconds(1);
        Join { conversation_id: room.id.clone(), user_id, invite_code: None, level: 1, at }
    }

    /// Somebody new who is a member of a public room now.
    pub async fn member(&self, room: &Room) -> UserId {
        let user = self.id();
        let outcome = self.rooms.join(&self.join_of(room, user)).await.unwrap();
        assert!(matches!(outcome, JoinOutcome::Joined { .. }), "{outcome:?}");
        user
    }

    /// Something that a person says in a room or squad, not appended yet.
    pub fn new_message(&self, room: &Room, author: UserId) -> NewMessage {
        NewMessage {
            conversation_id: room.id.clone(),
            id: self.id(),
            author,
            content: "@孔子 学而时习之是什么意思？".to_owned(),
            client_msg_id: Some(self.id::<()>().to_string()),
            body_hash: "h1".to_owned(),
            mentions: Vec::new(),
            reply_to: None,
            turn: None,
            at: START.plus_seconds(2),
        }
    }

    /// A message of a room that is in the log.
    pub async fn said(&self, room: &Room, author: UserId) -> NewMessage {
        let message = self.new_message(room, author);
        self.append(&message).await;
        message
    }

    /// An open turn of somebody's message, in the hands of an instance; both are in the log.
    pub async fn begun(&self, room: &Room, author: UserId, owner: InstanceId) -> Turn {
        let mut message = self.new_message(room, author);
        let turn = self.turn_of(&message, owner);
        message.turn = Some(turn.clone());
        self.append(&message).await;
        turn
    }

    /// A turn of two steps that a message begins.
    pub fn turn_of(&self, message: &NewMessage, owner: InstanceId) -> Turn {
        let candidates =
            [("classics_kongzi", Reason::MentionedByName, 0), ("mbti_intj", Reason::Chosen, 700)];
        let step = |(who, reason, _)| Step {
            reply: self.id(),
            character_id: str::parse(who).unwrap(),
            reason,
            reply_to: message.id,
            state: StepState::Waiting,
        };
        let candidate =
            |(who, reason, weight)| Candidate { character_id: str::parse(who).unwrap(), weight, reason };
        Turn {
            id: self.id(),
            conversation_id: message.conversation_id.clone(),
            question: message.id,
            asker: message.author,
            payer: message.author,
            strategy: TurnStrategy::Natural,
            seed: u64::MAX - 6,
            candidates: candidates.map(candidate).to_vec(),
            steps: candidates.map(step).to_vec(),
            follow_ups_left: 2,
            state: TurnState::Open,
            owner,
            created_at: message.at,
        }
    }

    async fn append(&self, message: &NewMessage) {
        let outcome = self.log.append(message).await.unwrap();
        assert!(matches!(outcome, AppendOutcome::Appended { .. }), "{outcome:?}");
    }

    fn blank_room(&self, kind: ConversationKind, owner: Option<UserId>) -> Room {
        Room {
            id: self.id::<()>().to_string().parse().unwrap(),
            kind,
            owner,
            is_public: owner.is_none(),
            profile: RoomProfile {
                name: "国学茶馆".to_owned(),
                description: "谈《论语》𠀀 ' \" %".to_owned(),
                category: "classics".to_owned(),
                topics: vec!["论语".to_owned()],
                skill_bonuses: vec![SkillBonus { skill_id: "classics".to_owned(), percent: 120 }],
                ..RoomProfile::default()
            },
            settings: RoomSettings { max_members: 10, ..RoomSettings::default() },
            characters: ["classics_kongzi", "mbti_intj"].map(|id| id.parse().unwrap()).to_vec(),
            epoch: "e1".to_owned(),
            head: 0,
            created_at: START,
            last_active_at: START,
            closed_at: None,
            statistics: RoomStatistics { members: u32::from(owner.is_some()), messages: 0 },
        }
    }

    /// The newest messages of a conversation.
    pub async fn newest(&self, conversation: &Conversation, limit: u32) -> Vec<Message> {
        let query = HistoryQuery::Newest { limit };
        self.log.history(&conversation.id, query).await.unwrap().messages
    }
}

/// A whole end of an exchange's reply.
pub fn end_of(exchange: &Exchange) -> ReplyEnd {
    let tokens = TokenUsage { prompt: 300, cached: 100, completion: 40, reasoning: 5 };
    let credits = Credits::new(362);
    ReplyEnd {
        message_id: exchange.reply.id,
        generation: 1,
        generation_after: 1,
        why: EndReason::Done,
        failure: None,
        content: "学了又时常温习[1]𠀀".to_owned(),
        citations: vec![Citation {
            n: 1,
            work: "论语".to_owned(),
            chapter: "学而".to_owned(),
            passage_id: "lunyu-1-1".to_owned(),
            quote: "学而时习之，不亦说乎？".to_owned(),
            score: 0.5,
        }],
        usage: Some(MessageUsage { tokens, credits }),
        charge: Some(Charge { tokens, credits }),
        model: Some("deepseek-chat".to_owned()),
        at: exchange.at.plus_seconds(5),
    }
}
