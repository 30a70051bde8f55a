//! Ports of rooms and squads: themselves, their members, and the turns of their characters.

use async_trait::async_trait;
use kernel::{MessageId, Page, PageRequest, PortError, Timestamp, UserId};

use super::Once;
use crate::conversation::{CharacterId, ConversationId};
use crate::generation::InstanceId;
use crate::message::Message;
use crate::room::{Member, MemberAction, Role, Room, RoomProfile, RoomSettings, Standing};
use crate::turn::{Turn, TurnId};

/// What became of a new room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomCreateOutcome {
    /// It is stored.
    Created,
    /// The key made this one earlier, shown as it is now.
    Replayed(Box<Room>),
    /// The key made one earlier, of another request.
    Conflict,
}

/// Which rooms are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomScope {
    /// Public rooms, and those the viewer is a member of; no squads, none that is closed.
    Visible,
    /// Rooms the viewer is a member of now.
    Joined,
    /// The viewer's squads.
    Squads,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomSort {
    /// Most members first, then most messages.
    #[default]
    Popularity,
    /// Last active first.
    Active,
    /// Newest first.
    Newest,
}

/// A list of rooms that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomQuery {
    /// Who looks.
    pub viewer: UserId,
    /// Which.
    pub scope: RoomScope,
    /// Of this category only.
    pub category: Option<String>,
    /// In which order; ties by id.
    pub sort: RoomSort,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomSummary {
    /// The room.
    pub room: Room,
    /// The viewer's membership, where there ever was one.
    pub member: Option<Member>,
    /// Messages of others that the viewer has not read and has not blocked, at most [`UNREAD_MAX`]; 0 where they are
    /// no member.
    pub unread: u32,
    /// The newest message; `None` where the viewer is no member.
    pub last_message: Option<Message>,
}

/// More unread messages than this are not counted.
pub const UNREAD_MAX: u32 = 999;

/// A change of a room; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomChange {
    /// What it shows.
    pub profile: Option<RoomProfile>,
    /// What its owner decides.
    pub settings: Option<RoomSettings>,
    /// Who speaks in it.
    pub characters: Option<Vec<CharacterId>>,
    /// Closes it.
    pub closed_at: Option<Timestamp>,
    /// Replaces the code that lets strangers in.
    pub invite_code: Option<String>,
}

