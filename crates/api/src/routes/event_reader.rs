//! The events of a conversation as an event stream: what was missed, then what happens, each once and in order.
//!
//! A place that was lost is recovered from the log, and the reader is told so.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use chat::ConversationId;
use chat::event::Event;
use chat::feed::{Batch, ClientPlace, FeedItem, Recovery};
use futures::future::{Either, select};
use futures::{Stream, stream};
use kernel::UserId;
use serde::Serialize;

use crate::event_view::{Delivery, EventWriter, write};
use crate::event_watch::{EventWatch, News, Stopping};
use crate::routes::events::StreamView;

/// Writes a watch out as an event stream.
pub(super) struct Reader {
    watch: EventWatch,
    room: ConversationId,
    writer: EventWriter,
    stopping: Stopping,
    /// Whose words are hidden from the reader.
    blocked: Arc<[UserId]>,
    pieces: VecDeque<Bytes>,
    /// The last seq that was written.
    last: u64,
    epoch: String,
    next: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Recover,
    Wait,
    End,
}

/// The first words of a stream, and again where its place was lost.
#[derive(Serialize)]
struct RecoveryData<'a> {
    epoch: &'a str,
    head: u64,
    reset: bool,
    streams: Vec<StreamView<'a>>,
}

impl Reader {
    pub(super) fn new(
        watch: EventWatch,
        room: ConversationId,
        writer: EventWriter,
        (stopping, blocked): (Stopping, Arc<[UserId]>),
    ) -> Self {
        let (pieces, epoch) = (VecDeque::new(), String::new());
        Self { watch, room, writer, stopping, blocked, pieces, last: 0, epoch, next: Step::Wait }
    }

    pub(super) fn pieces(self) -> impl Stream<Item = Bytes> + 'static {
        stream::unfold(self, |mut reader| async move {
            loop {
                if let Some(bytes) = reader.pieces.pop_front() {
                    return Some((bytes, reader));
                }
                match reader.next {
                    Step::Recover => reader.recover().await,
                    Step::Wait => reader.wait().await,
                    Step::End => return None,
                }
            }
        })
    }

    /// Takes what a recovery brings.
    pub(super) fn catch_up(&mut self, recovery: Recovery, is_first: bool) {
        let Recovery { epoch, head, events, more, reset, streams: growing, .. } = recovery;
        if is_first || reset {
            let streams = growing.iter().map(Into::into).collect();
            let data = RecoveryData { epoch: &epoch, head, reset, streams };
            let mut out = b"event: recovery\ndata: ".to_vec();
            write(&mut out, &data);
            out.extend_from_slice(b"\n\n");
            self.pieces.push_back(out.into());
        }
        self.epoch = epoch;
        for event in &events {
            self.event(event);
        }
        if !more {
            self.last = head;
        }
        self.next = if more { Step::Recover } else { Step::Wait };
    }

    async fn recover(&mut self) {
        let place = ClientPlace { since: Some(self.last), epoch: Some(self.epoch.clone()) };
        match self.watch.recover(&place).await {
            Ok(recovery) => {
                self.look_up_blocked().await;
                self.catch_up(recovery, false);
            }
            Err(problem) => {
                // The client comes back with the last id that it got.
                tracing::warn!(error.slug = problem.slug().as_str(), "an event stream could not go on");
                self.next = Step::End;
            }
        }
    }

    async fn wait(&mut self) {
        let news = match select(Box::pin(self.watch.next()), self.stopping.clone()).await {
            Either::Left((news, _)) => news,
            Either::Right(((), _)) => News::Over,
        };
        match news {
            News::Events(batch) => {
                self.look_up_blocked().await;
                self.follow(events_of(&batch));
            }
            News::Lagged => self.next = Step::Recover,
            News::Over => self.next = Step::End,
        }
    }

    /// A stream may outlast many changes of the list. Where it cannot be read, the last one holds.
    async fn look_up_blocked(&mut self) {
        match self.watch.hidden().await {
            Ok(blocked) => self.blocked = blocked,
            Err(problem) => {
                tracing::warn!(
                    error.slug = problem.slug().as_str(),
                    "whom a reader has blocked was not read"
                );
            }
        }
    }

    fn follow(&mut self, events: &[Event]) {
        for event in events {
            if event.seq <= self.last {
                continue;
            }
            if event.seq != self.last + 1 {
                self.next = Step::Recover;
                return;
            }
            self.event(event);
        }
    }

    fn event(&mut self, event: &Event) {
        let mut out = format!("id: {}\ndata: ", event.seq).into_bytes();
        // There are no deltas here, so every end tells its whole text.
        let view = self.writer.view(&self.room, event, Delivery::Recovered);
        write(&mut out, &view.hidden_if_by(&self.blocked));
        out.extend_from_slice(b"\n\n");
        self.pieces.push_back(out.into());
        self.last = event.seq;
    }
}

fn events_of(batch: &Batch) -> &[Event] {
    match &batch.item {
        FeedItem::Events(events) => events,
        FeedItem::Delta { .. }
        | FeedItem::Typing { .. }
        | FeedItem::Read { .. }
        | FeedItem::Presence { .. }
        | FeedItem::TurnOver { .. }
        | FeedItem::Notice { .. }
        | FeedItem::Expelled { .. }
        | FeedItem::Reset => &[],
    }
}
