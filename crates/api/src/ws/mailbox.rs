//! What other threads have for one thread's connections.
//!
//! A thread is woken once for a burst, not once for each connection, and then hands everything out on its own. Pushes
//! are bounded; where a thread cannot keep up with a room, the room's connections are told to come back.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use chat::ConversationId;
use futures::channel::oneshot;

use super::bye::Bye;
use super::envelope::Tag;
use super::hub::Ticket;
use super::identity::Identity;
use super::outgoing::Outgoing;

/// A connection of one thread.
pub(crate) type Key = u64;

/// Tells one way into a room from another of the same connection.
pub(crate) type Entry = u64;

/// What a thread is told.
pub(crate) enum Mail {
    /// A room says something.
    Push(ConversationId, Arc<Outgoing>),
    /// So much was said in a room that some of it was not put here.
    Overflow(ConversationId),
    /// A connection begins to listen; nothing of the room is written to it before [`Mail::Joined`].
    Enter { key: Key, entry: Entry, ticket: Ticket },
    /// It is told what it missed, and what follows.
    Joined(Box<JoinedMail>),
    /// It could not join.
    NotJoined { key: Key, entry: Entry, room: ConversationId },
    /// An answer; with `is_last` the operation is over.
    Reply { key: Key, frame: Option<Bytes>, is_last: bool },
    /// It is known who is there.
    Identified { key: Key, identity: Identity },
    /// It is not known who is there.
    Unidentified { key: Key },
    /// A connection has to go.
    Close { key: Key, bye: Bye },
    /// All have to go, within so many milliseconds.
    Drain { window_ms: u64 },
}

/// A join that was read.
pub(crate) struct JoinedMail {
    pub(crate) key: Key,
    pub(crate) entry: Entry,
    pub(crate) room: ConversationId,
    /// What has a higher position follows.
    pub(crate) position: u64,
    pub(crate) reply: Bytes,
    /// For a refusal, where the connection is not to be told what was read.
    pub(crate) tag: Tag,
    /// Asks for another reading, where more was said meanwhile than is kept; dropped otherwise.
    pub(crate) again: oneshot::Sender<()>,
}

#[derive(Default)]
struct Inner {
    mails: Vec<Mail>,
    pushes: usize,
    push_bytes: usize,
    overflown: Vec<ConversationId>,
    waker: Option<Waker>,
    is_closed: bool,
}

/// One thread's mailbox.
#[derive(Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
}

/// Pushes that wait for a thread, at most.
const PUSHES_MAX: usize = 65_536;
const PUSH_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Mailbox {
    /// Puts something there that is bounded by who sends it.
    pub(crate) fn send(&self, mail: Mail) {
        let mut inner = self.lock();
        if inner.is_closed {
            drop(inner);
            return;
        }
        inner.mails.push(mail);
        wake(inner);
    }

    /// Puts a push there, or notes that a room said too much.
    pub(crate) fn push(&self, room: &ConversationId, outgoing: &Arc<Outgoing>) {
        let mut inner = self.lock();
        if inner.is_closed || inner.overflown.contains(room) {
            return;
        }
        if inner.pushes >= PUSHES_MAX || inner.push_bytes >= PUSH_BYTES_MAX {
            inner.overflown.push(room.clone());
            inner.mails.push(Mail::Overflow(room.clone()));
        } else {
            inner.pushes += 1;
            inner.push_bytes = inner.push_bytes.saturating_add(outgoing.frame.len());
            inner.mails.push(Mail::Push(room.clone(), Arc::clone(outgoing)));
        }
        wake(inner);
    }

    /// Takes all that is there; `into` MUST be empty.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>, into: &mut Vec<Mail>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.mails.is_empty() {
            inner.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        mem::swap(&mut inner.mails, into);
        (inner.pushes, inner.push_bytes) = (0, 0);
        inner.overflown.clear();
        Poll::Ready(())
    }

    /// Takes nothing more: the thread has ended.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        let left = mem::take(&mut inner.mails);
        drop(inner);
        // Tickets among them lock the hub.
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}
