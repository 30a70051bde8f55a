//! What chat refuses, and why.

use kernel::{Credits, PortError};
use thiserror::Error;

/// What is wrong with a text that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContentError {
    /// Empty, or nothing but white space.
    #[error("the text is blank")]
    Blank,
    /// Longer than the limit, in Unicode scalar values.
    #[error("the text is longer than {limit} characters")]
    TooLong {
        /// The limit.
        limit: u32,
    },
    /// It has characters that do not belong there.
    #[error("the text has characters that are not allowed")]
    Format,
    /// It has a NUL, which Postgres cannot store.
    #[error("the text has a NUL character")]
    Nul,
    /// It is not one of the values that are taken.
    #[error("the value is out of range")]
    Range,
}

/// Which field of a request a [`ContentError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A message's text.
    Content,
    /// A session's title.
    Title,
    /// The sender's own id of a message.
    ClientMsgId,
    /// A room's name.
    Name,
    /// What a room is about.
    Description,
    /// A squad's topic.
    Topic,
    /// Characters that are named.
    Mentions,
    /// Messages of another program.
    Messages,
    /// The characters of a room.
    Characters,
    /// How many members a room takes.
    MaxMembers,
    /// How long a room's characters wait before they answer.
    AiResponseDelay,
    /// Who pays for what a room's characters say.
    Payer,
    /// Which level a room requires.
    RequireLevel,
    /// Why somebody reports.
    Reason,
    /// What an operator notes on a report.
    Note,
    /// The person that a request is about.
    User,
}

/// Why something is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// Only who keeps order in the room may.
    #[error("only the room's owner and admins may")]
    NotManager,
    /// The person was shown out for good.
    #[error("banned from the room")]
    Banned,
    /// The person may not speak until then.
    #[error("muted")]
    Muted {
        /// Unix milliseconds.
        until_ms: i64,
    },
    /// The room has as many members as it takes.
    #[error("the room takes no more members")]
    MembersFull,
    /// Only the author, or who keeps order, may recall.
    #[error("not the author")]
    NotAuthor,
    /// The room is closed.
    #[error("the room is closed")]
    Closed,
    /// The owner stays as long as the room is open.
    #[error("the owner closes the room instead")]
    OwnerStays,
    /// The room takes nobody below this level.
    #[error("the room requires level {level}")]
    LevelRequired {
        /// The level.
        level: u32,
    },
    /// The person has blocked as many others as one can.
    #[error("no more than {limit} people can be blocked")]
    BlocksFull {
        /// How many.
        limit: u32,
    },
}

/// What chat refuses.
#[derive(Debug, Error)]
pub enum ChatError {
    /// There is no such thing, or it is somebody else's.
    #[error("not found")]
    NotFound,
    /// A text of the request cannot be taken.
    #[error("{field:?}: {error}")]
    Invalid {
        /// Which.
        field: Field,
        /// Why.
        #[source]
        error: ContentError,
    },
    /// No model has this alias.
    #[error("unknown model alias")]
    UnknownModel,
    /// No character has this id.
    #[error("unknown character")]
    UnknownCharacter,
    /// The session's last reply has not ended.
    #[error("a reply is in progress")]
    ReplyInProgress,
    /// The `clientMsgId` was used for another message.
    #[error("the client's message id was used for another message")]
    ClientMsgIdConflict,
    /// The idempotency key was used for another session.
    #[error("the idempotency key was used for another session")]
    IdempotencyConflict,
    /// The payer cannot afford the least answer. Nothing was stored.
    #[error("insufficient balance")]
    InsufficientBalance {
        /// What the payer has.
        available: Credits,
        /// What the least answer needs.
        needed: Credits,
    },
    /// Only members may do this, and the person can become one.
    #[error("membership is required")]
    MembershipRequired,
    /// The person may not do this: shown out, silenced, not the owner, or the room is full of members.
    #[error("forbidden: {0}")]
    Forbidden(Forbidden),
    /// The time in which the author may recall a message is over.
    #[error("the recall window is closed")]
    RecallWindowClosed,
    /// The room has as many people online as it takes.
    #[error("the room is full")]
    RoomFull {
        /// How many.
        limit: u32,
    },
    /// A squad has no characters, or more than eight.
    #[error("a squad has one to eight characters")]
    SquadSize,
    /// Too many messages.
    #[error("rate limited")]
    RateLimited {
        /// Milliseconds to wait, until the window ends.
        retry_after_ms: i64,
        /// Messages in a window.
        limit: u32,
    },
    /// Too many replies are growing for one person.
    #[error("too many streams")]
    TooManyStreams {
        /// How many may grow at once.
        limit: u32,
    },
    /// A system behind a port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}
