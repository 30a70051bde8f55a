//! Coming into a room and going out of it, each with its `member` event in the log.

use chat::conversation::{ConversationId, ConversationKind};
use chat::event::EventBody;
use chat::ports::{Join, JoinOutcome};
use chat::room::{Member, MemberAction, MemberState, Role, Standing};
use kernel::{PortError, Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use super::row::find_standing;
use super::{find_invite_code, read_mark};
use crate::append::{find_row, insert_event, refuse, run};
use crate::entity::member::{Column, Entity, Model};
use crate::error::{port_error, rejected};
use crate::store::{SqlStore, Write};
use crate::words::{big, read_count, word};

/// Changes nothing and locks the row, on both databases.
const LOCK: &str = "UPDATE conversations SET head = head WHERE id = $1 AND kind <> 'session' RETURNING head";

const ADVANCE: &str = "UPDATE conversations SET head = $2, last_active_at = $3 WHERE id = $1";

const COUNT_MEMBERS: &str = "UPDATE rooms SET member_count = member_count + $2 WHERE id = $1";

const END: &str =
    "UPDATE members SET state = $3 WHERE conversation_id = $1 AND user_id = $2 AND state = 'joined'";

pub(super) async fn begin(store: &SqlStore, join: &Join) -> Result<JoinOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(head) = lock(&tx, &join.conversation_id).await? else {
        return refuse(tx, JoinOutcome::NoRoom).await;
    };
    let Some(standing) = find_standing(&tx, &join.conversation_id, join.user_id).await? else {
        return refuse(tx, JoinOutcome::NoRoom).await;
    };
    let invite_code = find_invite_code(&tx, &join.conversation_id).await?;
    if let Some(refusal) = refusal(&standing, invite_code.as_deref(), join) {
        return refuse(tx, refusal).await;
    }
    let seq = head + 1;
    let member = admitted(&standing, join, read_count(seq, "conversations.head")?);
    store_membership(&tx, &join.conversation_id, &member).await?;
    run(&tx, COUNT_MEMBERS, [join.conversation_id.as_str().into(), 1_i64.into()]).await?;
    append(&tx, &join.conversation_id, seq, (join.user_id, MemberAction::Joined), join.at).await?;
    read_mark::raise(&tx, &join.conversation_id, join.user_id, member.read_seq).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(JoinOutcome::Joined { seq: member.read_seq, member })
}

/// A stranger's ban is stored without an event: nobody saw them come, so nobody is told that they go.
pub(super) async fn end(
    store: &SqlStore,
    id: &ConversationId,
    user: UserId,
    action: MemberAction,
    at: Timestamp,
) -> Result<Option<u64>, PortError> {
    let state = match action {
        MemberAction::Left | MemberAction::Removed => MemberState::Left,
        MemberAction::Banned => MemberState::Banned,
        MemberAction::Joined => return Err(rejected("nobody goes by joining")),
    };
    let tx = store.begin().await?;
    let Some(head) = lock(&tx, id).await? else {
        return refuse(tx, None).await;
    };
    let ended = run(&tx, END, [id.as_str().into(), user.as_uuid().into(), word(&state).into()]).await?;
    if ended == 0 {
        return match state {
            MemberState::Banned => ban_stranger(tx, id, user, at).await,
            MemberState::Left | MemberState::Joined => refuse(tx, None).await,
        };
    }
    let seq = head + 1;
    run(&tx, COUNT_MEMBERS, [id.as_str().into(), (-1_i64).into()]).await?;
    append(&tx, id, seq, (user, action), at).await?;
    tx.commit().await.map_err(port_error)?;
    read_count(seq, "conversations.head").map(Some)
}

/// Locks a room or squad; its head.
async fn lock(tx: &Write, id: &ConversationId) -> Result<Option<i64>, PortError> {
    let row = find_row(tx, LOCK, [id.as_str().into()]).await?;
    row.map(|row| row.try_get("", "head").map_err(port_error)).transpose()
}

/// Why somebody does not come in now, if not.
fn refusal(standing: &Standing, invite_code: Option<&str>, join: &Join) -> Option<JoinOutcome> {
    let room = standing.room.as_ref().filter(|room| room.kind == ConversationKind::Room);
    let Some(room) = room.filter(|room| room.closed_at.is_none()) else {
        return Some(JoinOutcome::NoRoom);
    };
    if let Some(member) = &standing.member {
        match member.state {
            MemberState::Joined => return Some(JoinOutcome::Already { member: member.clone() }),
            MemberState::Banned => return Some(JoinOutcome::Banned),
            MemberState::Left => {}
        }
    }
    let is_owner = standing.owner == Some(join.user_id);
    let has_code = invite_code.is_some() && invite_code == join.invite_code.as_deref();
    if !(room.takes_guests() || is_owner || has_code) {
        return Some(JoinOutcome::NotInvited);
    }
    if !(is_owner || room.admits(join.level)) {
        return Some(JoinOutcome::LevelRequired { level: room.profile.require_level });
    }
    (room.statistics.members >= room.settings.max_members).then_some(JoinOutcome::Full)
}

/// The membership of somebody who comes in, or comes back: what was counted stays, and so does a silence that is
/// not over. What was said before counts as read.
fn admitted(standing: &Standing, join: &Join, seq: u64) -> Member {
    let before = standing.member.as_ref();
    let is_owner = standing.owner == Some(join.user_id);
    Member {
        user_id: join.user_id,
        role: if is_owner { Role::Owner } else { Role::Member },
        state: MemberState::Joined,
        joined_at: join.at,
        muted_until: before.and_then(|member| member.muted_until),
        read_seq: seq,
        message_count: before.map_or(0, |member| member.message_count),
        likes_given: before.map_or(0, |member| member.likes_given),
    }
}

/// A row that is there keeps its counts.
async fn store_membership(tx: &Write, id: &ConversationId, member: &Member) -> Result<(), PortError> {
    let row = Model {
        conversation_id: id.to_string(),
        user_id: member.user_id.as_uuid(),
        role: word(&member.role),
        state: word(&member.state),
        joined_at: member.joined_at.as_millis(),
        muted_until: member.muted_until.map(Timestamp::as_millis),
        message_count: big(member.message_count),
        likes_given: big(member.likes_given),
    };
    let is_there = OnConflict::columns([Column::ConversationId, Column::UserId])
        .update_columns([Column::Role, Column::State, Column::JoinedAt])
        .to_owned();
    let insert = Entity::insert(row.into_active_model().reset_all()).on_conflict(is_there);
    insert.exec_without_returning(tx).await.map_err(port_error)?;
    Ok(())
}

async fn ban_stranger(
    tx: Write,
    id: &ConversationId,
    user: UserId,
    at: Timestamp,
) -> Result<Option<u64>, PortError> {
    let stranger = Member {
        user_id: user,
        role: Role::Member,
        state: MemberState::Banned,
        joined_at: at,
        muted_until: None,
        read_seq: 0,
        message_count: 0,
        likes_given: 0,
    };
    store_membership(&tx, id, &stranger).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(None)
}

async fn append(
    tx: &Write,
    id: &ConversationId,
    seq: i64,
    (user_id, action): (UserId, MemberAction),
    at: Timestamp,
) -> Result<(), PortError> {
    run(tx, ADVANCE, [id.as_str().into(), seq.into(), at.as_millis().into()]).await?;
    insert_event(tx, id, seq, &EventBody::Member { user_id, action }, at).await
}
