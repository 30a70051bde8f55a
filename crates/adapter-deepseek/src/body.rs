//! The stream's bytes on their way to the client library: bounded, checked and reduced to what it must see.
//!
//! The library forgets what a comment tells (the endpoint lives), puts no bound on a line or on its queue, and
//! logs the content of a line that it cannot read. So lines are taken apart here, and it gets only whole data
//! lines that are known to be readable, no faster than they are consumed.
//!
//! An endpoint sends word by word, and each word that is read as it comes wakes three tasks. Watchers are told twenty
//! times a second anyway: so once the answer has begun, what has come is read in beats.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chat::ports::ModelError;
use futures::FutureExt;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kernel::Timestamp;
use thiserror::Error;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::call::Call;
use crate::lines::Lines;
use crate::wire::Chunk;

/// From one beat to the next, at most.
const BEAT_MS: i64 = 50;
/// Beats of all answers fall together on multiples of this, so that one waking serves many.
const BEAT_GRID_MS: i64 = 25;
/// The transport has a task of its own, which needs a turn to bring the next piece: after so many without one, nothing
/// more has come.
const TURNS: usize = 3;

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
            match self.next_bytes().await {
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

    /// What has come, or what comes next after a beat.
    async fn next_bytes(&mut self) -> Option<Result<Bytes, reqwest::Error>> {
        if self.call.has_begun() {
            for _ in 0..TURNS {
                if let Some(bytes) = self.bytes.next().now_or_never() {
                    return bytes;
                }
                yield_now().await;
            }
            sleep(until_beat(self.call.clock.now())).await;
        }
        self.bytes.next().await
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

/// How long the beat at `now` lasts.
fn until_beat(now: Timestamp) -> Duration {
    let beat = BEAT_MS - now.as_millis().rem_euclid(BEAT_GRID_MS);
    Duration::from_millis(u64::try_from(beat).unwrap_or_default())
}

/// The data as an event. A carriage return between two JSON tokens is a space to JSON and the end of a line to
/// the library.
fn as_event(data: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(data.len().saturating_add(8));
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    if data.contains(&b'\r') {
        event.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
    }
    event.freeze()
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
    fn beats_fall_together_and_are_no_longer_than_promised() {
        for (now, wait) in [(1_000, 50), (1_001, 49), (1_024, 26), (1_025, 50)] {
            assert_eq!(until_beat(Timestamp::from_millis(now)), Duration::from_millis(wait));
        }
    }

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(as_event(b"{\r}"), &b"data: { }\n\n"[..]);
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
