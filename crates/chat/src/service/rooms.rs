//! Rooms and their members.

mod access;
mod members;
mod rules;

use futures::join;
use kernel::{Page, PageRequest, UserId};

use super::ChatService;
use super::create::KEY_SECONDS;
use crate::content::parse_text;
use crate::conversation::{CharacterId, ConversationId, ConversationKind};
use crate::error::{ChatError, Forbidden};
use crate::idempotency::IdempotencyKey;
use crate::ports::{Once, RoomChange, RoomCreateOutcome, RoomQuery, RoomSummary};
use crate::room::{Member, Room, RoomProfile, RoomSettings, RoomStatistics, Standing};

pub use access::Actor;
#[cfg(test)]
pub(super) use access::tests as fixtures;
pub(super) use rules::{NAME_CHARS_MAX, parse_characters};

const INVITE_CODE_BYTES: usize = 16;

/// A room that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct NewRoom {
    /// What it shows; the name is needed.
    pub profile: RoomProfile,
    /// Who speaks in it; ids of characters, at most eight.
    pub characters: Vec<String>,
    /// What its owner decides.
    pub settings: RoomSettings,
}

/// A room that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedRoom {
    /// The room.
    pub room: Room,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
}

/// A change that somebody wants; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct RoomEdit {
    /// Its name.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Who speaks in it.
    pub characters: Option<Vec<String>>,
    /// The level that new members need, in public rooms only.
    pub require_level: Option<u32>,
    /// What its owner decides.
    pub settings: Option<RoomSettings>,
}

/// A membership that somebody has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The membership.
    pub member: Member,
    /// Seq of the `member` event, where it is new.
    pub seq: Option<u64>,
}

/// A room as somebody sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomView {
    /// Room and membership; `standing.room` is always there.
    pub standing: Standing,
    /// How many people are here now.
    pub online: u32,
    /// Messages of others that the viewer has not read.
    pub unread: u32,
}

impl ChatService {
    /// Stores the public rooms that are not there yet. Called at the start.
    pub async fn ensure_rooms(&self, rooms: &[Room]) -> Result<(), ChatError> {
        Ok(self.inner.ports.rooms.ensure(rooms).await?)
    }

    /// A page of rooms.
    pub async fn rooms(&self, query: &RoomQuery, page: PageRequest) -> Result<Page<RoomSummary>, ChatError> {
        Ok(self.inner.ports.rooms.list(query, page).await?)
    }

    /// One room that the person may see.
    pub async fn room(&self, user: UserId, id: &str) -> Result<RoomView, ChatError> {
        let (room, standing) = self.visible(user, id).await?;
        let (online, unread) = join!(self.online(&room.id, 0), self.unread_in(user, &room.id, &standing));
        // Presence may be lost at any time; the room is shown without it.
        let online = online.map_or_else(
            |error| {
                tracing::warn!(%error, "who is here was not read");
                0
            },
            |online| online.count,
        );
        Ok(RoomView { standing, online, unread: unread? })
    }

    async fn unread_in(&self, user: UserId, id: &ConversationId, seen: &Standing) -> Result<u32, ChatError> {
        if !seen.may_read(user) {
            return Ok(0);
        }
        let counts = self.inner.ports.rooms.unread(user, std::slice::from_ref(id)).await?;
        Ok(counts.first().map_or(0, |(_, count)| *count))
    }

    /// Makes a private room; the person owns it.
    pub async fn create_room(
        &self,
        user: UserId,
        room: NewRoom,
        key: Option<IdempotencyKey>,
    ) -> Result<CreatedRoom, ChatError> {
        let profile = rules::parse_profile(&room.profile)?;
        let characters = self.known_characters(&room.characters).await?;
        let settings = rules::check_settings(room.settings, &characters, false)?;
        let founding = Founding { kind: ConversationKind::Room, profile, settings, characters };
        self.found(user, founding, key).await
    }

    /// Stores a room or squad, unless this key made one within the last day: then that one is the answer.
    pub(super) async fn found(
        &self,
        owner: UserId,
        founding: Founding,
        key: Option<IdempotencyKey>,
    ) -> Result<CreatedRoom, ChatError> {
        let Founding { kind, profile, settings, characters } = founding;
        let now = self.inner.now();
        let once = key.map(|key| Once {
            key: format!("{}:{}", route_of(kind), key.as_str()),
            body_hash: rules::body_hash(&profile, &settings, &characters),
            since: now.plus_seconds(-KEY_SECONDS),
        });
        let room = Room {
            id: self.fresh_conversation_id()?,
            kind,
            owner: Some(owner),
            is_public: false,
            profile,
            settings,
            characters,
            epoch: self.fresh_epoch(),
            head: 0,
            created_at: now,
            last_active_at: now,
            closed_at: None,
            statistics: RoomStatistics { members: 1, messages: 0 },
        };
        match self.inner.ports.rooms.create(&room, once.as_ref()).await? {
            RoomCreateOutcome::Created => Ok(CreatedRoom { room, replayed: false }),
            RoomCreateOutcome::Replayed(room) => Ok(CreatedRoom { room: *room, replayed: true }),
            RoomCreateOutcome::Conflict => Err(ChatError::IdempotencyConflict),
        }
    }

