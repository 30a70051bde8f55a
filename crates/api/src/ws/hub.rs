//! Which threads listen to which room of this instance.
//!
//! While a connection is in a room, or on its way in, there is one feed of the room here. What the feed delivers is
//! encoded once and given to each thread that has connections in the room. A [`Ticket`] stands for one connection's
//! place: when the last one goes, by whatever path, so does the feed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat::feed::{Audience, Batch, FeedHandle, FeedItem, Growing};
use chat::{ChatError, ChatService, ConversationId};
use kernel::{Clock, MessageId, Tasks, Timestamp, UserId};
use metrics::Gauge;
use tokio::sync::OnceCell;

use super::mailbox::Mailbox;
use super::outgoing::{Outgoing, SHOWN_PEOPLE, Texts, encode, online_frame};
use crate::event_view::EventWriter;

/// The rooms of this instance.
pub(crate) struct Hub {
    rooms: Mutex<HashMap<ConversationId, Arc<HubRoom>>>,
    /// Crowds whose number has changed since it was told.
    untold: Arc<Mutex<Vec<Arc<Fan>>>>,
    chat: Arc<ChatService>,
    tasks: Arc<dyn Tasks>,
    clock: Arc<dyn Clock>,
    writer: EventWriter,
    gauge: Gauge,
}

/// A room that somebody here listens to.
pub(crate) struct HubRoom {
    id: ConversationId,
    fan: Arc<Fan>,
    feed: OnceCell<FeedHandle>,
}

impl Texts for HubRoom {
    fn room(&self) -> &str {
        self.id.as_str()
    }

    fn growing(&self, message_id: MessageId) -> Option<Growing> {
        self.feed.get()?.growing(message_id)
    }
}

/// Spreads what a feed delivers. It is apart from the room, which owns the feed that owns this.
struct Fan {
    listeners: Mutex<Vec<Listener>>,
    crowd: Mutex<Crowd>,
    room: ConversationId,
    untold: Arc<Mutex<Vec<Arc<Self>>>>,
    this: std::sync::Weak<Self>,
    writer: EventWriter,
    clock: Arc<dyn Clock>,
}

struct Listener {
    mailbox: Arc<Mailbox>,
    tickets: usize,
}

/// How many people are in a room that has too many to name them.
struct Crowd {
    told_at: Timestamp,
    untold: Option<u32>,
}

/// Changes of a crowd are told so often.
const CROWD_TOLD_MS: i64 = 5_000;

impl Audience for Fan {
    fn deliver(&self, conversation: &ConversationId, batch: &Arc<Batch>) {
        if let FeedItem::Presence { online, .. } = batch.item
            && online > SHOWN_PEOPLE
        {
            self.count_crowd(online);
            return;
        }
        if let Some(outgoing) = encode(conversation, batch, &self.writer) {
            self.spread(outgoing);
        }
    }
}

impl Fan {
    fn spread(&self, outgoing: Outgoing) {
        let outgoing = Arc::new(outgoing);
        for listener in lock(&self.listeners).iter() {
            listener.mailbox.push(&self.room, &outgoing);
        }
    }

    /// Tells the number now if it was not told lately; else [`Hub::tell_crowds`] does.
    fn count_crowd(&self, online: u32) {
        let now = self.clock.now();
        let mut crowd = lock(&self.crowd);
        if now.millis_since(crowd.told_at) >= CROWD_TOLD_MS {
            *crowd = Crowd { told_at: now, untold: None };
            drop(crowd);
            self.spread(Outgoing::aside(online_frame(self.room.as_str(), online)));
        } else if crowd.untold.replace(online).is_none()
            && let Some(this) = self.this.upgrade()
        {
            drop(crowd);
            lock(&self.untold).push(this);
        }
    }

    /// Tells the number if it is time; whether it was.
    fn tell_crowd(&self, now: Timestamp) -> bool {
        let mut crowd = lock(&self.crowd);
        if now.millis_since(crowd.told_at) < CROWD_TOLD_MS {
            return false;
        }
        let online = crowd.untold.take();
        crowd.told_at = now;
        drop(crowd);
        if let Some(online) = online {
            self.spread(Outgoing::aside(online_frame(self.room.as_str(), online)));
        }
        true
    }
}

/// A connection's place in a room.
pub(crate) struct Ticket {
    room: Arc<HubRoom>,
    mailbox: Arc<Mailbox>,
    hub: Arc<Hub>,
    user: UserId,
    /// Whether presence knows of it.
    has_arrived: bool,
}

impl Ticket {
    pub(crate) fn room(&self) -> &Arc<HubRoom> {
        &self.room
    }