/// How somebody comes into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Which room.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// The invitation's code, for a room that is not public.
    pub invite_code: Option<String>,
    /// How far the person has come.
    pub level: u32,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Join`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinOutcome {
    /// A member now; the `member` event is in the log.
    Joined {
        /// Its seq.
        seq: u64,
        /// The membership.
        member: Member,
    },
    /// A member already; nothing was written.
    Already {
        /// The membership.
        member: Member,
    },
    /// The room has as many members as it takes.
    Full,
    /// Shown out for good.
    Banned,
    /// It takes nobody without an invitation, and the code is not its code.
    NotInvited,
    /// It takes nobody below a level that the person has not reached.
    LevelRequired {
        /// The level.
        level: u32,
    },
    /// There is no such room, it is closed, or it is a squad.
    NoRoom,
}

/// A change of a membership; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// What the member is.
    pub role: Option<Role>,
    /// Until when the member may not speak; the past ends it.
    pub muted_until: Option<Timestamp>,
}

/// Rooms, squads and their members.
#[async_trait]
pub trait RoomStore: Send + Sync {
    /// Stores rooms that are not there yet, by id, and leaves others as they are. Servers may do it at once.
    async fn ensure(&self, rooms: &[Room]) -> Result<(), PortError>;

    /// Stores a new room or squad; its owner becomes a member (role `Owner`) without an event. What is counted
    /// begins with that, whatever the room says. Keys as in [`super::ConversationStore::create`]; one that made
    /// something of another kind MUST be answered by `Conflict`.
    async fn create(&self, room: &Room, once: Option<&Once>) -> Result<RoomCreateOutcome, PortError>;

    /// A room or squad, closed ones too.
    async fn room(&self, id: &ConversationId) -> Result<Option<Room>, PortError>;

    /// What is known of a person and a conversation of **any** kind, in one read. `None` where there is none.
    async fn standing(&self, id: &ConversationId, user: UserId) -> Result<Option<Standing>, PortError>;

    /// Changes a room. `false` if there is none. A room that is closed stays closed since the first time.
    async fn change(&self, id: &ConversationId, change: &RoomChange) -> Result<bool, PortError>;

    /// The code that lets strangers in, if one was made.
    async fn invite_code(&self, id: &ConversationId) -> Result<Option<String>, PortError>;

    /// A page of rooms.
    async fn list(&self, query: &RoomQuery, page: PageRequest) -> Result<Page<RoomSummary>, PortError>;

    /// Makes somebody a member and appends `member joined`: all or nothing, once; what was said before counts as
    /// read. MUST hold the room's limit of members under concurrent joins. Whoever comes back keeps what was counted
    /// and how long they are muted, and no office; the owner needs no code. [`Room::admits`] judges the level of
    /// whoever is not in yet.
    async fn join(&self, join: &Join) -> Result<JoinOutcome, PortError>;

    /// Ends a membership and appends `member` with this action; the seq, or `None` where there was no membership
    /// (a ban of a stranger is stored all the same, without an event).
    async fn end_membership(
        &self,
        id: &ConversationId,
        user: UserId,
        action: MemberAction,
        at: Timestamp,
    ) -> Result<Option<u64>, PortError>;

    /// Changes a membership, over ones too. `false` if there is none.
    async fn change_member(
        &self,
        id: &ConversationId,
        user: UserId,
        change: MemberChange,
    ) -> Result<bool, PortError>;

    /// Members who are in now, owner and admins first, then the longest first.
    async fn members(&self, id: &ConversationId, page: PageRequest) -> Result<Page<Member>, PortError>;

    /// Notes up to where somebody has read a conversation of any kind. MUST only rise and never pass the head; the
    /// seq that holds afterwards, or `None` where there is no such conversation.
    async fn mark_read(&self, id: &ConversationId, user: UserId, seq: u64) -> Result<Option<u64>, PortError>;

    /// Messages of others that somebody has not read in these conversations of any kind, at most [`UNREAD_MAX`]
    /// each, 0 where they may not read; unknown ones are left out, and so is what people say whom they have blocked.
    /// One read.
    async fn unread(
        &self,
        user: UserId,
        ids: &[ConversationId],
    ) -> Result<Vec<(ConversationId, u32)>, PortError>;
}

/// The turns of rooms and squads. A turn is stored by [`super::EventLog::append`], with the message that began it.
#[async_trait]
pub trait TurnStore: Send + Sync {
    /// One turn.
    async fn get(&self, id: TurnId) -> Result<Option<Turn>, PortError>;

    /// The turn that a message began.
    async fn of_question(&self, question: MessageId) -> Result<Option<Turn>, PortError>;

    /// Turns of a conversation that are not over, oldest first, at most `limit`.
    async fn open(&self, conversation: &ConversationId, limit: u32) -> Result<Vec<Turn>, PortError>;

    /// Stores a turn's steps and state. MUST write only while the stored turn is open and owned by the same
    /// instance, and answer `false` otherwise.
    async fn update(&self, turn: &Turn) -> Result<bool, PortError>;

    /// Stores what somebody else than the task at work on it changed. MUST write as [`TurnStore::update`] does, and
    /// besides only while the stored steps are still those of `before`.
    async fn replace(&self, before: &Turn, turn: &Turn) -> Result<bool, PortError>;

    /// Open turns whose owner's lease is over at `now` or was never there, oldest first, at most `limit`.
    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Turn>, PortError>;

    /// Open turns of one instance, oldest first, at most `limit`.
    async fn owned_by(&self, instance: InstanceId, limit: u32) -> Result<Vec<Turn>, PortError>;

    /// Gives an open turn to another instance; `false` unless it is still `from`'s.
    async fn adopt(&self, id: TurnId, from: InstanceId, to: InstanceId) -> Result<bool, PortError>;

    /// A conversation's turns, the newest first.
    async fn list(&self, conversation: &ConversationId, page: PageRequest) -> Result<Page<Turn>, PortError>;
}
