//! What waits to be written to one connection, counted in bytes.
//!
//! The connection's thread puts things in and the connection's body takes them out, so nothing here is locked or
//! waited for. A client that reads too slowly loses first what may be lost, then gets growing replies in larger
//! pieces, and is closed before it costs more than a bounded amount of memory. Committed events are never left out
//! of a connection that lives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::backlog::{Backlog, Crowding};
use super::outgoing::{Packet, Texts};

/// The queue of one connection.
#[derive(Default)]
pub struct Outbox {
    backlog: RefCell<Backlog>,
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
    /// Whether the body waits to be woken.
    sleeps: Cell<bool>,
    /// Whether the body was polled since this was last asked.
    polled: Cell<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// What is queued is still written, then it ends.
    Ending,
}

impl Outbox {
    /// Queues a frame for this client alone: a reply.
    pub fn send(&self, frame: Bytes) {
        if self.is_open() {
            self.backlog.borrow_mut().add_reply(frame);
            self.wake();
        }
    }

    /// Queues a frame that others get too. Where the client reads too slowly for that, it has to be closed.
    pub(crate) fn push(&self, packet: &Rc<Packet>, texts: &Arc<dyn Texts>) -> Crowding {
        if !self.is_open() {
            return Crowding::Bearable;
        }
        let crowding = self.backlog.borrow_mut().add_push(packet, texts);
        self.wake();
        crowding
    }

    /// Writes what is queued and these frames, then ends the connection.
    pub fn finish(&self, last: impl IntoIterator<Item = Bytes>) {
        if !self.is_open() {
            return;
        }
        for frame in last {
            self.backlog.borrow_mut().add_reply(frame);
        }
        self.state.set(State::Ending);
        self.wake();
    }

    /// Forgets what is queued, writes these frames and ends the connection.
    pub fn cut(&self, last: impl IntoIterator<Item = Bytes>) {
        if self.is_open() {
            *self.backlog.borrow_mut() = Backlog::default();
            self.finish(last);
        }
    }

    /// Whether anything may still be queued.
    pub fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.backlog.borrow().bytes()
    }

    /// Whether something waits that the connection has not asked for since this was last called.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.polled.replace(false) && !self.backlog.borrow().is_empty()
    }

    /// Has the connection look again whether it may read.
    pub fn wake(&self) {
        if self.sleeps.replace(false)
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    /// All that is queued, up to a bound, as one chunk; `None` at the end.
    pub(crate) fn poll_chunk(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.polled.set(true);
        if let Some(chunk) = self.backlog.borrow_mut().take_chunk() {
            return Poll::Ready(Some(chunk));
        }
        match self.state.get() {
            State::Ending => Poll::Ready(None),
            State::Open => {
                let mut waker = self.waker.borrow_mut();
                match waker.as_mut() {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                self.sleeps.set(true);
                Poll::Pending
            }
        }
    }
}
