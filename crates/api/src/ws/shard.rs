//! One worker thread's connections, and the rooms they are in.
//!
//! Everything here belongs to one thread: pushes are handed out in a loop without a lock, a wait or an encoding, and
//! one sweep a second looks after all connections instead of timers of their own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{Clock, Timestamp};

use super::bye::Bye;
use super::connection::{Connection, Need};
use super::gateway::Gateway;
use super::identity::Identity;
use super::mailbox::{Key, Mail, Mailbox};
use super::outgoing::{Packet, json_frame};
use super::shard_rooms::Rooms;

/// One thread's part of the gateway.
pub(crate) struct Shard {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) mailbox: Arc<Mailbox>,
    connections: RefCell<HashMap<Key, Rc<Connection>>>,
    pub(super) rooms: Rooms,
    this: Weak<Self>,
    next_key: Cell<Key>,
    is_running: Cell<bool>,
    is_checking: Rc<Cell<bool>>,
}

const SWEEP_MS: i64 = 1_000;
/// So much is handed out before connections may write.
const MAILS_AT_ONCE: usize = 64;
/// Tokens that one sweep shows again.
const CHECKS_MAX: usize = 1_024;
/// Of these, so many are asked about at the same time.
const CHECKS_AT_ONCE: usize = 8;
/// Connections are sent away in so many steps.
const DRAIN_STEPS: u32 = 20;

impl Shard {
    /// A thread's part; to be made on that thread.
    pub(crate) fn new(gateway: Arc<Gateway>) -> Rc<Self> {
        let mailbox = Arc::new(Mailbox::default());
        gateway.add_thread(Arc::clone(&mailbox));
        Rc::new_cyclic(|this| Self {
            gateway,
            mailbox,
            connections: RefCell::default(),
            rooms: Rooms::default(),
            this: Weak::clone(this),
            next_key: Cell::new(0),
            is_running: Cell::new(false),
            is_checking: Rc::default(),
        })
    }

    /// The next connection's key.
    pub(crate) fn next_key(&self) -> Key {
        self.next_key.replace(self.next_key.get().wrapping_add(1))
    }

    /// Takes a connection in.
    pub(crate) fn add(&self, connection: Rc<Connection>) {
        self.gateway.meters.connections.increment(1.0);
        self.connections.borrow_mut().insert(connection.key, connection);
        if !self.is_running.replace(true) {
            let clock = Arc::clone(&self.gateway.clock);
            actix_web::rt::spawn(run(Weak::clone(&self.this), Arc::clone(&self.mailbox), clock));
        }
    }

    /// Lets go of all that a connection has. Called on every way out, by the first that comes.
    pub(crate) fn remove(&self, key: Key) {
        let Some(connection) = self.connections.borrow_mut().remove(&key) else { return };
        self.gateway.meters.connections.decrement(1.0);
        let mut state = connection.state.borrow_mut();
        state.gone = None;
        let (memberships, seats) =
            (std::mem::take(&mut state.memberships), (state.seat.take(), state.address_seat.take()));
        state.identity = None;
        drop(state);
        for membership in memberships {
            self.rooms.leave(&membership);
            super::room_ops::write_read_mark(self, &membership, None);
        }
        drop(seats);
    }

    /// Sends a connection away.
    pub(crate) fn close(&self, key: Key, bye: Bye) {
        let Some(connection) = self.connection(key) else { return };
        metrics::counter!("ws_closed_total", "why" => bye.as_str()).increment(1);
        if bye == Bye::SlowConsumer {
            self.gateway.meters.slow_consumers.increment(1);
            connection.outbox.cut(bye.frames(chance(&connection)));
        } else {
            connection.outbox.finish(bye.frames(chance(&connection)));
        }
        self.remove(key);
    }

    pub(crate) fn connection(&self, key: Key) -> Option<Rc<Connection>> {
        self.connections.borrow().get(&key).cloned()
    }

    fn accept(&self, mail: Mail) {
        match mail {
            Mail::Push(room, outgoing) => self.push(&room, &outgoing),
            Mail::Overflow(room) => {
                for membership in self.rooms.members(&room) {
                    self.close(membership.key, Bye::SlowConsumer);
                }
            }
            Mail::Enter { key, entry, ticket } => self.enter(key, entry, ticket),
            Mail::Joined(joined) => self.joined(*joined),
            Mail::NotJoined { key, entry, room } => self.not_joined(key, entry, &room),
            Mail::Reply { key, frame, is_last } => {
                let Some(connection) = self.connection(key) else { return };
                if is_last {
                    let mut state = connection.state.borrow_mut();
                    state.in_flight = state.in_flight.saturating_sub(1);
                }
                match frame {
                    Some(frame) => connection.outbox.send(frame),
                    None => connection.outbox.wake(),
                }
            }
            Mail::Identified { key, identity } => {
                if let Some(connection) = self.connection(key) {
                    self.identify(&connection, identity);
                    connection.outbox.wake();
                }
            }
            Mail::Unidentified { key } => {
                if let Some(connection) = self.connection(key) {
                    connection.state.borrow_mut().is_identifying = false;
                    connection.outbox.wake();
                }
            }
            Mail::Close { key, bye } => self.close(key, bye),
            Mail::Drain { window_ms } => self.drain(window_ms),
        }
    }

    /// Notes who is there.
    pub(crate) fn identify(&self, connection: &Connection, identity: Identity) {
        let gateway = &self.gateway;
        let mut state = connection.state.borrow_mut();
        let user = identity.caller.user_id;
        state.is_identifying = false;
        state.identity = Some(Box::new(identity));
        if state.seat.is_none() {
            let limit = gateway.settings.connections_per_user;
            state.seat = Some(gateway.census.seat(user, &self.mailbox, connection.key, limit));
        }
    }

