//! Entering a room: listen first, then read what was missed, then tell it, then go live.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chat::ConversationId;
use chat::event::{utf16_length, utf16_tail};
use chat::feed::{ClientPlace, Growing, Recovery};
use chat::ports::{Arrival, Online};
use futures::channel::oneshot;
use kernel::{MessageId, PortError, UserId};
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Work, work};
use crate::event_view::{Delivery, EventView};
use crate::problem::{Problem, Slug};
use crate::ws::envelope::Request;
use crate::ws::hub::HubRoom;
use crate::ws::mailbox::{Entry, JoinedMail, Mail};
use crate::ws::outgoing::SHOWN_PEOPLE;
use crate::ws::room_ops::room_id;
use crate::ws::session::Session;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JoinData {
    room_id: String,
    since: Option<u64>,
    epoch: Option<String>,
    #[serde(default)]
    live: HashMap<MessageId, (u32, u32)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    room_id: &'a str,
    epoch: &'a str,
    head: u64,
    events: Vec<EventView<'a>>,
    more: bool,
    reset: bool,
    streams: Vec<StreamView<'a>>,
    online: u32,
    online_user_ids: &'a [UserId],
}

/// A growing reply, from where the client is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamView<'a> {
    message_id: MessageId,
    #[serde(rename = "gen")]
    generation: u32,
    offset: u32,
    text: &'a str,
}

impl<'a> StreamView<'a> {
    /// The part of the text that a client at this place lacks; all of it where the place is of another text.
    pub(super) fn of(growing: &'a Growing, place: Option<(u32, u32)>) -> Self {
        let Growing { message_id, generation, text } = growing;
        let known = place.filter(|(of, at)| of == generation && *at <= utf16_length(text));
        let (offset, text) = utf16_tail(text, known.map_or(0, |(_, at)| at));
        Self { message_id: *message_id, generation: *generation, offset, text }
    }
}

/// More was said during so many readings than is kept.
const READINGS_MAX: u32 = 3;
const ROOM_FULL_RETRY_MS: i64 = 5_000;
/// A connection that is in as many rooms as it may be has to leave one first.
const ROOMS_FULL_RETRY_MS: i64 = 5_000;

/// Enters a room.
pub(in crate::ws) fn join(session: &Session, request: &Request) -> Result<Work, Problem> {
    let JoinData { room_id: room, since, epoch, live } = request.data()?;
    let room = room_id(&room)?;
    let gateway = &session.shard().gateway;
    let mut state = session.connection().state.borrow_mut();
    let most = usize::try_from(gateway.settings.rooms_per_connection).unwrap_or(usize::MAX);
    let rooms = state.memberships.len().saturating_add(state.entries.len());
    if most > 0 && rooms >= most && state.membership(&room).is_none() {
        return Err(Problem::new(Slug::RateLimited).retry_after_millis(ROOMS_FULL_RETRY_MS));
    }
    let entry = gateway.next_entry();
    state.entries.push((room.clone(), entry));
    let place = ClientPlace { since, epoch };
    Ok(work(async move |call: Arc<Call>| {
        let joining = Joining { room, entry, place, live };
        let mut way = WayIn { call: &call, room: &joining.room, entry, has_led: false };
        let answer = joining.join(&call).await;
        way.has_led = answer.is_ok();
        answer
    }))
}

/// A way into a room: where it leads nowhere, also because the operation died, the entry is freed.
struct WayIn<'a> {
    call: &'a Call,
    room: &'a ConversationId,
    entry: Entry,
    has_led: bool,
}

impl Drop for WayIn<'_> {
    fn drop(&mut self) {
        if !self.has_led {
            let (key, entry, room) = (self.call.key, self.entry, self.room.clone());
            self.call.mailbox.send(Mail::NotJoined { key, entry, room });
        }
    }
}

struct Joining {
    room: ConversationId,
    entry: Entry,
    place: ClientPlace,
    live: HashMap<MessageId, (u32, u32)>,
}

impl Joining {
    async fn join(&self, call: &Call) -> Answer {
        let (chat, hub, user) = (&call.gateway.chat, &call.gateway.hub, call.user()?);
        chat.enter(user, &self.room).await?;
        let mut ticket = hub.ticket(&self.room, &call.mailbox, user);
        let room: Arc<HubRoom> = Arc::clone(ticket.room());
        let feed = hub.open(&room).await?;
        match chat.arrive(&self.room, user).await? {
            Arrival::Here { .. } => ticket.has_arrived(),
            Arrival::Full { online } => {
                return Err(Problem::new(Slug::RateLimited).used_up(online, ROOM_FULL_RETRY_MS));
            }
        }
        call.mailbox.send(Mail::Enter { key: call.key, entry: self.entry, ticket });
        // Who was shown out before the connection was there was not shown out by it.
        chat.readable(user, &self.room).await?;
        for _ in 0..READINGS_MAX {
            // From the ticket on everything is delivered here, so nothing falls between this and what is read.
            let recovery = chat.recover(feed, &self.place).await?;
            let online = chat.online(&self.room, SHOWN_PEOPLE).await?;
            let (again, missed) = oneshot::channel();
            call.mailbox.send(Mail::Joined(Box::new(JoinedMail {
                key: call.key,
                entry: self.entry,
                room: self.room.clone(),
                position: recovery.position,
                reply: self.reply(call, &recovery, &online),
                tag: call.tag.clone(),
                again,
            })));
            if missed.await.is_err() {
                return Ok(None);
            }
        }
        Err(PortError::unavailable("room", "more is said in it than can be caught up with").into())
    }

    fn reply(&self, call: &Call, recovery: &Recovery, online: &Online) -> Bytes {
        let writer = &call.gateway.writer;
        let events = recovery.events.iter();
        let streams = recovery.streams.iter();
        call.tag.reply(
            "result",
            &Joined {
                room_id: self.room.as_str(),
                epoch: &recovery.epoch,
                head: recovery.head,
                events: events.map(|event| writer.view(&self.room, event, Delivery::Recovered)).collect(),
                more: recovery.more,
                reset: recovery.reset,
                streams: streams
                    .map(|growing| StreamView::of(growing, self.live.get(&growing.message_id).copied()))
                    .collect(),
                online: online.count,
                online_user_ids: &online.users,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_of_the_same_text_is_told() {
        let message_id = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let growing = Growing { message_id, generation: 2, text: "学而时习之".to_owned() };
        let part = |place| {
            let view = StreamView::of(&growing, place);
            (view.offset, view.text.to_owned())
        };
        assert_eq!(part(Some((2, 2))), (2, "时习之".to_owned()));
        assert_eq!(part(Some((2, 5))), (5, String::new()));
        for foreign in [None, Some((1, 2)), Some((2, 6))] {
            assert_eq!(part(foreign), (0, "学而时习之".to_owned()), "{foreign:?}");
        }
    }
}
