//! What a connection does in its rooms without waiting for anything: leaving, typing, reading on.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use chat::ConversationId;
use kernel::{Timestamp, UserId};
use serde::Deserialize;

use super::connection::{Connection, Membership, ReadMark};
use super::envelope::{Nothing, Request};
use super::shard::Shard;
use crate::problem::{Problem, Slug};

/// An operation on a room as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomData {
    pub(super) room_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadData {
    room_id: String,
    seq: u64,
}

/// Others are told of somebody's writing so often.
const TYPING_MS: i64 = 3_000;
/// A read mark is written so often.
const READ_MS: i64 = 1_000;

/// The id of a conversation; what can be none does not exist.
pub(super) fn room_id(text: &str) -> Result<ConversationId, Problem> {
    text.parse().map_err(|_invalid| Problem::not_found())
}

impl Shard {
    /// Ends the listening; a membership of the room stays.
    pub(super) fn leave_op(&self, connection: &Connection, request: &Request) -> Result<(), Problem> {
        let data: RoomData = request.data()?;
        self.leave(connection.key, &room_id(&data.room_id)?);
        connection.outbox.send(request.tag.reply("result", &Nothing {}));
        Ok(())
    }

    /// Tells the others that the person is writing, unless they were told just now.
    pub(super) fn typing_op(&self, connection: &Connection, request: &Request) -> Result<(), Problem> {
        let data: RoomData = request.data()?;
        let membership = joined(connection, &room_id(&data.room_id)?)?;
        let now = self.gateway.clock.now();
        let is_soon = membership.typed_at.get().is_some_and(|at| now.millis_since(at) < TYPING_MS);
        if !is_soon {
            membership.typed_at.set(Some(now));
            let (chat, room) = (Arc::clone(&self.gateway.chat), membership.ticket.room_id().clone());
            let (user, name) = (membership.ticket.user(), connection.name.to_string());
            self.gateway.tasks.spawn(Box::pin(async move { chat.typing(user, &room, &name).await }));
        }
        connection.outbox.send(request.tag.reply("ack", &Nothing {}));
        Ok(())
    }

    /// Notes how far the person has read; it is written now if none was lately, else by a sweep.
    pub(super) fn read_op(&self, connection: &Connection, request: &Request) -> Result<(), Problem> {
        let data: ReadData = request.data()?;
        let membership = joined(connection, &room_id(&data.room_id)?)?;
        raise(&membership.read, data.seq);
        write_read_mark(self, &membership, Some(self.gateway.clock.now()));
        Ok(())
    }
}

fn joined(connection: &Connection, room: &ConversationId) -> Result<Rc<Membership>, Problem> {
    let state = connection.state.borrow();
    let membership = state.membership(room).cloned();
    membership.ok_or_else(|| Problem::new(Slug::MembershipRequired))
}

/// Marks only rise.
fn raise(mark: &Cell<ReadMark>, seq: u64) {
    let known = mark.get();
    if seq > known.seq {
        mark.set(ReadMark { seq, is_unwritten: true, ..known });
    }
}

/// Writes a mark that is not written, if it is time; `None`: in any case.
pub(super) fn write_read_mark(shard: &Shard, membership: &Membership, now: Option<Timestamp>) {
    let mark = membership.read.get();
    let is_soon = mark.written_at.zip(now).is_some_and(|(at, now)| now.millis_since(at) < READ_MS);
    if !mark.is_unwritten || is_soon {
        return;
    }
    membership.read.set(ReadMark { is_unwritten: false, written_at: now, ..mark });
    let chat = Arc::clone(&shard.gateway.chat);
    let (room, user): (_, UserId) = (membership.ticket.room_id().clone(), membership.ticket.user());
    shard.gateway.tasks.spawn(Box::pin(async move {
        if let Err(error) = chat.read(user, &room, mark.seq).await {
            tracing::debug!(%error, "a read mark was not written");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_mark_only_rises() {
        let mark = Cell::new(ReadMark::default());
        raise(&mark, 5);
        raise(&mark, 3);
        assert_eq!((mark.get().seq, mark.get().is_unwritten), (5, true));
    }
}
