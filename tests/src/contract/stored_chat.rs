//! The three stores of chat over one database, and makers of what they store.

use std::sync::Arc;

use adapter_sql::{SqlConversations, SqlEventLog, SqlGenerations, SqlStore};
use chat::conversation::{Conversation, ConversationKind};
use chat::generation::{Charge, InstanceId};
use chat::message::{Citation, EndReason, Message, MessageUsage};
use chat::ports::{
    ConversationStore, EndOutcome, EventLog, Exchange, ExchangeOutcome, GenerationStore, HistoryQuery,
    NewQuestion, NewReply, ReplyEnd,
};
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
