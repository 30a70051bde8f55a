//! A recall: the text goes, and the log says that it went.

use chat::event::EventBody;
use chat::message::MessageStatus;
use chat::ports::{Recall, RecallOutcome};
use kernel::PortError;

use crate::append::{find_row, insert_event, refuse, run, take_seq};
use crate::error::port_error;
use crate::message_row::read_conversation_id;
use crate::store::SqlStore;
use crate::words::{read_count, word};

const PLACE: &str = "SELECT m.conversation_id FROM messages m WHERE m.id = $1";

/// What was sent and what it cost stay: its hash for a retry, its usage for the books.
const ERASE: &str = "UPDATE messages SET content = '', citations = NULL, mentions = NULL, status = $2, \
     last_seq = $3 WHERE id = $1 AND status <> $2";

/// A title that was taken from the message goes with it.
const UNTITLE: &str = "UPDATE conversations SET title = '' WHERE id = $1 AND kind = 'session' AND title = $2";

/// Between the message and its latest event.
const RECALLED: &str = "SELECT e.seq FROM messages m JOIN events e ON e.conversation_id = m.conversation_id \
     AND e.seq > m.seq AND e.seq <= m.last_seq WHERE m.id = $1 AND e.subject = $1 AND e.kind = 'recall' \
     ORDER BY e.seq DESC LIMIT 1";

/// A reply that is growing goes on as a saga: its end finds that it was recalled.
pub(crate) async fn append_recall(store: &SqlStore, recall: Recall) -> Result<RecallOutcome, PortError> {
    let id = recall.message_id.as_uuid();
    let tx = store.begin().await?;
    let Some(place) = find_row(&tx, PLACE, [id.into()]).await? else {
        return refuse(tx, RecallOutcome::NoMessage).await;
    };
    let place: String = place.try_get_by_index(0).map_err(port_error)?;
    let Some(seq) = take_seq(&tx, &place, recall.at).await? else {
        return refuse(tx, RecallOutcome::NoMessage).await;
    };
    let recalled = word(&MessageStatus::Recalled);
    if run(&tx, ERASE, [id.into(), recalled.into(), seq.into()]).await? == 0 {
        let Some(row) = find_row(&tx, RECALLED, [id.into()]).await? else {
            return refuse(tx, RecallOutcome::NoMessage).await;
        };
        let seq = read_count(row.try_get_by_index(0).map_err(port_error)?, "events.seq")?;
        return refuse(tx, RecallOutcome::Already { seq }).await;
    }
    if let Some(title) = recall.title {
        run(&tx, UNTITLE, [place.as_str().into(), title.into()]).await?;
    }
    let body = EventBody::Recall { message_id: recall.message_id };
    insert_event(&tx, &read_conversation_id(&place)?, seq, &body, recall.at).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(RecallOutcome::Recalled { seq: read_count(seq, "conversations.head")? })
}
