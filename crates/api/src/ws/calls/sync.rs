//! Catching up without joining anew: a part of the log, or the text of one reply.

use std::sync::Arc;

use chat::feed::{Growing, fitting};
use chat::{ConversationId, MessageStatus};
use kernel::MessageId;
use serde::{Deserialize, Serialize};

use super::join::StreamView;
use super::messages::message_id;
use super::{Answer, Call, Work, work};
use crate::event_view::{Delivery, EventView};
use crate::problem::{Problem, Rule, Slug};
use crate::ws::envelope::Request;
use crate::ws::hub::HubRoom;
use crate::ws::outgoing::Texts;
use crate::ws::room_ops::room_id;
use crate::ws::session::Session;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SyncData {
    room_id: String,
    from: Option<u64>,
    to: Option<u64>,
    message_id: Option<String>,
    #[serde(rename = "gen")]
    generation: Option<u32>,
    offset: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventsPage<'a> {
    room_id: &'a str,
    events: Vec<EventView<'a>>,
    more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TextPage<'a> {
    room_id: &'a str,
    #[serde(flatten)]
    stream: StreamView<'a>,
    done: bool,
}

/// Reads a part of a room that the connection is in.
pub(in crate::ws) fn sync(session: &Session, request: &Request) -> Result<Work, Problem> {
    let SyncData { room_id: room, from, to, message_id: message, generation, offset } = request.data()?;
    let id = room_id(&room)?;
    let room = session.connection().state.borrow().membership(&id).map(|at| Arc::clone(at.ticket.room()));
    let room = room.ok_or_else(|| Problem::new(Slug::MembershipRequired))?;
    if let Some(message) = message {
        let message = message_id(&message)?;
        let place = generation.zip(offset);
        return Ok(work(async move |call: Arc<Call>| text(&call, &id, &room, (message, place)).await));
    }
    let Some(from) = from else { return Err(Problem::field("from", Rule::Required)) };
    let to = to.unwrap_or(u64::MAX);
    if from == 0 || to < from {
        return Err(Problem::field("to", Rule::Value));
    }
    Ok(work(async move |call: Arc<Call>| events(&call, &id, from, to).await))
}

async fn events(call: &Call, room: &ConversationId, from: u64, to: u64) -> Answer {
    let wanted = u32::try_from(to.saturating_sub(from).saturating_add(1)).unwrap_or(u32::MAX);
    let limit = wanted.min(call.gateway.settings.events_size);
    let mut events = call.gateway.chat.events(room, from.saturating_sub(1), limit).await?;
    events.retain(|event| event.seq <= to);
    let is_full = u32::try_from(events.len()).unwrap_or(u32::MAX) >= limit;
    let fitting = fitting(&events);
    let is_cut = fitting < events.len();
    events.truncate(fitting);
    let more = is_cut || is_full && events.last().is_some_and(|event| event.seq < to) && wanted > limit;
    let writer = &call.gateway.writer;
    let events = events.iter().map(|event| writer.view(room, event, Delivery::Recovered)).collect();
    Ok(Some(call.answer("result", &EventsPage { room_id: room.as_str(), events, more })))
}

async fn text(
    call: &Call,
    id: &ConversationId,
    room: &HubRoom,
    (message_id, place): (MessageId, Option<(u32, u32)>),
) -> Answer {
    let (growing, done) = if let Some(growing) = room.growing(message_id) {
        (growing, false)
    } else {
        let message = call.gateway.chat.message(call.user()?, message_id).await?;
        if message.conversation_id != *id {
            return Err(Problem::not_found());
        }
        let done = message.status != MessageStatus::Streaming;
        (Growing { message_id, generation: message.generation, text: message.content }, done)
    };
    let stream = StreamView::of(&growing, place);
    Ok(Some(call.answer("result", &TextPage { room_id: id.as_str(), stream, done })))
}
