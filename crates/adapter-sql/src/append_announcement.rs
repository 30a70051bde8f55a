//! An operator's announcement in a room: the house's own message, and its event.

use chat::conversation::ConversationId;
use chat::ports::{AnnounceOutcome, Announcement};
use kernel::PortError;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use crate::append::{count_message, find_row, insert_event, refuse, take_seq};
use crate::append_start::blank_row;
use crate::entity::message;
use crate::error::port_error;
use crate::event_log::message_body;
use crate::message_row::find_message;
use crate::store::{SqlStore, Write};
use crate::words::read_count;

const IS_OPEN: &str = "SELECT c.id FROM conversations c JOIN rooms r ON r.id = c.id WHERE c.id = $1 \
     AND c.kind = 'room' AND r.closed_at IS NULL";

/// Of the house: by no person and no character.
const NAMED: &str = "m.conversation_id = $1 AND m.author_user IS NULL AND m.character_id IS NULL \
     AND m.client_msg_id = $2";

/// The seq is taken first: two announcements of one name come one after the other, and the second finds the first.
pub(crate) async fn append_announcement(
    store: &SqlStore,
    announcement: Announcement,
) -> Result<AnnounceOutcome, PortError> {
    let Announcement { conversation_id: place, id, at, .. } = &announcement;
    let tx = store.begin().await?;
    let Some(seq) = take_seq(&tx, place.as_str(), *at).await? else {
        return refuse(tx, AnnounceOutcome::NoRoom).await;
    };
    if let Some(name) = &announcement.client_msg_id {
        let values = [place.as_str().into(), name.as_str().into()];
        if let Some(message) = find_message(&tx, NAMED, values).await? {
            return refuse(tx, AnnounceOutcome::Repeated { message: Box::new(message) }).await;
        }
    }
    if !is_open(&tx, place).await? {
        return refuse(tx, AnnounceOutcome::NoRoom).await;
    }
    let row = message::Model {
        content: announcement.content.clone(),
        client_msg_id: announcement.client_msg_id.clone(),
        body_hash: Some(announcement.body_hash.clone()),
        ..blank_row(place, *id, (seq, *at))
    };
    let insert = message::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(&tx).await.map_err(port_error)?;
    insert_event(&tx, place, seq, &message_body(*id), *at).await?;
    count_message(&tx, place).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(AnnounceOutcome::Appended { seq: read_count(seq, "conversations.head")? })
}

async fn is_open(tx: &Write, id: &ConversationId) -> Result<bool, PortError> {
    Ok(find_row(tx, IS_OPEN, [id.as_str().into()]).await?.is_some())
}
