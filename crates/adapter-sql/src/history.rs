//! The history of a conversation: head and page in one statement, so that they agree.

use chat::conversation::ConversationId;
use chat::ports::{HistoryPage, HistoryQuery};
use kernel::{Id, PortError};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::error::port_error;
use crate::message_row::{COLUMNS, MessageRow};
use crate::words::{big, read_count};

/// Columns of the conversation come before those of its message.
const MESSAGE_COLUMNS_AT: usize = 2;
/// Beyond this a page is cut, whatever was asked for.
const LIMIT_MAX: u32 = 500;

/// One way to read: which messages, the order they are taken in, and whether the page turns it around.
struct Direction {
    condition: &'static str,
    taken: &'static str,
    ascending: &'static str,
    newest_first: bool,
}

const NEWEST: Direction =
    Direction { condition: "TRUE", taken: "m.seq DESC", ascending: "m.seq", newest_first: true };

const BEFORE: Direction = Direction {
    condition: "m.seq < (SELECT b.seq FROM messages b WHERE b.id = $3 AND b.conversation_id = $1)",
    taken: "m.seq DESC",
    ascending: "m.seq",
    newest_first: true,
};

const SINCE: Direction = Direction {
    condition: "m.last_seq > $3",
    taken: "m.last_seq",
    ascending: "m.last_seq",
    newest_first: false,
};

pub(crate) async fn history(
    db: &impl ConnectionTrait,
    conversation: &ConversationId,
    query: HistoryQuery,
) -> Result<HistoryPage, PortError> {
    let (direction, limit, third): (_, _, Option<Value>) = match query {
        HistoryQuery::Newest { limit } => (NEWEST, limit, None),
        HistoryQuery::Before { message, limit } => (BEFORE, limit, Some(message.as_uuid().into())),
        HistoryQuery::Since { seq, limit } => (SINCE, limit, Some(big(seq).into())),
    };
    let limit = limit.min(LIMIT_MAX);
    let first = [conversation.as_str().into(), (i64::from(limit) + 1).into()];
    let values = first.into_iter().chain(third);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), direction.sql(), values);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    let Some(first) = rows.first() else {
        return Ok(HistoryPage { messages: Vec::new(), has_more: false, head: 0, owner: None });
    };
    let head = read_count(first.try_get_by_index(0).map_err(port_error)?, "conversations.head")?;
    let owner = first.try_get_by_index::<Option<Uuid>>(1).map_err(port_error)?.map(Id::from_uuid);
    let mut messages = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(found) = MessageRow::joined(row, MESSAGE_COLUMNS_AT).map_err(port_error)? {
            messages.push(found.into_message()?);
        }
    }
    let has_more = cut(&mut messages, limit, direction.newest_first);
    Ok(HistoryPage { messages, has_more, head, owner })
}

impl Direction {
    /// A conversation without messages still answers with its head; one that is not there with no row.
    fn sql(&self) -> String {
        let Self { condition, taken, ascending, .. } = self;
        format!(
            "SELECT c.head, c.owner, m.* FROM conversations c LEFT JOIN \
             (SELECT {COLUMNS} FROM messages m WHERE m.conversation_id = $1 AND {condition} \
             ORDER BY {taken} LIMIT $2) m ON m.conversation_id = c.id WHERE c.id = $1 ORDER BY {ascending}"
        )
    }
}

/// Takes off the one message that was read to know whether there is more.
fn cut<T>(page: &mut Vec<T>, limit: u32, newest_first: bool) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if page.len() <= limit {
        return false;
    }
    if newest_first {
        page.drain(..page.len() - limit);
    } else {
        page.truncate(limit);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_message_is_taken_from_the_far_end() {
        let mut newest = vec![1, 2, 3];
        assert!(cut(&mut newest, 2, true));
        assert_eq!(newest, [2, 3]);
        let mut oldest = vec![1, 2, 3];
        assert!(cut(&mut oldest, 2, false));
        assert_eq!(oldest, [1, 2]);
        assert!(!cut(&mut oldest, 2, false));
    }
}
