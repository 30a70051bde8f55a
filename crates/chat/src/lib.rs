//! Conversations, messages, events and the saga of a reply.
//!
//! **Owns** what is said: sessions now, squads and rooms on the same ground later. **Needs** others through its
//! own ports: characters ([`ports::Personas`]), the library ([`ports::Knowledge`]), payment ([`ports::Meter`]).
//!
//! Words: a *conversation* has a gapless *event log*; a *reply* is one growing message; its *generation* is the
//! saga that makes it (hold → `ai_start` → text → `ai_end` → settled) and the number that fences its writers; an
//! *instance* is a running server process, whose *lease* says that it lives.
//!
//! Invariants:
//! - No model is called without a hold, and nothing is stored before the hold.
//! - Every `ai_start` has exactly one `ai_end`; every hold is settled or voided, by the owner or by a sweep.
//! - A reply outlives the connection that asked for it.
//! - The log is the truth; frames on the bus and text in the stream buffer may be lost at any time.

mod announcer;
mod block_lists;
pub mod catalog;
pub mod content;
pub mod conversation;
mod counts;
pub mod error;
pub mod event;
pub mod feed;
mod follow;
pub mod generation;
pub mod idempotency;
mod local_first;
pub mod marker;
pub mod message;
pub mod ports;
mod presence;
pub mod prompt;
mod recent_rooms;
mod reply;
pub mod report;
pub mod room;
mod running;
pub mod service;
mod sweep;
pub mod turn;

pub use catalog::{DEFAULT_ALIAS, ModelCatalog, ModelLimits};
pub use conversation::{CharacterId, Conversation, ConversationId, ConversationKind};
pub use error::{ChatError, ContentError, Field};
pub use follow::{ReplyFrame, ReplyStream};
pub use generation::InstanceId;
pub use idempotency::{IDEMPOTENCY_KEY_CHARS_MAX, IdempotencyKey, InvalidKey};
pub use local_first::{Lane, LocalFirstBroadcaster, LocalFirstBuffer, local_first};
pub use message::{Author, Citation, EndReason, Failure, Message, MessageStatus, MessageUsage};
pub use report::{Report, ReportCase, ReportId, ReportState, ReportSubject, Ruling, Verdict};
pub use room::{
    Member, MemberAction, MemberState, ModerationLevel, Payer, PayerRule, Role, Room, RoomProfile,
    RoomSettings, RoomStatistics, SkillBonus, Standing, TurnStrategy, UserCard,
};
pub use service::{
    Actor, Asked, ChatPorts, ChatRuntime, ChatService, ChatSettings, Completion, CompletionEvent, Created,
    CreatedRoom, Draft, Joined, Liked, NewRoom, NewSquad, PostOrder, PostPlace, Posted, Question, Reported,
    RoomEdit, RoomView, SessionSummary, SquadFailure, SquadFrame, StopState,
};
