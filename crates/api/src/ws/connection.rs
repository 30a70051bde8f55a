//! One connection as its thread knows it: who is there, where they listen, and what they have asked for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use auth::session::SessionId;
use chat::{ConversationId, PostOrder};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;
use kernel::Timestamp;
use uuid::Uuid;

use super::backlog::Crowding;
use super::bucket::Bucket;
use super::bye::Bye;
use super::hub::Ticket;
use super::identity::{AddressSeat, Identity, Seat};
use super::lane::Lane;
use super::mailbox::{Entry, Key};
use super::outbox::Outbox;
use super::outgoing::{Kind, Packet, Texts};
use crate::language::Language;

/// A connection. Its thread's shard and its socket's handler have it.
pub(crate) struct Connection {
    pub(crate) key: Key,
    /// Its id on the wire, and among all instances.
    pub(crate) name: Uuid,
    pub(crate) language: Language,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) state: RefCell<State>,
    /// Whether anything was heard of it since the last sweep.
    pub(crate) is_heard: Cell<bool>,
}

/// What changes of a connection.
pub(crate) struct State {
    pub(crate) identity: Option<Box<Identity>>,
    pub(crate) seat: Option<Seat>,
    pub(crate) address_seat: Option<AddressSeat>,
    pub(crate) memberships: Vec<Rc<Membership>>,
    /// Ways into rooms that are not at their end.
    pub(crate) entries: Vec<(ConversationId, Entry)>,
    pub(crate) lane: Option<Arc<Lane>>,
    /// The order of what is said.
    pub(crate) posts: PostOrder,
    /// Tells operations that end with the connection; made by the first of them.
    pub(crate) gone: Option<Box<Gone>>,
    pub(crate) bucket: Bucket,
    pub(crate) opened_at: Timestamp,
    pub(crate) heard_at: Timestamp,
    pub(crate) pinged_at: Timestamp,
    pub(crate) checked_at: Timestamp,
    pub(crate) stuck_since: Option<Timestamp>,
    pub(crate) in_flight: u32,
    pub(crate) invalid_in_row: u32,
    /// Whether it is being found out who is there; what follows waits.
    pub(crate) is_identifying: bool,
}

/// Ends what listens to it when it is dropped.
pub(crate) struct Gone {
    _here: oneshot::Sender<()>,
    end: Shared<oneshot::Receiver<()>>,
}

impl State {
    /// Ready when the connection is no more.
    pub(crate) fn end(&mut self) -> Shared<oneshot::Receiver<()>> {
        let gone = self.gone.get_or_insert_with(|| {
            let (here, end) = oneshot::channel();
            Box::new(Gone { _here: here, end: end.shared() })
        });
        gone.end.clone()
    }

    pub(crate) fn new(bucket: Bucket, now: Timestamp) -> Self {
        Self {
            identity: None,
            seat: None,
            address_seat: None,
            memberships: Vec::new(),
            entries: Vec::new(),
            lane: None,
            posts: PostOrder::default(),
            gone: None,
            bucket,
            opened_at: now,
            heard_at: now,
            pinged_at: now,
            checked_at: now,
            stuck_since: None,
            in_flight: 0,
            invalid_in_row: 0,
            is_identifying: false,
        }
    }

    pub(crate) fn membership(&self, room: &ConversationId) -> Option<&Rc<Membership>> {
        self.memberships.iter().find(|membership| membership.ticket.room_id() == room)
    }
}

/// A client that was silent for so long gets a ping.
const PING_MS: i64 = 25_000;
/// A client that was silent for so long is dead.
const SILENCE_MS: i64 = 35_000;
const AUTH_MS: i64 = 10_000;
const STUCK_MS: i64 = 10_000;
/// A token is shown again so often. What auth answers then may be as old as `auth::session::RECHECK_MS`: both, a sweep
/// and the check itself together stay below the minute that is promised where no news arrives.
const CHECK_MS: i64 = 10_000;
const _: () = assert!(CHECK_MS + auth::session::RECHECK_MS <= 50_000, "ten seconds are left for the rest");

