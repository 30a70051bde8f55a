//! What a connection's frames do: the part of the protocol that needs no waiting.
//!
//! Everything else begins as an operation of the connection's lane (`calls`), in the order of the frames.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::bucket::Verdict;
use super::bye::Bye;
use super::calls::{self, Call};
use super::connection::Connection;
use super::envelope::{Nothing, Op, Request, Tag, Unreadable};
use super::inbound::Violation;
use super::lane::Lane;
use super::shard::Shard;
use super::socket::Handler;
use crate::problem::{Problem, Slug};

/// A client of the gateway.
pub(crate) struct Session {
    shard: Rc<Shard>,
    connection: Rc<Connection>,
}

/// Operations of one connection that may be at work; while there are so many, nothing more is read.
const IN_FLIGHT_MAX: u32 = 64;
/// So many frames in a row that are no JSON.
const INVALID_MAX: u32 = 10;

impl Session {
    /// Takes a connection in.
    pub(crate) fn begin(shard: Rc<Shard>, connection: Rc<Connection>) -> Self {
        shard.add(Rc::clone(&connection));
        Self { shard, connection }
    }

    fn accept(&self, text: &[u8]) -> Result<(), (Tag, Problem)> {
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(Unreadable { problem, tag }) => {
                self.count_invalid(problem.slug() == Slug::InvalidJson);
                // A stranger is not told which operations there are.
                let is_stranger = self.connection.state.borrow().identity.is_none();
                let is_hidden = is_stranger && problem.slug() == Slug::UnsupportedOp;
                return Err((tag, if is_hidden { Problem::new(Slug::Unauthorized) } else { problem }));
            }
        };
        self.count_invalid(false);
        self.perform(&request).map_err(|problem| (request.tag, problem))
    }

    fn perform(&self, request: &Request) -> Result<(), Problem> {
        let (shard, connection) = (&self.shard, &self.connection);
        let is_known = connection.state.borrow().identity.is_some();
        match request.op {
            Op::Ping => connection.outbox.send(request.tag.reply("pong", &Nothing {})),
            Op::Pong => {}
            Op::Auth => self.begin_call(calls::authenticate(request)?, request),
            _ if !is_known => return Err(Problem::new(Slug::Unauthorized)),
            Op::Leave => shard.leave_op(connection, request)?,
            Op::Typing => shard.typing_op(connection, request)?,
            Op::Read => shard.read_op(connection, request)?,
            Op::Join => self.begin_call(calls::join(self, request)?, request),
            Op::Send => self.begin_call(calls::send(self, request)?, request),
            Op::Stop => self.begin_call(calls::stop(request)?, request),
            Op::Recall => self.begin_call(calls::recall(request)?, request),
            Op::Like => self.begin_call(calls::like(request)?, request),
            Op::Sync => self.begin_call(calls::sync(self, request)?, request),
            Op::Chat => self.begin_call(calls::chat(request)?, request),
            Op::Stream => self.begin_call(calls::stream(self, request)?, request),
        }
        Ok(())
    }

    /// Begins an operation; its answer comes through the thread's mailbox.
    fn begin_call(&self, work: calls::Work, request: &Request) {
        let mut state = self.connection.state.borrow_mut();
        state.in_flight = state.in_flight.saturating_add(1);
        state.is_identifying |= request.op == Op::Auth;
        let call = Call {
            gateway: Arc::clone(&self.shard.gateway),
            mailbox: Arc::clone(&self.shard.mailbox),
            key: self.connection.key,
            name: self.connection.name,
            caller: state.identity.as_ref().map(|identity| identity.caller),
            tag: request.tag.clone(),
            language: self.connection.language,
        };
        let lane = state.lane.get_or_insert_with(|| Lane::new(Arc::clone(&self.shard.gateway.tasks)));
        lane.begin(calls::run(call, work));
    }

    fn count_invalid(&self, is_invalid: bool) {
        let mut state = self.connection.state.borrow_mut();
        state.invalid_in_row = if is_invalid { state.invalid_in_row.saturating_add(1) } else { 0 };
        let is_enough = state.invalid_in_row >= INVALID_MAX;
        drop(state);
        if is_enough {
            self.shard.close(self.connection.key, Bye::ProtocolError);
        }
    }

    pub(super) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Counts a frame of whichever kind.
    fn count_frame(&self) -> Verdict {
        let gateway = &self.shard.gateway;
        gateway.meters.frames_in.increment(1);
        self.connection.state.borrow_mut().bucket.take(gateway.rate(), gateway.clock.now())
    }

    fn refuse(&self, tag: &Tag, problem: &Problem) {
        self.connection.outbox.send(tag.error(problem, self.connection.language));
    }
}

impl Handler for Session {
    fn text(&mut self, text: Bytes) {
        match self.count_frame() {
            Verdict::Admitted => {
                if let Err((tag, problem)) = self.accept(&text) {
                    self.refuse(&tag, &problem);
                }
            }
            Verdict::TooSoon(after_ms) => {
                let tag = match Request::parse(&text) {
                    Ok(Request { tag, .. }) | Err(Unreadable { tag, .. }) => tag,
                };
                let problem = Problem::new(Slug::RateLimited);
                let frame = tag.error_after(&problem, self.connection.language, Some(after_ms));
                self.connection.outbox.send(frame);
            }
            Verdict::Enough => self.shard.close(self.connection.key, Bye::RateLimited),
        }
    }

    /// There are no binary frames in this protocol.
    fn binary(&mut self, data: Bytes) {
        self.text(data);
    }

    fn heard(&mut self) {
        self.connection.is_heard.set(true);
    }

    fn counts(&mut self) -> bool {
        match self.count_frame() {
            Verdict::Admitted => true,
            Verdict::TooSoon(_) => false,
            Verdict::Enough => {
                self.shard.close(self.connection.key, Bye::RateLimited);
                false
            }
        }
    }

    fn wants_more(&self) -> bool {
        let state = self.connection.state.borrow();
        state.in_flight < IN_FLIGHT_MAX && !state.is_identifying
    }

    fn violated(&mut self, _violation: Violation) {
        self.shard.close(self.connection.key, Bye::ProtocolError);
        // A connection that is on its way out already has nothing more to say.
        self.connection.outbox.cut([]);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shard.remove(self.connection.key);
    }
}
