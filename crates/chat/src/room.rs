//! Rooms and squads: who is in them, who speaks in them, and what their members may do.
//!
//! A squad is a room of one person with up to eight characters. A public room is open to everybody, any other one
//! to its members.

use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::conversation::{CharacterId, ConversationId, ConversationKind};

/// Who speaks where nobody was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnStrategy {
    /// By talkativeness, affinity and topic; never the same character twice in a row.
    #[default]
    Natural,
    /// Every character, in the room's order.
    List,
    /// One after the other: who has waited longest.
    Pooled,
    /// Nobody, unless named.
    Manual,
}

/// Who pays for what the characters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayerRule {
    /// The person whose message began the turn.
    #[default]
    Speaker,
    /// The room's owner.
    Owner,
    /// The room's own account, which its members fill.
    Pool,
}

/// Who pays for a turn. The pool's account is the room's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    /// A person.
    User(UserId),
    /// The pool of a conversation.
    Pool(ConversationId),
}

/// Who pays, by the room's rule. A room without an owner has the asker pay where the owner would.
pub fn payer(rule: PayerRule, asker: UserId, owner: Option<UserId>, room: &ConversationId) -> Payer {
    match rule {
        PayerRule::Speaker => Payer::User(asker),
        PayerRule::Owner => Payer::User(owner.unwrap_or(asker)),
        PayerRule::Pool => Payer::Pool(room.clone()),
    }
}

/// How strictly a room is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationLevel {
    /// Only what the law asks for.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// For the young.
    High,
}

/// What a room's owner or an operator decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomSettings {
    /// Most members.
    pub max_members: u32,
    /// Whether a socket's join makes a member; otherwise only an HTTP join does. A private room that allows it takes
    /// everybody who knows its id, which cannot be guessed.
    pub allow_guest_join: bool,
    /// How strictly it is watched.
    pub moderation_level: ModerationLevel,
    /// Milliseconds between a message and the first character's answer.
    pub ai_response_delay: u32,
    /// Who speaks where nobody was named.
    pub turn_strategy: TurnStrategy,
    /// Who pays.
    pub payer: PayerRule,
    /// Characters that are silenced for now.
    pub muted_characters: Vec<CharacterId>,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            max_members: 500,
            allow_guest_join: false,
            moderation_level: ModerationLevel::default(),
            ai_response_delay: 0,
            turn_strategy: TurnStrategy::default(),
            payer: PayerRule::default(),
            muted_characters: Vec::new(),
        }
    }
}

/// How much a room multiplies experience in one of its related skills, in percent: 120 is ×1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillBonus {
    /// The skill.
    pub skill_id: String,
    /// Percent.
    pub percent: u32,
}

/// What a room shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomProfile {
    /// Its name; a squad's title.
    pub name: String,
    /// What it is about; a squad's topic.
    pub description: String,
    /// Path or URL of its icon.
    pub icon: String,
    /// Path or URL of its background.
    pub background: String,
    /// Under which heading it is listed.
    pub category: String,
    /// Words of its subject, which the natural strategy matches.
    pub topics: Vec<String>,
    /// Skills that grow faster here.
    pub skill_bonuses: Vec<SkillBonus>,
    /// Level that whoever becomes a member needs; 0 and 1: everybody has it.
    pub require_level: u32,
}

/// A squad or a room as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id: a slug for public rooms, else a UUID.
    pub id: ConversationId,
    /// [`ConversationKind::Squad`] or [`ConversationKind::Room`].
    pub kind: ConversationKind,
    /// Whose it is; nobody's for a public room.
    pub owner: Option<UserId>,
    /// Whether everybody may find and join it.
    pub is_public: bool,
    /// What it shows of itself.
    pub profile: RoomProfile,
    /// What its owner decides.
    pub settings: RoomSettings,
    /// Who speaks in it, in the room's order.
    pub characters: Vec<CharacterId>,
    /// Changes only when the log was lost or restored.
    pub epoch: String,
    /// The newest event's seq.
    pub head: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_active_at: Timestamp,
    /// When it was closed; nothing is said in it any more.
    pub closed_at: Option<Timestamp>,
    /// Members and messages.
    pub statistics: RoomStatistics,
}

impl Room {
    /// Whether one needs no invitation.
    pub fn takes_guests(&self) -> bool {
        self.is_public || self.settings.allow_guest_join
    }

    /// Whether somebody of this level may become a member. Who is one already stays.
    pub const fn admits(&self, level: u32) -> bool {
        level >= self.profile.require_level
    }
}

/// What is counted of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoomStatistics {
    /// Members now.
    pub members: u32,
    /// Messages ever, replies too.
    pub messages: u64,
}

/// What somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speaks and listens.
    Member,
    /// Keeps order.
    Admin,
    /// Decides.
    Owner,
}

/// How a membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Is in.
    Joined,
    /// Has left; may come back.
    Left,
    /// May not come back.
    Banned,
}

/// A person's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// What.
    pub role: Role,
    /// How it stands.
    pub state: MemberState,
    /// Since when.
    pub joined_at: Timestamp,
    /// Until when the member may not speak.
    pub muted_until: Option<Timestamp>,
    /// Up to which seq the member has read.
    pub read_seq: u64,
    /// Messages written here.
    pub message_count: u64,
    /// Likes given here.
    pub likes_given: u64,
}

impl Member {
    /// Whether the person is in the room now.
    pub fn is_joined(&self) -> bool {
        self.state == MemberState::Joined
    }
}

/// What is known of a person and a conversation of any kind, read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub kind: ConversationKind,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// Its epoch.
    pub epoch: String,
    /// Its head.
    pub head: u64,
    /// The room, where it is one.
    pub room: Option<Box<Room>>,
    /// The person's membership, where there ever was one.
    pub member: Option<Member>,
}

impl Standing {
    /// Whether the person may read it: their own session or squad, or a room they are a member of.
    pub fn may_read(&self, user: UserId) -> bool {
        match self.kind {
            ConversationKind::Session | ConversationKind::Squad => self.owner == Some(user),
            ConversationKind::Room => self.member.as_ref().is_some_and(Member::is_joined),
        }
    }

    /// Whether the person may know that it exists: what they may read, and rooms that need no invitation.
    pub fn may_see(&self, user: UserId) -> bool {
        self.may_read(user) || self.room.as_ref().is_some_and(|room| room.takes_guests())
    }

    /// Whether the person keeps order there.
    pub fn may_manage(&self, user: UserId) -> bool {
        let rules = |member: &Member| member.is_joined() && member.role >= Role::Admin;
        self.owner == Some(user) || self.member.as_ref().is_some_and(rules)
    }
}

/// What happened to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberAction {
    /// Came in.
    Joined,
    /// Went.
    Left,
    /// Was shown out.
    Removed,
    /// Was shown out for good.
    Banned,
}

/// What others see of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserCard {
    /// Who.
    pub user_id: UserId,
    /// The name they go by.
    pub nick_name: String,
    /// Their picture.
    pub avatar_url: String,
}
