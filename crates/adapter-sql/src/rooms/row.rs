//! Rooms, memberships and standings as they are read.

use chat::conversation::ConversationId;
use chat::room::{Member, Room, RoomStatistics, Standing};
use kernel::{Id, PortError, Timestamp, UserId};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};

use crate::append::find_row;
use crate::error::port_error;
use crate::message_row::read_conversation_id;
use crate::words::{read_count, read_json, read_kind, read_word};

/// Of `conversations c`.
pub(super) const CONVERSATION: &str = "c.id AS c_id, c.kind AS c_kind, c.owner AS c_owner, \
     c.epoch AS c_epoch, c.head AS c_head, c.created_at AS c_created_at, \
     c.last_active_at AS c_last_active_at";

/// Of `rooms r`.
pub(super) const ROOM: &str = "r.id AS r_id, r.is_public AS r_is_public, r.profile AS r_profile, \
     r.settings AS r_settings, r.characters AS r_characters, r.closed_at AS r_closed_at, \
     r.member_count AS r_member_count, r.message_count AS r_message_count";

/// Of `members w` and of the same person's `reads d`.
pub(super) const MEMBER: &str = "w.user_id AS w_user_id, w.role AS w_role, w.state AS w_state, \
     w.joined_at AS w_joined_at, w.muted_until AS w_muted_until, w.message_count AS w_message_count, \
     w.likes_given AS w_likes_given, COALESCE(d.read_seq, 0) AS w_read_seq";

/// Membership and read mark of the person `$2`, beside `conversations c`.
const OF_PERSON: &str = "LEFT JOIN members w ON w.conversation_id = c.id AND w.user_id = $2 \
     LEFT JOIN reads d ON d.conversation_id = c.id AND d.user_id = $2";

#[derive(FromQueryResult)]
struct ConversationCells {
    id: String,
    kind: String,
    owner: Option<Uuid>,
    epoch: String,
    head: i64,
    created_at: i64,
    last_active_at: i64,
}

#[derive(FromQueryResult)]
struct RoomCells {
    is_public: bool,
    profile: String,
    settings: String,
    characters: String,
    closed_at: Option<i64>,
    member_count: i64,
    message_count: i64,
}

#[derive(FromQueryResult)]
struct MemberCells {
    user_id: Uuid,
    role: String,
    state: String,
    joined_at: i64,
    muted_until: Option<i64>,
    message_count: i64,
    likes_given: i64,
    read_seq: i64,
}

pub(super) async fn find_room(
    db: &impl ConnectionTrait,
    id: &ConversationId,
) -> Result<Option<Room>, PortError> {
    let sql = format!(
        "SELECT {CONVERSATION}, {ROOM} FROM conversations c JOIN rooms r ON r.id = c.id WHERE c.id = $1"
    );
    let row = find_row(db, &sql, [id.as_str().into()]).await?;
    row.as_ref().map(read_room).transpose()
}

/// One statement for a conversation of any kind: it stands on the path of every join.
pub(super) async fn find_standing(
    db: &impl ConnectionTrait,
    id: &ConversationId,
    user: UserId,
) -> Result<Option<Standing>, PortError> {
    let sql = format!(
        "SELECT {CONVERSATION}, {ROOM}, {MEMBER} FROM conversations c LEFT JOIN rooms r ON r.id = c.id \
         {OF_PERSON} WHERE c.id = $1"
    );
    let row = find_row(db, &sql, [id.as_str().into(), user.as_uuid().into()]).await?;
    row.as_ref().map(read_standing).transpose()
}

fn read_standing(row: &QueryResult) -> Result<Standing, PortError> {
    let cells = ConversationCells::from_query_result(row, "c_").map_err(port_error)?;
    let is_room = row.try_get::<Option<String>>("r_", "id").map_err(port_error)?.is_some();
    Ok(Standing {
        kind: read_kind(&cells.kind)?,
        owner: cells.owner.map(Id::from_uuid),
        epoch: cells.epoch,
        head: read_count(cells.head, "conversations.head")?,
        room: if is_room { Some(Box::new(read_room(row)?)) } else { None },
        member: read_joined_member(row)?,
    })
}

/// Of a row with [`CONVERSATION`] and [`ROOM`].
pub(super) fn read_room(row: &QueryResult) -> Result<Room, PortError> {
    let conversation = ConversationCells::from_query_result(row, "c_").map_err(port_error)?;
    let room = RoomCells::from_query_result(row, "r_").map_err(port_error)?;
    Ok(Room {
        id: read_conversation_id(&conversation.id)?,
        kind: read_kind(&conversation.kind)?,
        owner: conversation.owner.map(Id::from_uuid),
        is_public: room.is_public,
        profile: read_json(&room.profile, "rooms.profile")?,
        settings: read_json(&room.settings, "rooms.settings")?,
        characters: read_json(&room.characters, "rooms.characters")?,
        epoch: conversation.epoch,
        head: read_count(conversation.head, "conversations.head")?,
        created_at: Timestamp::from_millis(conversation.created_at),
        last_active_at: Timestamp::from_millis(conversation.last_active_at),
        closed_at: room.closed_at.map(Timestamp::from_millis),
        statistics: RoomStatistics {
            members: read_count(room.member_count, "rooms.member_count")?,
            messages: read_count(room.message_count, "rooms.message_count")?,
        },
    })
}

/// Of a row with [`MEMBER`], where an outer join found one.
pub(super) fn read_joined_member(row: &QueryResult) -> Result<Option<Member>, PortError> {
    match row.try_get::<Option<Uuid>>("w_", "user_id").map_err(port_error)? {
        Some(_) => read_member(row).map(Some),
        None => Ok(None),
    }
}

/// Of a row with [`MEMBER`].
pub(super) fn read_member(row: &QueryResult) -> Result<Member, PortError> {
    let member = MemberCells::from_query_result(row, "w_").map_err(port_error)?;
    Ok(Member {
        user_id: Id::from_uuid(member.user_id),
        role: read_word(&member.role, "members.role")?,
        state: read_word(&member.state, "members.state")?,
        joined_at: Timestamp::from_millis(member.joined_at),
        muted_until: member.muted_until.map(Timestamp::from_millis),
        read_seq: read_count(member.read_seq, "reads.read_seq")?,
        message_count: read_count(member.message_count, "members.message_count")?,
        likes_given: read_count(member.likes_given, "members.likes_given")?,
    })
}
