//! Rooms, squads and their members in SQL.
//!
//! Whatever changes who is in a room locks the conversation's row first, as an append does: the limit of members
//! holds, and the `member` event gets its place in commit order.

mod bans;
mod create;
mod list;
mod membership;
mod read_mark;
mod row;

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::ports::{
    Join, JoinOutcome, MemberChange, Once, RoomChange, RoomCreateOutcome, RoomQuery, RoomStore, RoomSummary,
};
use chat::room::{Member, MemberAction, MemberState, Room, Standing};
use kernel::{Page, PageRequest, PortError, Timestamp, UserId};
use sea_orm::ConnectionTrait;

use crate::append::{find_row, run};
use crate::detached::detached;
use crate::error::port_error;
use crate::store::SqlStore;
use crate::words::{json, word};

/// [`RoomStore`] on SQLite and Postgres.
pub struct SqlRooms {
    store: SqlStore,
}

impl SqlRooms {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

/// Locks the conversation before its room, like every append. A squad's or room's title is its name.
const RENAME: &str =
    "UPDATE conversations SET title = COALESCE($2, title) WHERE id = $1 AND kind <> 'session'";

/// A room that is closed stays closed since the first time.
const CHANGE: &str = "UPDATE rooms SET profile = COALESCE($2, profile), category = COALESCE($3, category), \
     settings = COALESCE($4, settings), characters = COALESCE($5, characters), \
     invite_code = COALESCE($6, invite_code), closed_at = COALESCE(closed_at, $7) WHERE id = $1";

const CHANGE_MEMBER: &str = "UPDATE members SET role = COALESCE($3, role), \
     muted_until = COALESCE($4, muted_until) WHERE conversation_id = $1 AND user_id = $2";

#[async_trait]
impl RoomStore for SqlRooms {
    async fn ensure(&self, rooms: &[Room]) -> Result<(), PortError> {
        let (store, rooms) = (self.store.clone(), rooms.to_vec());
        detached(async move { create::ensure(&store, rooms).await }).await
    }

    async fn create(&self, room: &Room, once: Option<&Once>) -> Result<RoomCreateOutcome, PortError> {
        let (store, room, once) = (self.store.clone(), room.clone(), once.cloned());
        detached(async move { create::create(&store, &room, once.as_ref()).await }).await
    }

    async fn room(&self, id: &ConversationId) -> Result<Option<Room>, PortError> {
        row::find_room(self.store.reader(), id).await
    }

    async fn standing(&self, id: &ConversationId, user: UserId) -> Result<Option<Standing>, PortError> {
        row::find_standing(self.store.reader(), id, user).await
    }

    async fn change(&self, id: &ConversationId, change: &RoomChange) -> Result<bool, PortError> {
        let (store, id, change) = (self.store.clone(), id.clone(), change.clone());
        detached(async move { write_change(&store, &id, change).await }).await
    }

    async fn invite_code(&self, id: &ConversationId) -> Result<Option<String>, PortError> {
        find_invite_code(self.store.reader(), id).await
    }

    async fn list(&self, query: &RoomQuery, page: PageRequest) -> Result<Page<RoomSummary>, PortError> {
        list::rooms(self.store.reader(), query, page).await
    }

    async fn join(&self, join: &Join) -> Result<JoinOutcome, PortError> {
        let (store, join) = (self.store.clone(), join.clone());
        detached(async move { membership::begin(&store, &join).await }).await
    }

    async fn end_membership(
        &self,
        id: &ConversationId,
        user: UserId,
        action: MemberAction,
        at: Timestamp,
    ) -> Result<Option<u64>, PortError> {
        let (store, id) = (self.store.clone(), id.clone());
        detached(async move { membership::end(&store, &id, user, action, at).await }).await
    }

    async fn change_member(
        &self,
        id: &ConversationId,
        user: UserId,
        change: MemberChange,
    ) -> Result<bool, PortError> {
        let (store, id) = (self.store.clone(), id.clone());
        detached(async move {
            let role = change.role.map(|role| word(&role));
            let muted_until = change.muted_until.map(Timestamp::as_millis);
            let values = [id.as_str().into(), user.as_uuid().into(), role.into(), muted_until.into()];
            Ok(run(store.writer(), CHANGE_MEMBER, values).await? > 0)
        })
        .await
    }

    async fn members(&self, id: &ConversationId, page: PageRequest) -> Result<Page<Member>, PortError> {
        list::members(self.store.reader(), id, MemberState::Joined, page).await
    }

    async fn mark_read(&self, id: &ConversationId, user: UserId, seq: u64) -> Result<Option<u64>, PortError> {
        if let Some(known) = read_mark::known(self.store.reader(), id, user, seq).await? {
            return Ok(known);
        }
        let (store, id) = (self.store.clone(), id.clone());
        detached(async move {
            let raised = read_mark::raise(store.writer(), &id, user, seq).await;
            // A conversation that is deleted meanwhile refuses the mark: it is not there any more.
            if raised.is_err()
                && matches!(read_mark::known(store.reader(), &id, user, seq).await, Ok(Some(None)))
            {
                return Ok(None);
            }
            raised
        })
        .await
    }

    async fn unread(
        &self,
        user: UserId,
        ids: &[ConversationId],
    ) -> Result<Vec<(ConversationId, u32)>, PortError> {
        read_mark::unread(self.store.reader(), user, ids).await
    }
}

async fn write_change(store: &SqlStore, id: &ConversationId, change: RoomChange) -> Result<bool, PortError> {
    let tx = store.begin().await?;
    let name = change.profile.as_ref().map(|profile| profile.name.clone());
    run(&tx, RENAME, [id.as_str().into(), name.into()]).await?;
    let values = [
        id.as_str().into(),
        change.profile.as_ref().map(json).into(),
        change.profile.map(|profile| profile.category).into(),
        change.settings.as_ref().map(json).into(),
        change.characters.as_ref().map(json).into(),
        change.invite_code.into(),
        change.closed_at.map(Timestamp::as_millis).into(),
    ];
    let changed = run(&tx, CHANGE, values).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(changed > 0)
}

async fn find_invite_code(
    db: &impl ConnectionTrait,
    id: &ConversationId,
) -> Result<Option<String>, PortError> {
    const CODE: &str = "SELECT invite_code FROM rooms WHERE id = $1";
    let Some(row) = find_row(db, CODE, [id.as_str().into()]).await? else { return Ok(None) };
    row.try_get("", "invite_code").map_err(port_error)
}
