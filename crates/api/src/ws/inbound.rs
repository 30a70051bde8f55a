//! What a client sends, put together: frames of actix-http's codec become whole messages of a bounded size. Frames
//! that are none by themselves are told of too, since each of them costs.
//!
//! Buffers exist only while something is in them, so that an idle connection has none.

use actix_http::ws::{Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// A frame that a client sent, or the message that it completes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// A text, valid UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A ping of the protocol, to be answered with the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// A frame that is a part of a message, and not its last.
    Part,
    /// The client closes, with this code.
    Close(Option<u16>),
}

/// What a client may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// More in one message than is read.
    TooLarge,
    /// No frames as the protocol has them.
    Protocol,
    /// A text that is not UTF-8.
    NotUtf8,
}

impl Violation {
    /// The code that RFC 6455 has for it.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::TooLarge => 1_009,
            Self::Protocol => 1_002,
            Self::NotUtf8 => 1_007,
        }
    }
}

/// Head of a client's frame: two bytes, a length of eight, a mask of four.
const HEAD_BYTES_MAX: usize = 14;

/// The incoming side of one connection.
pub(crate) struct Assembler {
    codec: Codec,
    bytes_max: usize,
    buffer: BytesMut,
    partial: Option<Box<Partial>>,
}

struct Partial {
    is_text: bool,
    data: BytesMut,
}

impl Assembler {
    /// Messages of at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let codec = Codec::new().max_size(bytes_max);
        Self { codec, bytes_max, buffer: BytesMut::new(), partial: None }
    }

    /// Takes bytes off the wire.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, if its bytes are there: a whole message, a part of one, or a word of the protocol. Each call
    /// takes one frame, so that whoever counts frames misses none.
    pub(crate) fn next(&mut self) -> Result<Option<Inbound>, Violation> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let frame = match self.codec.decode(&mut self.buffer) {
            Ok(Some(frame)) => frame,
            // The codec waits for the end of a frame however long it says it is.
            Ok(None) if self.buffer.len() > self.bytes_max.saturating_add(HEAD_BYTES_MAX) => {
                return Err(Violation::TooLarge);
            }
            Ok(None) => return Ok(None),
            Err(ProtocolError::Overflow) => return Err(Violation::TooLarge),
            Err(_violation) => return Err(Violation::Protocol),
        };
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        self.accept(frame).map(Some)
    }

    fn accept(&mut self, frame: Frame) -> Result<Inbound, Violation> {
        match frame {
            Frame::Text(data) => text(data),
            Frame::Binary(data) => Ok(Inbound::Binary(data)),
            Frame::Ping(data) => Ok(Inbound::Ping(data)),
            Frame::Pong(_) => Ok(Inbound::Pong),
            Frame::Close(reason) => Ok(Inbound::Close(reason.map(|reason| reason.code.into()))),
            Frame::Continuation(Item::FirstText(data)) => Ok(self.begin(true, &data)),
            Frame::Continuation(Item::FirstBinary(data)) => Ok(self.begin(false, &data)),
            Frame::Continuation(Item::Continue(data)) => self.go_on(&data).map(|()| Inbound::Part),
            Frame::Continuation(Item::Last(data)) => self.end(&data),
        }
    }

    fn begin(&mut self, is_text: bool, data: &[u8]) -> Inbound {
        self.partial = Some(Box::new(Partial { is_text, data: BytesMut::from(data) }));
        Inbound::Part
    }

    fn go_on(&mut self, data: &[u8]) -> Result<(), Violation> {
        let partial = self.partial.as_mut().ok_or(Violation::Protocol)?;
        if partial.data.len().saturating_add(data.len()) > self.bytes_max {
            return Err(Violation::TooLarge);
        }
        partial.data.extend_from_slice(data);
        Ok(())
    }

    fn end(&mut self, data: &[u8]) -> Result<Inbound, Violation> {
        self.go_on(data)?;
        let Partial { is_text, data } = *self.partial.take().ok_or(Violation::Protocol)?;
        let data = data.freeze();
        if is_text { text(data) } else { Ok(Inbound::Binary(data)) }
    }
}

fn text(data: Bytes) -> Result<Inbound, Violation> {
    match std::str::from_utf8(&data) {
        Ok(_) => Ok(Inbound::Text(data)),
        Err(_) => Err(Violation::NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame of a client.
    fn frame(first: u8, data: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match u8::try_from(data.len()) {
            Ok(small) if small < 126 => frame.push(0x80 | small),
            _ => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(data.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn all(assembler: &mut Assembler, bytes: &[u8]) -> Result<Vec<Inbound>, Violation> {
        assembler.feed(bytes);
        let mut found = Vec::new();
        while let Some(inbound) = assembler.next()? {
            found.push(inbound);
        }
        Ok(found)
    }

    #[test]
    fn a_fragmented_text_with_a_ping_inside_is_one_text() {
        let mut assembler = Assembler::new(64);
        let wire = [frame(0x01, "学".as_bytes()), frame(0x89, b"p"), frame(0x80, "而".as_bytes())].concat();
        let expected = vec![
            Inbound::Part,
            Inbound::Ping(Bytes::from_static(b"p")),
            Inbound::Text(Bytes::from_static("学而".as_bytes())),
        ];
        assert_eq!(all(&mut assembler, &wire), Ok(expected));
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut assembler = Assembler::new(64);
        let wire = frame(0x81, b"hello");
        let (last, rest) = wire.split_last().unwrap();
        for byte in rest {
            assert_eq!(all(&mut assembler, &[*byte]), Ok(vec![]));
        }
        assert_eq!(all(&mut assembler, &[*last]), Ok(vec![Inbound::Text(Bytes::from_static(b"hello"))]));
        assert_eq!(assembler.buffer.capacity(), 0, "an idle connection has no buffer");
    }

    #[test]
    fn what_is_too_large_is_refused_whole_in_parts_and_unfinished() {
        assert_eq!(all(&mut Assembler::new(8), &frame(0x81, b"123456789")), Err(Violation::TooLarge));
        let parts = [frame(0x01, b"12345678"), frame(0x80, b"9")].concat();
        assert_eq!(all(&mut Assembler::new(8), &parts), Err(Violation::TooLarge));
        let mut endless = frame(0x81, &[b'x'; 200]);
        endless.truncate(100);
        assert_eq!(all(&mut Assembler::new(8), &endless), Err(Violation::TooLarge));
    }

    #[test]
    fn what_is_no_protocol_and_no_utf8_is_told_apart() {
        assert_eq!(all(&mut Assembler::new(8), &frame(0x83, b"")), Err(Violation::Protocol));
        assert_eq!(all(&mut Assembler::new(8), &frame(0x80, b"x")), Err(Violation::Protocol));
        assert_eq!(all(&mut Assembler::new(8), &frame(0x81, &[0xFF])), Err(Violation::NotUtf8));
    }
}
