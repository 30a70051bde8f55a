//! WebSocket frames of the server, as bytes.
//!
//! A server's frames are not masked, so the same bytes are right for every client: a frame is made once and its
//! `Bytes` are shared.

use bytes::Bytes;

const FIN_TEXT: u8 = 0x81;
const FIN_BINARY: u8 = 0x82;
const FIN_CLOSE: u8 = 0x88;
const FIN_PONG: u8 = 0x8A;
/// The longest head: two bytes and a length of eight.
const HEAD_BYTES_MAX: usize = 10;
const SMALL_MAX: usize = 125;
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;

/// A text frame in the making: room for the head, then the text.
pub(crate) struct TextFrame(Vec<u8>);

impl TextFrame {
    /// An empty one that is going to hold about so much.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes.saturating_add(HEAD_BYTES_MAX));
        buffer.resize(HEAD_BYTES_MAX, 0);
        Self(buffer)
    }

    /// Where the text is written: append only.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Whether there is no text yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() <= HEAD_BYTES_MAX
    }

    /// The frame, without a copy: the head is put right before the text.
    pub(crate) fn finish(mut self) -> Bytes {
        let head = Head::of(FIN_TEXT, self.0.len().saturating_sub(HEAD_BYTES_MAX));
        let start = HEAD_BYTES_MAX.saturating_sub(head.bytes().len());
        if let Some(place) = self.0.get_mut(start..HEAD_BYTES_MAX) {
            place.copy_from_slice(head.bytes());
        }
        Bytes::from(self.0).slice(start..)
    }
}

/// A text frame of this text.
pub fn text(text: &[u8]) -> Bytes {
    whole(FIN_TEXT, text)
}

/// A binary frame.
pub fn binary(data: &[u8]) -> Bytes {
    whole(FIN_BINARY, data)
}

/// The answer to a ping.
pub(crate) fn pong(data: &[u8]) -> Bytes {
    whole(FIN_PONG, data)
}

/// A close frame; without a code an empty one.
pub fn close(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => whole(FIN_CLOSE, &code.to_be_bytes()),
        None => whole(FIN_CLOSE, &[]),
    }
}

fn whole(first: u8, data: &[u8]) -> Bytes {
    let head = Head::of(first, data.len());
    let mut frame = Vec::with_capacity(data.len().saturating_add(HEAD_BYTES_MAX));
    frame.extend_from_slice(head.bytes());
    frame.extend_from_slice(data);
    frame.into()
}

struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

impl Head {
    fn of(first: u8, length: usize) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let [zeroth, second, rest @ ..] = &mut bytes;
        *zeroth = first;
        let len = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(small), _) if length <= SMALL_MAX => {
                *second = small;
                2
            }
            (_, Ok(medium)) => {
                *second = LENGTH_IN_2_BYTES;
                if let Some(place) = rest.first_chunk_mut() {
                    *place = medium.to_be_bytes();
                }
                4
            }
            (_, Err(_)) => {
                *second = LENGTH_IN_8_BYTES;
                *rest = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
                HEAD_BYTES_MAX
            }
        };
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_as_long_as_its_length_needs() {
        for (length, head) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xFF, 0xFF]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = text(&vec![b'x'; length]);
            assert_eq!(frame.len(), head.len() + length);
            assert_eq!(frame[..head.len()], head[..]);
        }
    }

    #[test]
    fn a_frame_in_the_making_is_the_same_as_a_whole_one() {
        for length in [0, 1, 125, 126, 70_000] {
            let mut frame = TextFrame::with_capacity(length);
            assert!(frame.is_empty());
            frame.text().extend(std::iter::repeat_n(b'x', length));
            assert_eq!(frame.finish(), text(&vec![b'x'; length]));
        }
    }

    #[test]
    fn a_close_has_its_code() {
        assert_eq!(close(Some(4_008))[..], [0x88, 2, 0x0F, 0xA8]);
        assert_eq!(close(None)[..], [0x88, 0]);
    }
}