/// What a sweep finds a connection in need of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// A sign of life.
    Ping,
    /// To go.
    Bye(Bye),
}

impl Connection {
    /// What is due at `now`.
    pub(crate) fn need(&self, now: Timestamp) -> Need {
        let mut state = self.state.borrow_mut();
        if self.is_heard.replace(false) {
            state.heard_at = now;
        }
        let is_expired = state.identity.as_ref().is_some_and(|identity| now >= identity.caller.expires_at);
        if is_expired {
            return Need::Bye(Bye::TokenExpired);
        }
        if state.identity.is_none() && now.millis_since(state.opened_at) >= AUTH_MS {
            return Need::Bye(Bye::AuthTimeout);
        }
        if self.outbox.is_stuck() {
            let since = *state.stuck_since.get_or_insert(now);
            if now.millis_since(since) >= STUCK_MS {
                return Need::Bye(Bye::SlowConsumer);
            }
        } else {
            state.stuck_since = None;
        }
        if now.millis_since(state.heard_at) >= SILENCE_MS {
            return Need::Bye(Bye::Timeout);
        }
        if now.millis_since(state.pinged_at) >= PING_MS {
            state.pinged_at = now;
            return Need::Ping;
        }
        Need::Nothing
    }

    /// The sign-in by which it is known who is there.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.state.borrow().identity.as_ref().map(|identity| identity.caller.session_id)
    }

    /// Since when its token was not shown, if it is time to show it again.
    pub(crate) fn unchecked_since(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.state.borrow();
        let is_due = state.identity.is_some() && now.millis_since(state.checked_at) >= CHECK_MS;
        is_due.then_some(state.checked_at)
    }

    /// The token, which is shown now.
    pub(crate) fn token_to_check(&self, now: Timestamp) -> Option<Arc<str>> {
        let mut state = self.state.borrow_mut();
        state.checked_at = now;
        state.identity.as_ref().map(|identity| Arc::clone(&identity.token))
    }
}

/// A connection's place in a room, on its thread.
pub(crate) struct Membership {
    pub(crate) key: Key,
    pub(crate) name: Uuid,
    pub(crate) language: Language,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) ticket: Ticket,
    pub(crate) entry: Cell<Entry>,
    /// What is said while the connection is still told what it missed.
    held: RefCell<Option<Box<Held>>>,
    pub(crate) typed_at: Cell<Option<Timestamp>>,
    pub(crate) read: Cell<ReadMark>,
}

#[derive(Default)]
struct Held {
    packets: Vec<Rc<Packet>>,
    bytes: usize,
    is_too_much: bool,
}

/// How far the person has read, as this connection said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadMark {
    pub(crate) seq: u64,
    pub(crate) written_at: Option<Timestamp>,
    pub(crate) is_unwritten: bool,
}

const HELD_BYTES_MAX: usize = 256 * 1024;
const HELD_PACKETS_MAX: usize = 4_096;

impl Membership {
    /// A place that is being told what it missed.
    pub(crate) fn joining(connection: &Connection, ticket: Ticket, entry: Entry) -> Rc<Self> {
        Rc::new(Self {
            key: connection.key,
            name: connection.name,
            language: connection.language,
            outbox: Rc::clone(&connection.outbox),
            ticket,
            entry: Cell::new(entry),
            held: RefCell::new(Some(Box::default())),
            typed_at: Cell::new(None),
            read: Cell::new(ReadMark::default()),
        })
    }

    /// Holds back what is said from now on, until it is joined again.
    pub(crate) fn hold(&self, entry: Entry) {
        self.entry.set(entry);
        *self.held.borrow_mut() = Some(Box::default());
    }

    pub(crate) fn is_live(&self) -> bool {
        self.held.borrow().is_none()
    }

