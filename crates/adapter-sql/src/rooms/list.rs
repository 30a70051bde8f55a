//! Lists: rooms as somebody sees them, and the members of one.

use chat::conversation::ConversationId;
use chat::ports::{RoomQuery, RoomScope, RoomSort, RoomSummary};
use chat::room::{Member, MemberState};
use kernel::{Page, PageRequest, PortError};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::read_mark::unread_column;
use super::row::{CONVERSATION, MEMBER, ROOM, read_joined_member, read_member, read_room};
use crate::append::find_row;
use crate::error::port_error;
use crate::message_row::{COLUMNS, MessageRow};
use crate::words::{big, read_count, word};

/// Columns before those of the newest message in [`page_sql`].
const MESSAGE_COLUMNS_AT: usize = 24;

/// Of rooms that somebody is in now.
const JOINED: &str = "SELECT conversation_id AS id FROM members WHERE user_id = $1 AND state = 'joined'";

/// The viewer is `$1`, the category `$2`.
pub(super) async fn rooms(
    db: &impl ConnectionTrait,
    query: &RoomQuery,
    page: PageRequest,
) -> Result<Page<RoomSummary>, PortError> {
    let wanted = [query.viewer.as_uuid().into(), query.category.clone().into()];
    let count = format!("SELECT COUNT(*) AS total FROM {}", wanted_sql(query.scope));
    let total = total(db, &count, wanted.clone()).await?;
    let values = wanted.into_iter().chain(place_of(page));
    let statement = Statement::from_sql_and_values(db.get_database_backend(), page_sql(query), values);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    let items = rows.iter().map(summary_of).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

/// Memberships of a room that stand so: owner and admins first, then the longest.
pub(super) async fn members(
    db: &impl ConnectionTrait,
    id: &ConversationId,
    state: MemberState,
    page: PageRequest,
) -> Result<Page<Member>, PortError> {
    const COUNT: &str =
        "SELECT COUNT(*) AS total FROM members w WHERE w.conversation_id = $1 AND w.state = $2";
    let of_state: [Value; 2] = [id.as_str().into(), word(&state).into()];
    let total = total(db, COUNT, of_state.clone()).await?;
    let sql = format!(
        "SELECT {MEMBER} FROM members w \
         LEFT JOIN reads d ON d.conversation_id = w.conversation_id AND d.user_id = w.user_id \
         WHERE w.conversation_id = $1 AND w.state = $2 \
         ORDER BY CASE w.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END, w.joined_at, w.user_id \
         LIMIT $3 OFFSET $4"
    );
    let values = of_state.into_iter().chain(place_of(page));
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    let items = rows.iter().map(read_member).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

/// The scope's rooms as `conversations c` and `rooms r`, reached by an index each.
fn wanted_sql(scope: RoomScope) -> String {
    let (ids, condition) = match scope {
        RoomScope::Visible => (
            format!("SELECT id FROM rooms WHERE is_public UNION {JOINED}"),
            "c.kind = 'room' AND r.closed_at IS NULL",
        ),
        RoomScope::Joined => (JOINED.to_owned(), "c.kind = 'room'"),
        RoomScope::Squads => ("SELECT id FROM conversations WHERE owner = $1".to_owned(), "c.kind = 'squad'"),
    };
    format!(
        "({ids}) wanted JOIN conversations c ON c.id = wanted.id JOIN rooms r ON r.id = c.id \
         WHERE {condition} AND ($2 IS NULL OR r.category = $2)"
    )
}

/// The page is cut first; what is joined and counted is of its rooms only.
fn page_sql(query: &RoomQuery) -> String {
    let order = match query.sort {
        RoomSort::Popularity => "r.member_count DESC, r.message_count DESC, c.id",
        RoomSort::Active => "c.last_active_at DESC, c.id",
        RoomSort::Newest => "c.created_at DESC, c.id",
    };
    format!(
        "WITH page AS (SELECT c.id FROM {} ORDER BY {order} LIMIT $3 OFFSET $4) \
         SELECT {CONVERSATION}, {ROOM}, {MEMBER}, {}, {COLUMNS} \
         FROM page JOIN conversations c ON c.id = page.id JOIN rooms r ON r.id = c.id \
         LEFT JOIN members w ON w.conversation_id = c.id AND w.user_id = $1 \
         LEFT JOIN reads d ON d.conversation_id = c.id AND d.user_id = $1 \
         LEFT JOIN messages m ON w.state = 'joined' AND m.conversation_id = c.id AND m.seq = \
         (SELECT MAX(newest.seq) FROM messages newest WHERE newest.conversation_id = c.id) ORDER BY {order}",
        wanted_sql(query.scope),
        unread_column(),
    )
}

fn summary_of(row: &QueryResult) -> Result<RoomSummary, PortError> {
    let message = MessageRow::joined(row, MESSAGE_COLUMNS_AT).map_err(port_error)?;
    Ok(RoomSummary {
        room: read_room(row)?,
        member: read_joined_member(row)?,
        unread: read_count(row.try_get("", "unread").map_err(port_error)?, "messages.seq")?,
        last_message: message.map(MessageRow::into_message).transpose()?,
    })
}

async fn total<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<u64, PortError> {
    let Some(row) = find_row(db, sql, values).await? else { return Ok(0) };
    read_count(row.try_get("", "total").map_err(port_error)?, "rooms.id")
}

/// `LIMIT` and `OFFSET` of a page.
fn place_of(page: PageRequest) -> [Value; 2] {
    [i64::from(page.size()).into(), big(page.offset()).into()]
}
