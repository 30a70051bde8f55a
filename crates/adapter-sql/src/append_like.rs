//! A like, or its end: the person's row, the message's total and latest likers, the member's count, the event.
//!
//! The conversation is locked while the message's likers are read and written, so no total loses one.

use chat::event::EventBody;
use chat::message::{LIKERS_MAX, Likes, MessageStatus};
use chat::ports::{Like, LikeOutcome};
use kernel::{Id, MessageId, PortError, UserId};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::append::{find_row, insert_event, refuse, run, take_seq};
use crate::error::port_error;
use crate::message_row::{find_message, read_conversation_id};
use crate::store::{SqlStore, Write};
use crate::words::{big, json, read_count};

const PLACE: &str = "SELECT m.conversation_id FROM messages m WHERE m.id = $1";

const BEGIN: &str =
    "INSERT INTO likes (message_id, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

const END: &str = "DELETE FROM likes WHERE message_id = $1 AND user_id = $2";

const LATEST: &str =
    "SELECT user_id FROM likes WHERE message_id = $1 ORDER BY created_at DESC, user_id DESC LIMIT $2";

const KEEP: &str = "UPDATE messages SET likes = $2, last_seq = $3 WHERE id = $1";

const COUNT: &str = "UPDATE members SET likes_given = likes_given + $3 WHERE conversation_id = $1 \
     AND user_id = $2 AND likes_given + $3 >= 0";

pub(crate) async fn append_like(store: &SqlStore, like: Like) -> Result<LikeOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(place) = find_row(&tx, PLACE, [like.message_id.as_uuid().into()]).await? else {
        return refuse(tx, LikeOutcome::NoMessage).await;
    };
    let place: String = place.try_get_by_index(0).map_err(port_error)?;
    let Some(seq) = take_seq(&tx, &place, like.at).await? else {
        return refuse(tx, LikeOutcome::NoMessage).await;
    };
    let message = find_message(&tx, "m.id = $1", [like.message_id.as_uuid().into()]).await?;
    let Some(message) = message.filter(|message| message.status != MessageStatus::Recalled) else {
        return refuse(tx, LikeOutcome::NoMessage).await;
    };
    if !change(&tx, &like).await? {
        return refuse(tx, LikeOutcome::Unchanged { total: message.likes.total }).await;
    }
    let likes = changed(&tx, message.likes, &like).await?;
    let id = like.message_id.as_uuid();
    run(&tx, KEEP, [id.into(), json(&likes).into(), seq.into()]).await?;
    let by = if like.liked { 1_i64 } else { -1 };
    run(&tx, COUNT, [place.as_str().into(), like.user_id.as_uuid().into(), by.into()]).await?;
    let total = likes.total;
    let body = EventBody::Like {
        message_id: like.message_id,
        user_id: like.user_id,
        liked: like.liked,
        total_likes: total,
    };
    insert_event(&tx, &read_conversation_id(&place)?, seq, &body, like.at).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(LikeOutcome::Changed { seq: read_count(seq, "conversations.head")?, total })
}

/// Whether it was otherwise before.
async fn change(tx: &Write, like: &Like) -> Result<bool, PortError> {
    let (message, user) = (like.message_id.as_uuid(), like.user_id.as_uuid());
    let changed = if like.liked {
        run(tx, BEGIN, [message.into(), user.into(), like.at.as_millis().into()]).await?
    } else {
        run(tx, END, [message.into(), user.into()]).await?
    };
    Ok(changed > 0)
}

async fn changed(tx: &Write, before: Likes, like: &Like) -> Result<Likes, PortError> {
    let Likes { total, mut users } = before;
    if like.liked {
        users.push(like.user_id);
        let beyond = users.len().saturating_sub(LIKERS_MAX);
        users.drain(..beyond);
        return Ok(Likes { total: total.saturating_add(1), users });
    }
    let total = total.saturating_sub(1);
    let shown = users.len();
    users.retain(|user| *user != like.user_id);
    // A gap among the latest is filled by one that they had pushed out.
    if users.len() < shown && big(users.len()) < i64::from(total) {
        users = latest(tx, like).await?;
    }
    Ok(Likes { total, users })
}

async fn latest(tx: &Write, like: &Like) -> Result<Vec<UserId>, PortError> {
    let values = [like.message_id.as_uuid().into(), big(LIKERS_MAX).into()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), LATEST, values);
    let rows = tx.query_all_raw(statement).await.map_err(port_error)?;
    let user = |row: &sea_orm::QueryResult| row.try_get_by_index::<Uuid>(0).map(Id::from_uuid);
    rows.iter().rev().map(user).collect::<Result<_, _>>().map_err(port_error)
}

/// Which of these messages a person likes.
pub(crate) async fn liked_by(
    db: &impl ConnectionTrait,
    user: UserId,
    messages: &[MessageId],
) -> Result<Vec<MessageId>, PortError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<_> = (2..messages.len() + 2).map(|place| format!("${place}")).collect();
    let sql =
        format!("SELECT message_id FROM likes WHERE user_id = $1 AND message_id IN ({})", places.join(", "));
    let values = std::iter::once(user.as_uuid()).chain(messages.iter().map(MessageId::as_uuid));
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values.map(Value::from));
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    let message = |row: &sea_orm::QueryResult| row.try_get_by_index::<Uuid>(0).map(Id::from_uuid);
    rows.iter().map(message).collect::<Result<_, _>>().map_err(port_error)
}
