//! One WebSocket: the body of the upgrade's response **is** the connection.
//!
//! actix polls a body whenever something arrived or can be written; each poll reads what came in, hands whole
//! messages to the handler, and answers with all that is queued as one chunk. There is no task, no channel and no
//! timer of a connection's own. When the connection ends, however it ends, the body is dropped and the handler with
//! it.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Payload;
use bytes::Bytes;
use futures::Stream;

use super::frame;
use super::inbound::{Assembler, Inbound, Violation};
use super::outbox::Outbox;

/// What is done with a client's messages. Dropping it is the end of the connection.
pub trait Handler: 'static {
    /// Takes a text.
    fn text(&mut self, text: Bytes);

    /// Takes bytes.
    fn binary(&mut self, data: Bytes);

    /// Takes note of a sign of life: any frame.
    fn heard(&mut self) {}

    /// Counts a frame that is no message of its own: a ping, a pong, a part of a message. `false`: there are too
    /// many, and a ping is not answered.
    fn counts(&mut self) -> bool {
        true
    }

    /// Whether it can take another message now. When it can again, it wakes the connection by the outbox.
    fn wants_more(&self) -> bool {
        true
    }

    /// The client broke the protocol; MUST close the outbox.
    fn violated(&mut self, violation: Violation);
}

/// A connection and its handler.
pub struct Socket<H> {
    payload: Payload,
    assembler: Assembler,
    outbox: Rc<Outbox>,
    handler: H,
}

/// Reading is paused while so much waits to be written: who does not listen is not listened to.
const UNWRITTEN_BYTES_MAX: usize = 256 * 1024;

impl<H: Handler> Socket<H> {
    /// A connection whose messages are at most so large.
    pub fn new(payload: Payload, message_bytes_max: usize, outbox: Rc<Outbox>, handler: H) -> Self {
        Self { payload, assembler: Assembler::new(message_bytes_max), outbox, handler }
    }

    /// Reads until nothing more is there or may be taken. `false`: the client is gone.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        while self.outbox.is_open() && self.handler.wants_more() && self.outbox.bytes() < UNWRITTEN_BYTES_MAX
        {
            match self.assembler.next() {
                Ok(Some(inbound)) => self.accept(inbound),
                Ok(None) => match Pin::new(&mut self.payload).poll_next(context) {
                    Poll::Ready(Some(Ok(bytes))) => self.assembler.feed(&bytes),
                    Poll::Ready(Some(Err(_)) | None) => return false,
                    Poll::Pending => return true,
                },
                Err(violation) => self.handler.violated(violation),
            }
        }
        true
    }

    fn accept(&mut self, inbound: Inbound) {
        self.handler.heard();
        match inbound {
            Inbound::Text(text) => self.handler.text(text),
            Inbound::Binary(data) => self.handler.binary(data),
            Inbound::Ping(data) => {
                if self.handler.counts() {
                    self.outbox.send(frame::pong(&data));
                }
            }
            // A message that has begun is read on: to leave a part out would make another message of it.
            Inbound::Pong | Inbound::Part => {
                let _admitted = self.handler.counts();
            }
            Inbound::Close(code) => self.outbox.finish([frame::close(code)]),
        }
    }
}

impl<H: Handler + Unpin> MessageBody for Socket<H> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if !this.read(context) {
            return Poll::Ready(None);
        }
        this.outbox.poll_chunk(context).map(|chunk| chunk.map(Ok))
    }
}