    /// What is due every second.
    fn sweep(&self, now: Timestamp) {
        let connections: Vec<_> = self.connections.borrow().values().cloned().collect();
        let ping = Packet::ephemeral(json_frame(&PING, 32));
        let mut unchecked = Vec::new();
        for connection in connections {
            if connection.session().is_some_and(|session| self.gateway.auth.has_ended(session)) {
                self.close(connection.key, Bye::Revoked);
                continue;
            }
            match connection.need(now) {
                Need::Nothing => {}
                Need::Ping => connection.outbox.send(ping.frame.clone()),
                Need::Bye(bye) => {
                    self.close(connection.key, bye);
                    continue;
                }
            }
            if let Some(since) = connection.unchecked_since(now) {
                unchecked.push((since, connection));
            }
        }
        self.rooms.each(|membership| super::room_ops::write_read_mark(self, membership, Some(now)));
        self.gateway.hub.tell_crowds(now);
        self.check_tokens(unchecked, now);
    }

    /// Shows tokens again, those first that were not shown for the longest time.
    fn check_tokens(&self, mut unchecked: Vec<(Timestamp, Rc<Connection>)>, now: Timestamp) {
        if unchecked.is_empty() || self.is_checking.replace(true) {
            return;
        }
        unchecked.sort_unstable_by_key(|(since, _)| *since);
        unchecked.truncate(CHECKS_MAX);
        let token = |(_, connection): &(Timestamp, Rc<Connection>)| {
            connection.token_to_check(now).map(|token| (connection.key, token))
        };
        let tokens: Vec<_> = unchecked.iter().filter_map(token).collect();
        let done = Rc::clone(&self.is_checking);
        let (gateway, mailbox) = (Arc::clone(&self.gateway), Arc::clone(&self.mailbox));
        actix_web::rt::spawn(async move {
            check(&gateway, &mailbox, tokens).await;
            done.set(false);
        });
    }

    /// Sends everybody away, a few at a time.
    fn drain(&self, window_ms: u64) {
        let this = Weak::clone(&self.this);
        actix_web::rt::spawn(async move {
            let pause = Duration::from_millis(window_ms) / DRAIN_STEPS;
            for left in (1..=DRAIN_STEPS).rev() {
                let Some(shard) = this.upgrade() else { return };
                let keys: Vec<Key> = shard.connections.borrow().keys().copied().collect();
                let share = keys.len().div_ceil(usize::try_from(left).unwrap_or(1));
                for key in keys.into_iter().take(share) {
                    shard.close(key, Bye::GoingAway);
                }
                drop(shard);
                actix_web::rt::time::sleep(pause).await;
            }
        });
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.gateway.remove_thread(&self.mailbox);
        self.mailbox.close();
    }
}

#[derive(serde::Serialize)]
struct Ping {
    op: &'static str,
    event: &'static str,
}

const PING: Ping = Ping { op: "ping", event: "ping" };

/// Hands out what comes in and sweeps once a second, as long as the thread lives.
async fn run(shard: Weak<Shard>, mailbox: Arc<Mailbox>, clock: Arc<dyn Clock>) {
    let mut mails = Vec::new();
    let mut due = clock.now().plus_millis(SWEEP_MS);
    let mut tick = clock.sleep_until(due);
    loop {
        let arrival = std::future::poll_fn(|context| mailbox.poll_take(context, &mut mails));
        let is_due = match select(tick.as_mut(), arrival).await {
            Either::Left(((), _)) => true,
            Either::Right(((), _)) => clock.now() >= due,
        };
        if is_due {
            let now = clock.now();
            let Some(shard) = shard.upgrade() else { return };
            shard.sweep(now);
            due = now.plus_millis(SWEEP_MS);
            tick = clock.sleep_until(due);
        }
        let mut left = std::mem::take(&mut mails).into_iter();
        while left.len() > 0 {
            let Some(shard) = shard.upgrade() else { return };
            for mail in left.by_ref().take(MAILS_AT_ONCE) {
                shard.accept(mail);
            }
            drop(shard);
            // What was handed out is written before more is, or fast clients would look slow.
            tokio::task::yield_now().await;
        }
    }
}

/// Shows tokens again; who signed out elsewhere has to go.
async fn check(gateway: &Gateway, mailbox: &Mailbox, tokens: Vec<(Key, Arc<str>)>) {
    let checks =
        stream::iter(tokens).map(Ok).try_for_each_concurrent(CHECKS_AT_ONCE, async |(key, token)| {
            let bye = match gateway.auth.authenticate(&token).await {
                Err(auth::AuthError::TokenExpired) => Bye::TokenExpired,
                Err(auth::AuthError::Unauthorized | auth::AuthError::Forbidden) => Bye::Revoked,
                // What cannot be asked proves nothing, and the others need not wait for the same: their turn comes again.
                Err(auth::AuthError::Port(error)) => return Err(error),
                Ok(_) | Err(_) => return Ok(()),
            };
            mailbox.send(Mail::Close { key, bye });
            Ok(())
        });
    if let Err(error) = checks.await {
        tracing::debug!(%error, "tokens of connections could not be checked; they are shown again soon");
    }
}

/// Some number of a connection, so that those who are sent away together do not come back together.
fn chance(connection: &Connection) -> u32 {
    let (_, _, _, rest) = connection.name.as_fields();
    rest.iter().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}