    pub(crate) fn user(&self) -> UserId {
        self.user
    }

    /// Presence knows of it from now on, and is told when it goes.
    pub(crate) fn has_arrived(&mut self) {
        self.has_arrived = true;
    }

    pub(crate) fn room_id(&self) -> &ConversationId {
        &self.room.id
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.hub.release(&self.room, &self.mailbox);
        if self.has_arrived {
            let (chat, room, user) = (Arc::clone(&self.hub.chat), self.room.id.clone(), self.user);
            self.hub.tasks.spawn(Box::pin(async move { chat.depart(&room, user).await }));
        }
    }
}

impl Hub {
    pub(crate) fn new(
        chat: Arc<ChatService>,
        tasks: Arc<dyn Tasks>,
        clock: Arc<dyn Clock>,
        writer: EventWriter,
    ) -> Arc<Self> {
        let gauge = metrics::gauge!("ws_rooms");
        Arc::new(Self { rooms: Mutex::default(), untold: Arc::default(), chat, tasks, clock, writer, gauge })
    }

    /// A place in a room for a connection of this thread.
    pub(crate) fn ticket(
        self: &Arc<Self>,
        id: &ConversationId,
        mailbox: &Arc<Mailbox>,
        user: UserId,
    ) -> Ticket {
        let mut rooms = lock(&self.rooms);
        let room = match rooms.entry(id.clone()) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => Arc::clone(entry.insert(self.new_room(id))),
        };
        let mut listeners = lock(&room.fan.listeners);
        match listeners.iter_mut().find(|listener| Arc::ptr_eq(&listener.mailbox, mailbox)) {
            Some(listener) => listener.tickets += 1,
            None => listeners.push(Listener { mailbox: Arc::clone(mailbox), tickets: 1 }),
        }
        drop(listeners);
        self.count(&rooms);
        drop(rooms);
        let (mailbox, hub) = (Arc::clone(mailbox), Arc::clone(self));
        Ticket { room, mailbox, hub, user, has_arrived: false }
    }

    /// The room's feed, opened by whoever comes first.
    pub(crate) async fn open<'a>(&self, room: &'a HubRoom) -> Result<&'a FeedHandle, ChatError> {
        let open = || {
            let audience: Arc<dyn Audience> = Arc::<Fan>::clone(&room.fan);
            self.chat.feed(&room.id, audience)
        };
        room.feed.get_or_try_init(open).await
    }

    /// Tells the numbers of crowds that have changed.
    pub(crate) fn tell_crowds(&self, now: Timestamp) {
        let waiting = std::mem::take(&mut *lock(&self.untold));
        let not_yet: Vec<_> = waiting.into_iter().filter(|fan| !fan.tell_crowd(now)).collect();
        lock(&self.untold).extend(not_yet);
    }

    /// Rooms with a connection.
    pub(crate) fn len(&self) -> usize {
        lock(&self.rooms).len()
    }

    fn new_room(&self, id: &ConversationId) -> Arc<HubRoom> {
        let fan = Arc::new_cyclic(|this| Fan {
            listeners: Mutex::default(),
            crowd: Mutex::new(Crowd { told_at: Timestamp::from_millis(0), untold: None }),
            room: id.clone(),
            untold: Arc::clone(&self.untold),
            this: std::sync::Weak::clone(this),
            writer: self.writer.clone(),
            clock: Arc::clone(&self.clock),
        });
        Arc::new(HubRoom { id: id.clone(), fan, feed: OnceCell::new() })
    }

    fn release(&self, room: &Arc<HubRoom>, mailbox: &Arc<Mailbox>) {
        let mut rooms = lock(&self.rooms);
        let mut listeners = lock(&room.fan.listeners);
        if let Some(at) = listeners.iter().position(|listener| Arc::ptr_eq(&listener.mailbox, mailbox))
            && let Some(listener) = listeners.get_mut(at)
        {
            listener.tickets = listener.tickets.saturating_sub(1);
            if listener.tickets == 0 {
                listeners.swap_remove(at);
            }
        }
        let is_empty = listeners.is_empty();
        drop(listeners);
        let is_this = rooms.get(&room.id).is_some_and(|known| Arc::ptr_eq(known, room));
        let removed = if is_empty && is_this { rooms.remove(&room.id) } else { None };
        self.count(&rooms);
        drop(rooms);
        // Its feed may be at work, and lock what was locked here.
        drop(removed);
    }

    fn count(&self, rooms: &HashMap<ConversationId, Arc<HubRoom>>) {
        self.gauge.set(f64::from(u32::try_from(rooms.len()).unwrap_or(u32::MAX)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
