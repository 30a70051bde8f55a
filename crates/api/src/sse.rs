//! Replies as Server-Sent Events.
//!
//! `id:` is `gen:offset`, the place in the text after the event in UTF-16 units, so that a client that comes back
//! with `Last-Event-ID` goes on where it was. A comment every 15 seconds keeps proxies from closing a silent
//! stream. The end of the connection ends nothing but this view of the reply.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::Bytes;
use chat::{Citation, EndReason, Failure, Message, ReplyFrame, ReplyStream};
use futures::future::{Either, select};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;

use crate::message_view::{Aigc, AnswerView, CitationView, Producer, Viewer};
use crate::problem::Slug;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where a client says it is: a generation and an offset in UTF-16 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The generation that the offset counts in.
    pub generation: u32,
    /// How much of the text the client has.
    pub offset: u32,
}

impl Position {
    /// From a `Last-Event-ID`; anything else than `gen:offset` is no position.
    pub fn parse(text: &str) -> Option<Self> {
        let (generation, offset) = text.split_once(':')?;
        Some(Self { generation: generation.parse().ok()?, offset: offset.parse().ok()? })
    }
}

/// The answer that carries a reply's frames as they come, to a client that has `offset` of the text.
pub fn respond(frames: ReplyStream, viewer: Viewer, offset: u32) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        // Compression would hold small pieces back.
        .insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")));
    let writer = Writer { viewer, generation: 1, position: offset };
    response.streaming(events(frames, writer).map(Ok::<_, std::convert::Infallible>))
}

fn events(frames: ReplyStream, writer: Writer) -> impl Stream<Item = Bytes> + 'static {
    let pieces = stream::unfold((frames, writer), |(mut frames, mut writer)| async move {
        let pause = Box::pin(tokio::time::sleep(HEARTBEAT));
        let bytes = match select(frames.next(), pause).await {
            Either::Left((Some(frame), _)) => writer.write(frame),
            Either::Left((None, _)) => return None,
            Either::Right(((), _)) => Bytes::from_static(b": still here\n\n"),
        };
        Some((bytes, (frames, writer)))
    });
    // An empty chunk would end a chunked body.
    pieces.filter(|bytes| std::future::ready(!bytes.is_empty()))
}

struct Writer {
    viewer: Viewer,
    generation: u32,
    position: u32,
}

impl Writer {
    fn write(&mut self, frame: ReplyFrame) -> Bytes {
        let mut out = Vec::with_capacity(256);
        match frame {
            ReplyFrame::Start { reply, question } => {
                self.generation = reply.generation;
                self.event(&mut out, "start", &StartData::of(&reply, question, &self.viewer.producer));
            }
            ReplyFrame::Delta { message_id, generation, offset, text } => {
                self.generation = generation;
                self.position = offset.saturating_add(utf16_units(&text));
                self.event(
                    &mut out,
                    "delta",
                    &DeltaData { message_id: message_id.to_string(), offset, text },
                );
            }
            ReplyFrame::Citations(citations) => {
                self.event(&mut out, "citations", &CitationsData::of(citations));
            }
            ReplyFrame::Failed(message) => {
                // What a filter withheld is no failure of the model: `final` says `blocked`.
                if let Some(slug) = failure_slug(&message) {
                    let message = slug.message(self.viewer.language);
                    self.event(&mut out, "error", &ErrorData { error: slug.as_str(), message });
                }
            }
            ReplyFrame::Final(message) => {
                self.event(&mut out, "final", &AnswerView::of(*message, &self.viewer.producer));
                self.event(&mut out, "done", &DoneData {});
            }
        }
        out.into()
    }

    fn event(&self, out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
        let head = format!("id: {}:{}\nevent: {name}\ndata: ", self.generation, self.position);
        out.extend_from_slice(head.as_bytes());
        // JSON has no raw newline, so one data line is enough.
        if let Err(error) = serde_json::to_writer(&mut *out, data) {
            tracing::error!(%error, "an event could not be serialised");
        }
        out.extend_from_slice(b"\n\n");
    }
}

fn utf16_units(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

/// The slug of a reply that failed; `None` for one that did not.
pub(crate) fn failure_slug(message: &Message) -> Option<Slug> {
    match message.why? {
        EndReason::Error => match message.failure {
            Some(Failure::ModelTimeout) => Some(Slug::ModelTimeout),
            Some(Failure::ServerLost) => Some(Slug::Unavailable),
            Some(Failure::ModelUnavailable) | None => Some(Slug::ModelUnavailable),
        },
        EndReason::Lost => Some(Slug::Unavailable),
        EndReason::Done | EndReason::Stopped | EndReason::Length | EndReason::Blocked => None,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartData {
    message_id: String,
    seq: u64,
    #[serde(rename = "gen")]
    generation: u32,
    user_message_id: Option<String>,
    user_seq: Option<u64>,
    aigc: Aigc,
}

impl StartData {
    fn of(reply: &Message, question: Option<(kernel::MessageId, u64)>, producer: &Producer) -> Self {
        Self {
            message_id: reply.id.to_string(),
            seq: reply.seq,
            generation: reply.generation,
            user_message_id: question.map(|(id, _)| id.to_string()),
            user_seq: question.map(|(_, seq)| seq),
            aigc: Aigc::of(reply, producer),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaData {
    message_id: String,
    offset: u32,
    text: String,
}

#[derive(Serialize)]
struct CitationsData {
    citations: Vec<CitationView>,
}

impl CitationsData {
    fn of(citations: Vec<Citation>) -> Self {
        Self { citations: citations.into_iter().map(Into::into).collect() }
    }
}

#[derive(Serialize)]
struct ErrorData {
    error: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
struct DoneData {}
