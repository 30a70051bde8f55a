//! The rooms of one thread: who is in them here, and how a push reaches each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use chat::ConversationId;
use kernel::UserId;

use super::backlog::Crowding;
use super::bye::Bye;
use super::connection::{Connection, Membership};
use super::hub::{HubRoom, Ticket};
use super::mailbox::{Entry, JoinedMail, Key};
use super::outgoing::{Addressee, Outgoing, Packet, Texts};
use super::shard::Shard;
use crate::language::Language;
use crate::problem::{Problem, Slug};

/// The rooms that connections of this thread are in.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: RefCell<HashMap<ConversationId, Room>>,
}

/// Cheap to clone: a push goes to those who were there when it began.
#[derive(Clone)]
struct Room {
    texts: Arc<dyn Texts>,
    members: Rc<Vec<Rc<Membership>>>,
}

impl Rooms {
    /// Those of this thread who are in a room.
    pub(crate) fn members(&self, room: &ConversationId) -> Vec<Rc<Membership>> {
        self.rooms.borrow().get(room).map(|room| room.members.to_vec()).unwrap_or_default()
    }

    /// Everybody in every room.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Membership)) {
        for room in self.rooms.borrow().values() {
            room.members.iter().for_each(|membership| visit(membership));
        }
    }

    /// Takes somebody out of a room.
    pub(crate) fn leave(&self, membership: &Rc<Membership>) {
        let mut rooms = self.rooms.borrow_mut();
        let id = membership.ticket.room_id();
        let Some(room) = rooms.get_mut(id) else { return };
        let members = Rc::make_mut(&mut room.members);
        if let Some(at) = members.iter().position(|member| Rc::ptr_eq(member, membership)) {
            members.swap_remove(at);
        }
        let emptied = if members.is_empty() { rooms.remove(id) } else { None };
        drop(rooms);
        drop(emptied);
    }

    fn add(&self, membership: &Rc<Membership>) {
        let hub_room: &Arc<HubRoom> = membership.ticket.room();
        let mut rooms = self.rooms.borrow_mut();
        let room = rooms.entry(membership.ticket.room_id().clone()).or_insert_with(|| {
            let texts: Arc<dyn Texts> = Arc::<HubRoom>::clone(hub_room);
            Room { texts, members: Rc::default() }
        });
        Rc::make_mut(&mut room.members).push(Rc::clone(membership));
    }

    /// The members as they are now, and the texts of the room.
    fn snapshot(&self, room: &ConversationId) -> Option<Room> {
        self.rooms.borrow().get(room).cloned()
    }
}

impl Shard {
    /// Hands a push to everybody it is for.
    pub(super) fn push(&self, room: &ConversationId, outgoing: &Outgoing) {
        let Some(Room { texts, members }) = self.rooms.snapshot(room) else { return };
        let packet = outgoing.packet();
        match &outgoing.to {
            Addressee::All | Addressee::Watchers(_) | Addressee::Others(None) => {
                self.give(&members, &packet, &texts);
            }
            Addressee::Others(Some(name)) => {
                let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
                for member in members.iter() {
                    let own: &str = member.name.hyphenated().encode_lower(&mut buffer);
                    if own != &**name {
                        self.give(std::slice::from_ref(member), &packet, &texts);
                    }
                }
            }
            Addressee::Person { user, english } => {
                for member in members.iter().filter(|member| member.ticket.user() == *user) {
                    let frame = match member.language {
                        Language::Chinese => outgoing.frame.clone(),
                        Language::English => english.clone(),
                    };
                    member.outbox.send(frame);
                }
            }
            Addressee::Expelled(user) => {
                self.expel(&members, *user, &outgoing.frame);
            }
            Addressee::Reset => {
                for member in members.iter() {
                    self.close(member.key, Bye::GoingAway);
                }
            }
        }
        for (user, frame) in &outgoing.departed {
            self.expel(&members, *user, frame);
        }
    }