    /// Gives it a push, or holds it back.
    pub(crate) fn push(&self, packet: &Rc<Packet>, texts: &Arc<dyn Texts>) -> Crowding {
        let mut held = self.held.borrow_mut();
        let Some(held) = held.as_mut() else {
            drop(held);
            return self.outbox.push(packet, texts);
        };
        if !held.is_too_much {
            held.bytes = held.bytes.saturating_add(packet.frame.len());
            held.packets.push(Rc::clone(packet));
        }
        if held.bytes > HELD_BYTES_MAX || held.packets.len() > HELD_PACKETS_MAX {
            **held = Held { is_too_much: true, ..Held::default() };
        }
        Crowding::Bearable
    }

    /// Whether more was said than is held back.
    pub(crate) fn missed(&self) -> bool {
        self.held.borrow().as_ref().is_some_and(|held| held.is_too_much)
    }

    /// Gives it what was held back beyond a position, and everything from now on.
    pub(crate) fn release(&self, position: u64, texts: &Arc<dyn Texts>) -> Crowding {
        let Some(held) = self.held.borrow_mut().take() else { return Crowding::Bearable };
        for packet in due(&held.packets, position) {
            if self.outbox.push(packet, texts) == Crowding::TooSlow {
                return Crowding::TooSlow;
            }
        }
        Crowding::Bearable
    }
}

/// What is to be told of packets that were held back. Not the pieces of a reply whose end is among them and tells its
/// text: a stop may have been answered meanwhile, and after that no text may come.
fn due(held: &[Rc<Packet>], position: u64) -> impl Iterator<Item = &Rc<Packet>> {
    let ends: Vec<_> = held.iter().filter(|packet| packet.is_end()).collect();
    let is_told_whole = move |packet: &Packet| match packet.kind {
        Kind::Delta(place) => ends.iter().any(|end| end.tells_text_of(place)),
        Kind::Durable | Kind::Ephemeral => false,
    };
    held.iter().filter(move |packet| packet.position > position && !is_told_whole(packet))
}

#[cfg(test)]
mod tests {
    use chat::event::{Event, EventBody};
    use chat::feed::{Batch, FeedItem};
    use chat::{Author, EndReason, Message};
    use kernel::MessageId;

    use super::*;
    use crate::ws::outgoing::{Addressee, DeltaPlace, Outgoing};

    fn reply(n: u128) -> MessageId {
        kernel::Id::from_uuid(Uuid::from_u128(n))
    }

    fn delta(position: u64, message_id: MessageId) -> Rc<Packet> {
        let place = DeltaPlace { message_id, generation: 1, offset: 0 };
        Outgoing::of(position, "d".into(), Addressee::Watchers(place)).packet()
    }

    fn end(position: u64, message_id: MessageId, why: EndReason) -> Rc<Packet> {
        let author = Author::Character("classics_kongzi".parse().unwrap());
        let at = Timestamp::from_millis(0);
        let message = Message::blank(message_id, "r".parse().unwrap(), 1, author, at);
        let body = EventBody::AiEnd { message_id, generation: 1, why, length: 0, crc32: 0 };
        let event = Event { seq: 2, body, created_at: at, message: Some(message), author: None };
        let batch = Arc::new(Batch { position, item: FeedItem::Events(vec![event]) });
        Outgoing::ending("e".into(), batch).packet()
    }

    #[test]
    fn no_piece_of_a_stopped_reply_is_told_behind_the_answer_to_the_stop() {
        let (stopped, whole, growing) = (reply(1), reply(2), reply(3));
        let held = [
            delta(1, stopped),
            delta(2, stopped),
            delta(3, whole),
            end(4, stopped, EndReason::Stopped),
            end(5, whole, EndReason::Done),
            delta(6, growing),
        ];
        let told = |position| due(&held, position).map(|packet| packet.position).collect::<Vec<_>>();
        assert_eq!(told(1), [3, 4, 5, 6], "an end that is `done` tells no text");
        assert_eq!(told(4), [5, 6]);
    }
}
