//! Up to where somebody has read, and what is left to read.

use chat::conversation::ConversationId;
use chat::ports::UNREAD_MAX;
use kernel::{PortError, UserId};
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::append::find_row;
use crate::error::port_error;
use crate::message_row::read_conversation_id;
use crate::words::{big, read_count};

const HEAD_AND_MARK: &str = "SELECT c.head, d.read_seq FROM conversations c LEFT JOIN reads d ON \
     d.conversation_id = c.id AND d.user_id = $2 WHERE c.id = $1";

/// The mark is cut to the head as it is in this statement, and never falls.
const RAISE: &str = "INSERT INTO reads (conversation_id, user_id, read_seq) \
     SELECT c.id, $2, CASE WHEN c.head < $3 THEN c.head ELSE $3 END FROM conversations c WHERE c.id = $1 \
     ON CONFLICT (conversation_id, user_id) DO UPDATE SET read_seq = \
     CASE WHEN excluded.read_seq > reads.read_seq THEN excluded.read_seq ELSE reads.read_seq END \
     RETURNING read_seq";

/// What holds already, where a read shows that nothing is to be written: `Some(None)` if there is no such
/// conversation. Clients tell again and again that they have read, and a mark that stays costs no write.
pub(super) async fn known(
    db: &impl ConnectionTrait,
    id: &ConversationId,
    user: UserId,
    seq: u64,
) -> Result<Option<Option<u64>>, PortError> {
    let values = [id.as_str().into(), user.as_uuid().into()];
    let Some(row) = find_row(db, HEAD_AND_MARK, values).await? else { return Ok(Some(None)) };
    let head: i64 = row.try_get("", "head").map_err(port_error)?;
    let mark = row.try_get::<Option<i64>>("", "read_seq").map_err(port_error)?.unwrap_or(0);
    if mark < big(seq).min(head) {
        return Ok(None);
    }
    read_count(mark, "reads.read_seq").map(|mark| Some(Some(mark)))
}

/// Raises the mark; what holds afterwards, or `None` where there is no such conversation.
pub(super) async fn raise(
    db: &impl ConnectionTrait,
    id: &ConversationId,
    user: UserId,
    seq: u64,
) -> Result<Option<u64>, PortError> {
    let values = [id.as_str().into(), user.as_uuid().into(), big(seq).into()];
    let Some(row) = find_row(db, RAISE, values).await? else { return Ok(None) };
    let mark = row.try_get("", "read_seq").map_err(port_error)?;
    read_count(mark, "reads.read_seq").map(Some)
}

/// A column `unread` for the viewer `$1`, beside `conversations c`, the viewer's `members w` and `reads d`. Only
/// what the viewer may read and has not blocked is counted, and no further than anybody cares.
pub(super) fn unread_column() -> String {
    format!(
        "CASE WHEN w.state = 'joined' OR (c.kind = 'session' AND c.owner = $1) THEN \
         (SELECT COUNT(*) FROM (SELECT 1 FROM messages n WHERE n.conversation_id = c.id \
         AND n.seq > COALESCE(d.read_seq, 0) AND n.author_user IS DISTINCT FROM $1 AND NOT EXISTS \
         (SELECT 1 FROM blocks b WHERE b.user_id = $1 AND b.blocked_id = n.author_user) \
         LIMIT {UNREAD_MAX}) counted) ELSE 0 END AS unread"
    )
}

pub(super) async fn unread(
    db: &impl ConnectionTrait,
    user: UserId,
    ids: &[ConversationId],
) -> Result<Vec<(ConversationId, u32)>, PortError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<_> = (2..ids.len() + 2).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT c.id, {} FROM conversations c \
         LEFT JOIN members w ON w.conversation_id = c.id AND w.user_id = $1 \
         LEFT JOIN reads d ON d.conversation_id = c.id AND d.user_id = $1 WHERE c.id IN ({})",
        unread_column(),
        places.join(", ")
    );
    let values = std::iter::once(Value::from(user.as_uuid())).chain(ids.iter().map(|id| id.as_str().into()));
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("", "id").map_err(port_error)?;
            let unread = row.try_get("", "unread").map_err(port_error)?;
            Ok((read_conversation_id(&id)?, read_count(unread, "messages.seq")?))
        })
        .collect()
}