    /// Tells a person's connections that they are out, and takes them out.
    fn expel(&self, members: &[Rc<Membership>], user: UserId, frame: &Bytes) {
        for member in members.iter().filter(|member| member.ticket.user() == user) {
            member.outbox.send(frame.clone());
            self.leave(member.key, member.ticket.room_id());
        }
    }

    fn give(&self, members: &[Rc<Membership>], packet: &Rc<Packet>, texts: &Arc<dyn Texts>) {
        let mut too_slow: Vec<Key> = Vec::new();
        for member in members {
            if member.push(packet, texts) == Crowding::TooSlow {
                too_slow.push(member.key);
            }
        }
        self.gateway.meters.frames_out.increment(u64::try_from(members.len()).unwrap_or(0));
        for key in too_slow {
            self.close(key, Bye::SlowConsumer);
        }
    }

    /// Lets a connection listen, unless it has left or gone meanwhile.
    pub(super) fn enter(&self, key: Key, entry: Entry, ticket: Ticket) {
        let Some(connection) = self.connection(key) else { return };
        let mut state = connection.state.borrow_mut();
        let room = ticket.room_id();
        if !state.entries.iter().any(|(id, known)| *known == entry && id == room) {
            return;
        }
        if let Some(membership) = state.membership(room) {
            membership.hold(entry);
            return;
        }
        let membership = Membership::joining(&connection, ticket, entry);
        state.memberships.push(Rc::clone(&membership));
        drop(state);
        self.rooms.add(&membership);
    }

    /// Tells a connection what it missed, and then what was said since.
    pub(super) fn joined(&self, joined: JoinedMail) {
        let JoinedMail { key, entry, room, position, reply, tag, again } = joined;
        let Some(connection) = self.connection(key) else { return };
        let membership = connection.state.borrow().membership(&room).cloned();
        let Some(membership) = membership.filter(|membership| membership.entry.get() == entry) else {
            // It joins again; or it has left or was shown out, and what was read is not for it any more.
            let is_entering = connection.state.borrow().entries.iter().any(|(_, known)| *known == entry);
            end_entry(&connection, entry);
            connection.outbox.send(if is_entering {
                reply
            } else {
                tag.error(&Problem::new(Slug::MembershipRequired), connection.language)
            });
            return;
        };
        if membership.missed() && again.send(()).is_ok() {
            membership.hold(entry);
            return;
        }
        end_entry(&connection, entry);
        connection.outbox.send(reply);
        let texts: Arc<dyn Texts> = Arc::<HubRoom>::clone(membership.ticket.room());
        if membership.release(position, &texts) == Crowding::TooSlow {
            self.close(key, Bye::SlowConsumer);
        }
    }

    /// Ends a way in that led nowhere.
    pub(super) fn not_joined(&self, key: Key, entry: Entry, room: &ConversationId) {
        let Some(connection) = self.connection(key) else { return };
        end_entry(&connection, entry);
        let membership = connection.state.borrow().membership(room).cloned();
        if membership.is_some_and(|membership| membership.entry.get() == entry && !membership.is_live()) {
            self.leave(key, room);
        }
    }

    /// Takes a connection out of a room; whether it was in, or on its way.
    pub(crate) fn leave(&self, key: Key, room: &ConversationId) -> bool {
        let Some(connection) = self.connection(key) else { return false };
        let mut state = connection.state.borrow_mut();
        let entries = state.entries.len();
        state.entries.retain(|(id, _)| id != room);
        let was_entering = state.entries.len() < entries;
        let at = state.memberships.iter().position(|membership| membership.ticket.room_id() == room);
        let Some(at) = at else { return was_entering };
        let membership = state.memberships.swap_remove(at);
        drop(state);
        self.rooms.leave(&membership);
        super::room_ops::write_read_mark(self, &membership, None);
        true
    }
}

fn end_entry(connection: &Connection, entry: Entry) {
    connection.state.borrow_mut().entries.retain(|(_, known)| *known != entry);
}
