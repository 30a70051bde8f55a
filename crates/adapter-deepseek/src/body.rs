//! The stream's bytes on their way to the client library: bounded, checked and reduced to what it must see.
//!
//! The library forgets what a comment tells (the endpoint lives), puts no bound on a line or on its queue, and
//! logs the content of a line that it cannot read. So lines are taken apart here, and it gets only whole data
//! lines that are known to be readable, no faster than they are consumed.

use std::sync::Arc;

use bytes::Bytes;
use chat::ports::ModelError;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use thiserror::Error;

use crate::call::Call;
use crate::lines::Lines;
use crate::wire::Chunk;

/// The stream ended for a reason that the [`Call`] keeps.
#[derive(Debug, Error)]
#[error("see the call")]
pub(crate) struct Ended;

/// Event after event as the library wants to read it.
pub(crate) fn events(
    response: reqwest::Response,
    call: Arc<Call>,
) -> impl Stream<Item = Result<Bytes, Ended>> {
    let reader = Reader {
        lines: Lines::new(call.limits.line_bytes_max),
        bytes: response.bytes_stream().boxed(),
        bytes_read: 0,
        is_over: false,
        call,
    };
    stream::try_unfold(reader, |mut reader| async move {
        let event = reader.next_event().await?;
        Ok(event.map(|event| (event, reader)))
    })
}

struct Reader {
    bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    lines: Lines,
    bytes_read: usize,
    /// No more bytes come, or none are wanted.
    is_over: bool,
    call: Arc<Call>,
}

impl Reader {
    async fn next_event(&mut self) -> Result<Option<Bytes>, Ended> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let Some(line) = self.next_line().await? else { return Ok(None) };
            let Some(data) = data_of(&line) else { continue };
            if data == b"[DONE]" {
                self.is_over = true;
                return Ok(Some(as_event(data)));
            }
            if !is_readable(data) {
                return Err(self.fail("a line of the stream cannot be read"));
            }
            self.call.make_room().await;
            return Ok(Some(as_event(data)));
        }
    }

    /// The next line; the last one may lack its end.
    async fn next_line(&mut self) -> Result<Option<Bytes>, Ended> {
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {}
                Err(_too_long) => return Err(self.fail("a line of the stream is too long")),
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.take(&bytes)?,
                Some(Err(_transport)) => return Err(self.fail("the connection broke")),
                None => {
                    self.is_over = true;
                    let rest = self.lines.rest();
                    return Ok((!rest.is_empty()).then_some(rest));
                }
            }
        }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Ended> {
        self.call.note_life();
        self.bytes_read = self.bytes_read.saturating_add(bytes.len());
        if self.bytes_read > self.call.limits.body_bytes_max {
            return Err(self.fail("the stream is too long"));
        }
        self.lines.push(bytes);
        Ok(())
    }

    fn fail(&self, why: &str) -> Ended {
        self.call.fail(ModelError::Cut(why.to_owned()));
        Ended
    }
}

/// Whether the library will read it as a chunk, which is an object: a list would pass as one, field by field.
fn is_readable(data: &[u8]) -> bool {
    data.starts_with(b"{") && serde_json::from_slice::<Chunk>(data).is_ok()
}

/// The data of a line; comments, empty lines and other fields have none.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let data = line.strip_prefix(b"data:")?.trim_ascii();
    (!data.is_empty()).then_some(data)
}

/// The data as an event. A carriage return between two JSON tokens is a space to JSON and the end of a line to
/// the library.
fn as_event(data: &[u8]) -> Bytes {
    let spaced = data.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte });
    b"data: ".iter().copied().chain(spaced).chain(*b"\n\n").collect()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kernel::{ManualClock, Timestamp};

    use super::*;
    use crate::call::CHUNKS_AHEAD_MAX;
    use crate::endpoint::EndpointLimits;

    #[test]
    fn no_more_is_read_ahead_than_the_consumer_has_room_for() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
        let call = Arc::new(Call::begin(clock, EndpointLimits::default(), 0));
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"data: {}\n\n")));
        let response = http::Response::new(reqwest::Body::wrap_stream(endless)).into();
        let mut events = std::pin::pin!(events(response, Arc::clone(&call)));
        for _ in 0..CHUNKS_AHEAD_MAX {
            assert!(matches!(events.next().now_or_never(), Some(Some(Ok(_)))));
        }
        assert!(events.next().now_or_never().is_none(), "the reader waits");
        call.give_room();
        assert!(matches!(events.next().now_or_never(), Some(Some(Ok(_)))));
    }

    #[test]
    fn a_stream_beyond_its_bound_ends() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
        let limits = EndpointLimits { body_bytes_max: 100, ..EndpointLimits::default() };
        let call = Arc::new(Call::begin(clock, limits, 0));
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b": alive\n")));
        let response = http::Response::new(reqwest::Body::wrap_stream(endless)).into();
        let mut events = std::pin::pin!(events(response, Arc::clone(&call)));
        assert!(matches!(events.next().now_or_never(), Some(Some(Err(Ended)))));
        assert_eq!(call.take_failure(), Some(ModelError::Cut("the stream is too long".to_owned())));
    }

    #[test]
    fn only_data_lines_have_data() {
        assert_eq!(data_of(b"data: {}"), Some(b"{}".as_slice()));
        assert_eq!(data_of(b"\xEF\xBB\xBFdata:{}"), Some(b"{}".as_slice()));
        for line in [": keep-alive", "", "event: error", "id: 1", "data:", "data: "] {
            assert_eq!(data_of(line.as_bytes()), None, "{line}");
        }
    }
}
