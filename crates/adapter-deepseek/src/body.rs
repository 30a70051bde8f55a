//! The stream's bytes on their way to the client library: bounded, checked and reduced to what it must see.
//!
//! The library forgets what a comment tells (the endpoint lives), puts no bound on a line or on its queue, and
//! logs the content of a line that it cannot read. So lines are taken apart and read here, no faster than they are
//! consumed, and the library is only told that some have come.
//!
//! An endpoint sends word by word, and each word that is read as it comes wakes three tasks. Watchers are told twenty
//! times a second anyway: so once the answer has begun, what has come is read in beats.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat::ports::ModelError;
use futures::FutureExt;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kernel::Timestamp;
use thiserror::Error;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::call::Call;
use crate::chunk::read_chunk;
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

/// The library is told of all chunks of a beat at once: it reads this, and they wait in the call.
const WAITING: &[u8] = b"data: {}\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Event after event as the library wants to read it.
pub(crate) fn events(
    response: reqwest::Response,
    call: Arc<Call>,
) -> impl Stream<Item = Result<Bytes, Ended>> {
    let reader = Reader {
        lines: Lines::new(call.limits.line_bytes_max),
        bytes: response.bytes_stream().boxed(),
        bytes_read: 0,
        held: None,
        has_all: false,
        is_over: false,
        end: None,
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
    /// A chunk that has no room yet.
    held: Option<Chunk>,
    /// No more bytes come.
    has_all: bool,
    /// Nothing more is wanted.
    is_over: bool,
    /// What is said when the chunks before it are told.
    end: Option<Result<Option<Bytes>, Ended>>,
    call: Arc<Call>,
}

enum Step {
    /// A chunk was put into the call.
    Put,
    /// Something was read that is no chunk yet.
    Read,
    /// Nothing more is here now.
    Tell,
    /// The stream ends, with these last bytes.
    End(Option<Bytes>),
}

impl Reader {
    /// An event for all chunks that have come, then the end.
    async fn next_event(&mut self) -> Result<Option<Bytes>, Ended> {
        let mut is_waiting = false;
        while self.end.is_none() {
            match self.step(is_waiting).await {
                Ok(Step::Put) => is_waiting = true,
                Ok(Step::Read) => {}
                Ok(Step::Tell) => break,
                Ok(Step::End(last)) => self.end = Some(Ok(last)),
                Err(ended) => self.end = Some(Err(ended)),
            }
        }
        if is_waiting {
            return Ok(Some(Bytes::from_static(WAITING)));
        }
        self.end.take().unwrap_or(Ok(None))
    }

    async fn step(&mut self, is_waiting: bool) -> Result<Step, Ended> {
        if self.is_over {
            return Ok(Step::End(None));
        }
        if let Some(chunk) = self.held.take() {
            if !self.call.has_room() {
                if is_waiting {
                    self.held = Some(chunk);
                    return Ok(Step::Tell);
                }
                self.call.make_room().await;
            }
            self.call.put(chunk);
            return Ok(Step::Put);
        }
        match self.lines.next_line() {
            Ok(Some(line)) => self.accept(&line),
            Ok(None) => self.more(is_waiting).await,
            Err(_too_long) => Err(self.fail("a line of the stream is too long")),
        }
    }

    fn accept(&mut self, line: &[u8]) -> Result<Step, Ended> {
        let Some(data) = data_of(line) else { return Ok(Step::Read) };
        if data == b"[DONE]" {
            self.is_over = true;
            return Ok(Step::End(Some(Bytes::from_static(DONE))));
        }
        self.held = read_chunk(data);
        match self.held {
            Some(_) => Ok(Step::Read),
            None => Err(self.fail("a line of the stream cannot be read")),
        }
    }

    async fn more(&mut self, is_waiting: bool) -> Result<Step, Ended> {
        if self.has_all {
            self.is_over = true;
            return Ok(Step::End(None));
        }
        let here = if self.call.has_begun() { self.bytes_here().await } else { None };
        let bytes = match here {
            Some(bytes) => bytes,
            None if is_waiting => return Ok(Step::Tell),
            None => {
                if self.call.has_begun() {
                    sleep(until_beat(self.call.clock.now())).await;
                }
                self.bytes.next().await
            }
        };
        match bytes {
            Some(Ok(bytes)) => self.take(&bytes)?,
            Some(Err(_transport)) => return Err(self.fail("the connection broke")),
            None => {
                // The last line may lack its end.
                self.has_all = true;
                self.lines.push(b"\n");
            }
        }
        Ok(Step::Read)
    }

    /// What has come already; the inner `None` is the end of it all.
    async fn bytes_here(&mut self) -> Option<Option<Result<Bytes, reqwest::Error>>> {
        for _ in 0..TURNS {
            if let Some(bytes) = self.bytes.next().now_or_never() {
                return Some(bytes);
            }
            yield_now().await;
        }
        None
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
        assert_eq!(call.take().len(), CHUNKS_AHEAD_MAX);
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
    fn only_data_lines_have_data() {
        assert_eq!(data_of(b"data: {}"), Some(b"{}".as_slice()));
        assert_eq!(data_of(b"\xEF\xBB\xBFdata:{}"), Some(b"{}".as_slice()));
        for line in [": keep-alive", "", "event: error", "id: 1", "data:", "data: "] {
            assert_eq!(data_of(line.as_bytes()), None, "{line}");
        }
    }
}
