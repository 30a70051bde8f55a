//! Rooms and their members.

use kernel::{Page, PageRequest, UserId};

use super::{ChatService, unbuilt};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::idempotency::IdempotencyKey;
use crate::ports::{RoomQuery, RoomSummary};
use crate::room::{Member, Room, RoomProfile, RoomSettings, Standing};

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
    pub async fn ensure_rooms(&self, _rooms: &[Room]) -> Result<(), ChatError> {
        Ok(())
    }

    /// A page of rooms.
    pub async fn rooms(
        &self,
        _query: &RoomQuery,
        _page: PageRequest,
    ) -> Result<Page<RoomSummary>, ChatError> {
        Err(unbuilt())
    }

    /// One room that the person may see.
    pub async fn room(&self, _user: UserId, _id: &str) -> Result<RoomView, ChatError> {
        Err(unbuilt())
    }

    /// Makes a private room; the person owns it.
    pub async fn create_room(
        &self,
        _user: UserId,
        _room: NewRoom,
        _key: Option<IdempotencyKey>,
    ) -> Result<CreatedRoom, ChatError> {
        Err(unbuilt())
    }

    /// Changes a room; for those who keep order in it. `is_operator` may change public rooms.
    pub async fn edit_room(
        &self,
        _user: UserId,
        _is_operator: bool,
        _id: &str,
        _edit: RoomEdit,
    ) -> Result<Room, ChatError> {
        Err(unbuilt())
    }

    /// Closes a room for good; its owner only.
    pub async fn close_room(&self, _user: UserId, _id: &str) -> Result<(), ChatError> {
        Err(unbuilt())
    }

    /// Makes the person a member. Public rooms take everybody, others those who have the code.
    pub async fn join_room(
        &self,
        _user: UserId,
        _id: &str,
        _invite_code: Option<String>,
    ) -> Result<Joined, ChatError> {
        Err(unbuilt())
    }

    /// Ends the person's own membership; without one nothing happens.
    pub async fn leave_room(&self, _user: UserId, _id: &str) -> Result<(), ChatError> {
        Err(unbuilt())
    }

    /// A fresh code that lets strangers in; for those who keep order. The earlier one no longer holds.
    pub async fn invite(&self, _user: UserId, _id: &str) -> Result<String, ChatError> {
        Err(unbuilt())
    }

    /// Members of a room that the person may read.
    pub async fn members(
        &self,
        _user: UserId,
        _id: &str,
        _page: PageRequest,
    ) -> Result<Page<Member>, ChatError> {
        Err(unbuilt())
    }

    /// Shows a member out, for good if `ban`.
    pub async fn remove_member(
        &self,
        _user: UserId,
        _id: &str,
        _member: UserId,
        _ban: bool,
    ) -> Result<(), ChatError> {
        Err(unbuilt())
    }

    /// Silences a member for so many seconds; 0 ends it.
    pub async fn mute_member(
        &self,
        _user: UserId,
        _id: &str,
        _member: UserId,
        _seconds: u32,
    ) -> Result<(), ChatError> {
        Err(unbuilt())
    }

    /// What a socket's `room.join` asks first: the person may read the conversation now. On a public room that
    /// allows it the person becomes a member, once.
    pub async fn enter(&self, _user: UserId, _id: &ConversationId) -> Result<Standing, ChatError> {
        Err(unbuilt())
    }
}