    async fn known_characters(&self, ids: &[String]) -> Result<Vec<CharacterId>, ChatError> {
        let characters = parse_characters(ids)?;
        for id in &characters {
            self.known_character(id.as_str()).await?;
        }
        Ok(characters)
    }

    /// Changes a room; for those who keep order in it. `is_operator` may change public rooms.
    pub async fn edit_room(
        &self,
        user: UserId,
        is_operator: bool,
        id: &str,
        edit: RoomEdit,
    ) -> Result<Room, ChatError> {
        let (room, standing) = self.visible(user, id).await?;
        let is_theirs = standing.may_manage(user) || (is_operator && room.is_public);
        if !is_theirs {
            return Err(ChatError::Forbidden(Forbidden::NotManager));
        }
        if room.closed_at.is_some() {
            return Err(ChatError::Forbidden(Forbidden::Closed));
        }
        let room = self.edited(room, edit).await?;
        let change = RoomChange {
            profile: Some(room.profile.clone()),
            settings: Some(room.settings.clone()),
            characters: Some(room.characters.clone()),
            ..RoomChange::default()
        };
        self.change(&room.id, &change).await?;
        Ok(room)
    }

    async fn edited(&self, mut room: Room, edit: RoomEdit) -> Result<Room, ChatError> {
        let is_squad = room.kind == ConversationKind::Squad;
        if let Some(name) = edit.name {
            room.profile.name = if is_squad {
                super::squads::parse_title(&name)?
            } else {
                parse_text(crate::error::Field::Name, &name, NAME_CHARS_MAX)?
            };
        }
        if let Some(description) = edit.description {
            room.profile.description = if is_squad {
                super::squads::parse_topic(&description)?
            } else {
                rules::parse_description(&description)?
            };
        }
        if let Some(ids) = edit.characters {
            room.characters = if is_squad {
                self.squad_characters(&ids).await?
            } else {
                self.known_characters(&ids).await?
            };
        }
        if let Some(level) = edit.require_level {
            room.profile.require_level = rules::check_level(level, room.is_public)?;
        }
        let settings = edit.settings.unwrap_or(room.settings);
        room.settings = rules::check_settings(settings, &room.characters, room.is_public)?;
        Ok(room)
    }

    /// Closes a room for good; its owner only. What was said can still be read by its members.
    pub async fn close_room(&self, user: UserId, id: &str) -> Result<(), ChatError> {
        let (room, _) = self.visible(user, id).await?;
        if room.owner != Some(user) {
            return Err(ChatError::Forbidden(Forbidden::NotManager));
        }
        if room.closed_at.is_some() {
            return Ok(());
        }
        let change = RoomChange { closed_at: Some(self.inner.now()), ..RoomChange::default() };
        self.change(&room.id, &change).await
    }

    /// A fresh code that lets strangers in; for those who keep order. The earlier one no longer holds.
    pub async fn invite(&self, user: UserId, id: &str) -> Result<String, ChatError> {
        let (room, _) = self.managed(user, id).await?;
        if room.kind != ConversationKind::Room {
            return Err(ChatError::NotFound);
        }
        if room.closed_at.is_some() {
            return Err(ChatError::Forbidden(Forbidden::Closed));
        }
        let mut bytes = [0_u8; INVITE_CODE_BYTES];
        self.inner.runtime.entropy.fill(&mut bytes);
        let code = hex::encode(bytes);
        let change = RoomChange { invite_code: Some(code.clone()), ..RoomChange::default() };
        self.change(&room.id, &change).await?;
        Ok(code)
    }

    /// The code that lets strangers in now, if there is one; for those who keep order.
    pub async fn invitation(&self, user: UserId, id: &str) -> Result<Option<String>, ChatError> {
        let (room, _) = self.managed(user, id).await?;
        if room.kind != ConversationKind::Room {
            return Err(ChatError::NotFound);
        }
        Ok(self.inner.ports.rooms.invite_code(&room.id).await?)
    }

    async fn change(&self, id: &ConversationId, change: &RoomChange) -> Result<(), ChatError> {
        let is_there = self.inner.ports.rooms.change(id, change).await?;
        self.inner.recent_rooms.forget(id);
        if is_there { Ok(()) } else { Err(ChatError::NotFound) }
    }
}

/// A room or squad that is to be stored, checked.
pub(super) struct Founding {
    pub(super) kind: ConversationKind,
    pub(super) profile: RoomProfile,
    pub(super) settings: RoomSettings,
    pub(super) characters: Vec<CharacterId>,
}

/// A key counts for one route: the same one may make a room and a squad.
const fn route_of(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Session => "session",
        ConversationKind::Squad => "squad",
        ConversationKind::Room => "room",
    }
}
