//! What chat needs of the other contexts; `server/src/bridge.rs` answers with their services.

use async_trait::async_trait;
use kernel::{Credits, MessageId, PortError, Tariff, Timestamp, TokenUsage, UserId};

use crate::conversation::{CharacterId, ConversationId};
use crate::room::{Payer, UserCard};

/// A character as chat needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// Its id.
    pub id: CharacterId,
    /// The name it goes by.
    pub name: String,
    /// Other names that it listens to.
    pub aliases: Vec<String>,
    /// Words that hold one of these names and do not mean it, such as a book's title.
    pub near_names: Vec<String>,
    /// Its MBTI type, or a squad character's letter.
    pub dimension: String,
    /// Path of its picture.
    pub avatar: String,
    /// How readily it speaks unasked, 0 to 100, by its type.
    pub talkativeness: u8,
    /// Words of what it likes to talk about.
    pub topics: Vec<String>,
    /// Who it is and how it speaks: the system role's text.
    pub instructions: String,
    /// Lines of its own, which the offline model speaks with.
    pub lines: Vec<String>,
    /// Whether it answers from the library unless the asker says otherwise.
    pub uses_knowledge: bool,
    /// The works it answers from; empty means all.
    pub works: Vec<String>,
}

impl Persona {
    /// A character with a name and nothing else of note: half as talkative as one can be.
    pub fn named(id: CharacterId, name: &str, instructions: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            aliases: Vec::new(),
            near_names: Vec::new(),
            dimension: String::new(),
            avatar: String::new(),
            talkativeness: 50,
            topics: Vec::new(),
            instructions: instructions.to_owned(),
            lines: Vec::new(),
            uses_knowledge: false,
            works: Vec::new(),
        }
    }
}

/// Characters, answered by mbti-roles.
#[async_trait]
pub trait Personas: Send + Sync {
    /// The character, if there is one.
    async fn persona(&self, id: &CharacterId) -> Result<Option<Persona>, PortError>;

    /// The character of this very name, if one has it.
    async fn by_name(&self, name: &str) -> Result<Option<Persona>, PortError>;

    /// How well two characters' types go together, 0 to 100; 50 where one is unknown.
    fn affinity(&self, one: &CharacterId, other: &CharacterId) -> u8;
}

/// People, answered by auth. A card may be five seconds old.
#[async_trait]
pub trait People: Send + Sync {
    /// What others see of these people; unknown ones are left out. Order is free.
    async fn cards(&self, users: &[UserId]) -> Result<Vec<UserCard>, PortError>;
}

/// A passage found for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// Its stable id.
    pub passage_id: String,
    /// Work, for example 论语.
    pub work: String,
    /// Chapter, for example 学而.
    pub chapter: String,
    /// The original text.
    pub text: String,
    /// How well it matches, higher is better.
    pub score: f32,
}

/// The library, answered by rag.
#[async_trait]
pub trait Knowledge: Send + Sync {
    /// The passages that fit best, best first, at most `limit`, from these works (empty: all).
    async fn retrieve(
        &self,
        question: &str,
        works: &[String],
        limit: u32,
    ) -> Result<Vec<Retrieved>, PortError>;
}

/// A hold that is asked for before any model is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The reply, which names the hold.
    pub message_id: MessageId,
    /// Who pays.
    pub payer: Payer,
    /// The model's alias, which has a price.
    pub model_alias: String,
    /// Upper bound of the prompt's tokens.
    pub prompt_tokens_max: u32,
    /// Output tokens wanted at most.
    pub output_tokens_wanted: u32,
    /// Output tokens below which it is not worth asking.
    pub output_tokens_min: u32,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Reservation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The worst case is held.
    Held {
        /// How much.
        amount: Credits,
        /// The prices of the hold.
        tariff: Tariff,
        /// Output tokens that the hold pays for.
        output_tokens_max: u32,
    },
    /// The payer cannot afford it: nothing is held.
    Insufficient {
        /// What the payer has.
        available: Credits,
        /// What the least answer needs.
        needed: Credits,
    },
}

/// The charge of an ended reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The reply, which names the hold.
    pub message_id: MessageId,
    /// The tokens charged for.
    pub tokens: TokenUsage,
    /// Their price; at most the hold.
    pub credits: Credits,
    /// When.
    pub at: Timestamp,
}

/// Payment, answered by billing. Every call is idempotent by the message id.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Holds the worst case of a reply.
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, PortError>;

    /// Takes the charge from the hold and frees the rest. A hold that is settled already stays as it is.
    async fn settle(&self, settlement: &Settlement) -> Result<(), PortError>;

    /// Frees the whole hold. Unknown and resolved holds stay as they are.
    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<(), PortError>;

    /// Notes what would be charged for a running reply if it were lost now. MUST NOT block.
    fn progress(&self, message_id: MessageId, tokens: TokenUsage);
}

/// Whether something may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// Not before so many milliseconds.
    Limited {
        /// Milliseconds to wait, until the window ends.
        retry_after_ms: i64,
        /// Messages in a window.
        limit: u32,
    },
}

/// Rates, answered by the rate limiter.
#[async_trait]
pub trait Throttle: Send + Sync {
    /// Whether messages are counted at all, a person's or a room's.
    fn counts_messages(&self) -> bool;

    /// Counts a message that a person sends.
    async fn message(&self, author: UserId) -> Result<Admission, PortError>;

    /// Counts a message that is sent to a room.
    async fn room(&self, room: &ConversationId) -> Result<Admission, PortError>;

    /// Counts a like that a person gives or takes back.
    async fn like(&self, user: UserId) -> Result<Admission, PortError>;

    /// Counts a report that a person makes.
    async fn report(&self, user: UserId) -> Result<Admission, PortError>;
}
