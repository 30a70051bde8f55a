//! What is appended to the log of a room or squad, and what becomes of it.

use kernel::{MessageId, Timestamp, UserId};

use super::NewReply;
use crate::conversation::{CharacterId, ConversationId};
use crate::message::Message;
use crate::turn::{Turn, TurnId};

/// A person's message in a room or squad, to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its id, made by the service.
    pub id: MessageId,
    /// Who says it.
    pub author: UserId,
    /// What.
    pub content: String,
    /// The sender's own id for it.
    pub client_msg_id: Option<String>,
    /// Hash of what was sent.
    pub body_hash: String,
    /// Characters named by id.
    pub mentions: Vec<CharacterId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The turn that it begins, stored with it.
    pub turn: Option<Turn>,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`NewMessage`].
#[derive(Debug, Clone, PartialEq)]
pub enum AppendOutcome {
    /// It is in the log.
    Appended {
        /// Its seq.
        seq: u64,
    },
    /// The sender's `client_msg_id` is in the log already; nothing was written.
    Repeated {
        /// The message that has it, as it is now.
        message: Box<Message>,
    },
    /// The author may not speak there: no member of the room, or not the squad's owner. Nothing was written.
    NotMember,
    /// The author is muted until then; nothing was written.
    Muted {
        /// When it ends.
        until: Timestamp,
    },
    /// There is no such room, or it is closed; nothing was written.
    NoConversation,
}

/// An operator's announcement in a room, to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its id, made by the service.
    pub id: MessageId,
    /// What.
    pub content: String,
    /// A name for it that is given once in the room.
    pub client_msg_id: Option<String>,
    /// Hash of what was sent.
    pub body_hash: String,
    /// When.
    pub at: Timestamp,
}

/// What became of an [`Announcement`].
#[derive(Debug, Clone, PartialEq)]
pub enum AnnounceOutcome {
    /// It is in the log.
    Appended {
        /// Its seq.
        seq: u64,
    },
    /// Another one has its name already; nothing was written.
    Repeated {
        /// The message that has it, as it is now.
        message: Box<Message>,
    },
    /// There is no such room, it is closed, or it is a squad; nothing was written.
    NoRoom,
}

/// A reply of a room or squad that begins: `ai_start`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyStart {
    /// Where.
    pub conversation_id: ConversationId,
    /// The turn that it is a step of; where there is none, nothing fences it.
    pub turn: Option<TurnId>,
    /// The message that it answers.
    pub reply_to: MessageId,
    /// The reply.
    pub reply: NewReply,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`ReplyStart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// It is in the log.
    Started {
        /// Its seq.
        seq: u64,
    },
    /// A saga of this id is there already: an earlier try was written though its answer was lost.
    AlreadyStarted,
    /// Another reply of this conversation has not ended; nothing was written.
    ReplyInProgress,
    /// Its turn is over, or another instance's; nothing was written.
    TurnOver,
    /// The message that it answers was recalled or is gone; nothing was written.
    NoQuestion,
    /// There is no such conversation, or it is closed; nothing was written.
    NoConversation,
}

/// A message is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// Which.
    pub message_id: MessageId,
    /// The title that a session may have taken from it.
    pub title: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Recall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecallOutcome {
    /// The text is erased and the event is in the log.
    Recalled {
        /// Its seq.
        seq: u64,
    },
    /// It was recalled before; nothing was written.
    Already {
        /// Seq of that recall.
        seq: u64,
    },
    /// There is no such message.
    NoMessage,
}

/// A person likes a message, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Like {
    /// Which.
    pub message_id: MessageId,
    /// Who.
    pub user_id: UserId,
    /// Whether they like it.
    pub liked: bool,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Like`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeOutcome {
    /// It changed, and the event is in the log.
    Changed {
        /// Its seq.
        seq: u64,
        /// How many like it now.
        total: u32,
    },
    /// It was so already; nothing was written.
    Unchanged {
        /// How many like it.
        total: u32,
    },
    /// There is no such message, or it was recalled.
    NoMessage,
}
