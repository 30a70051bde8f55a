//! New rooms: made once for each key, or put there by every server that starts.

use chat::ports::{Once, RoomCreateOutcome};
use chat::room::{MemberState, Role, Room};
use kernel::{PortError, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use super::row::find_room;
use crate::conversations::{insert_once, is_of};
use crate::entity::{conversation, member, room};
use crate::error::{corrupt, port_error};
use crate::message_row::read_conversation_id;
use crate::store::{SqlStore, Write};
use crate::words::{big, json, kind_word, word};

/// In the order of ids, so that servers which start together never wait for each other in a circle.
pub(super) async fn ensure(store: &SqlStore, mut rooms: Vec<Room>) -> Result<(), PortError> {
    rooms.sort_by(|one, other| one.id.cmp(&other.id));
    let tx = store.begin().await?;
    for room in &rooms {
        let is_there = OnConflict::column(conversation::Column::Id).do_nothing().to_owned();
        let row = conversation_row(room, None).into_active_model().reset_all();
        let insert = conversation::Entity::insert(row).on_conflict(is_there);
        if insert.exec_without_returning(&tx).await.map_err(port_error)? > 0 {
            insert_room(&tx, room).await?;
        }
    }
    tx.commit().await.map_err(port_error)
}

pub(super) async fn create(
    store: &SqlStore,
    room: &Room,
    once: Option<&Once>,
) -> Result<RoomCreateOutcome, PortError> {
    let tx = store.begin().await?;
    let row = conversation_row(room, once);
    if let Some(once) = once {
        if let Some(earlier) = insert_once(&tx, row, once).await? {
            tx.rollback().await.map_err(port_error)?;
            return replayed(store, room, once, &earlier).await;
        }
    } else {
        let insert = conversation::Entity::insert(row.into_active_model().reset_all());
        insert.exec_without_returning(&tx).await.map_err(port_error)?;
    }
    insert_room(&tx, room).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(RoomCreateOutcome::Created)
}

async fn replayed(
    store: &SqlStore,
    wanted: &Room,
    once: &Once,
    earlier: &conversation::Model,
) -> Result<RoomCreateOutcome, PortError> {
    if earlier.kind != kind_word(wanted.kind) || !is_of(earlier, once) {
        return Ok(RoomCreateOutcome::Conflict);
    }
    let room = find_room(store.reader(), &read_conversation_id(&earlier.id)?).await?;
    room.map(|room| RoomCreateOutcome::Replayed(Box::new(room))).ok_or_else(|| corrupt("rooms.id"))
}

/// What is counted begins here: the owner is in, and nothing was said.
async fn insert_room(tx: &Write, room: &Room) -> Result<(), PortError> {
    let insert = room::Entity::insert(room_row(room).into_active_model().reset_all());
    insert.exec_without_returning(tx).await.map_err(port_error)?;
    let Some(owner) = room.owner else { return Ok(()) };
    let row = member::Model {
        conversation_id: room.id.to_string(),
        user_id: owner.as_uuid(),
        role: word(&Role::Owner),
        state: word(&MemberState::Joined),
        joined_at: room.created_at.as_millis(),
        muted_until: None,
        message_count: 0,
        likes_given: 0,
    };
    let insert = member::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(tx).await.map_err(port_error)?;
    Ok(())
}

fn conversation_row(room: &Room, once: Option<&Once>) -> conversation::Model {
    conversation::Model {
        id: room.id.to_string(),
        kind: kind_word(room.kind).to_owned(),
        owner: room.owner.map(|owner| owner.as_uuid()),
        character_id: None,
        title: room.profile.name.clone(),
        epoch: room.epoch.clone(),
        head: big(room.head),
        created_at: room.created_at.as_millis(),
        last_active_at: room.last_active_at.as_millis(),
        idempotency_key: once.map(|once| once.key.clone()),
        body_hash: once.map(|once| once.body_hash.clone()),
    }
}

fn room_row(room: &Room) -> room::Model {
    room::Model {
        id: room.id.to_string(),
        is_public: room.is_public,
        profile: json(&room.profile),
        category: room.profile.category.clone(),
        settings: json(&room.settings),
        characters: json(&room.characters),
        invite_code: None,
        closed_at: room.closed_at.map(Timestamp::as_millis),
        member_count: i64::from(room.owner.is_some()),
        message_count: 0,
    }
}
