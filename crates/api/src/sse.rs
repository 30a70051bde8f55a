//! Replies as Server-Sent Events.
//!
//! `id:` is `gen:offset`, the place in the text after the event in UTF-16 units, so that a client that comes back
//! with `Last-Event-ID` goes on where it was. A comment every 15 seconds keeps proxies from closing a silent
//! stream. The end of the connection ends nothing but this view of the reply.

use std::time::Duration;

use actix_web::HttpResponse;
use bytes::Bytes;
use chat::{Citation, EndReason, Failure, Message, ReplyFrame, ReplyStream};
use futures::{Stream, StreamExt};
use serde::Serialize;

use crate::event_stream::{self, Beats, HEARTBEAT, beating, error_event};
use crate::extract::SignIn;
use crate::message_view::{Aigc, AnswerView, CitationView, Producer, Viewer};
use crate::problem::Slug;

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

/// The answer that carries a reply's frames as they come.
pub fn respond(frames: ReplyStream, viewer: Viewer, sign_in: SignIn) -> HttpResponse {
    let writer = Writer { viewer, generation: 1, position: 0 };
    event_stream::respond(events(frames, writer, HEARTBEAT), sign_in, error_event)
}

fn events(
    frames: ReplyStream,
    mut writer: Writer,
    heartbeat: Duration,
) -> impl Stream<Item = Bytes> + 'static {
    beating(frames.map(move |frame| writer.write(frame)), heartbeat, Beats::AtOnce)
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
            ReplyFrame::Start { reply, question, offset } => {
                self.generation = reply.generation;
                self.position = offset;
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

#[cfg(test)]
mod tests {
    use chat::{Author, MessageStatus};
    use futures::stream;
    use kernel::{Id, Timestamp};

    use super::*;
    use crate::language::Language;

    fn reply(why: Option<EndReason>, failure: Option<Failure>) -> Message {
        let author = Author::Character("classics_kongzi".parse().unwrap());
        let id = Id::from_uuid(uuid::Uuid::nil());
        Message {
            status: why.map_or(MessageStatus::Streaming, EndReason::status),
            why,
            failure,
            generation: 3,
            ..Message::blank(id, "c".parse().unwrap(), 2, author, Timestamp::from_millis(0))
        }
    }

    fn writer() -> Writer {
        let viewer = Viewer { language: Language::English, producer: Producer("Jixia".into()) };
        Writer { viewer, generation: 1, position: 0 }
    }

    fn written(writer: &mut Writer, frame: ReplyFrame) -> String {
        String::from_utf8(writer.write(frame).to_vec()).unwrap()
    }

    fn delta(offset: u32, text: &str) -> ReplyFrame {
        let message_id = Id::from_uuid(uuid::Uuid::nil());
        ReplyFrame::Delta { message_id, generation: 3, offset, text: text.to_owned() }
    }

    #[test]
    fn an_events_id_is_the_place_after_it_in_utf16_units() {
        let mut writer = writer();
        let start = ReplyFrame::Start { reply: Box::new(reply(None, None)), question: None, offset: 7 };
        let start = written(&mut writer, start);
        assert!(start.starts_with("id: 3:7\nevent: start\ndata: {"), "{start}");
        let text = written(&mut writer, delta(7, "𠮷\n"));
        assert!(text.starts_with("id: 3:10\nevent: delta\n"), "{text}");
        assert!(text.ends_with("\"offset\":7,\"text\":\"𠮷\\n\"}\n\n"), "one line of data: {text}");
        let done = written(&mut writer, ReplyFrame::Final(Box::new(reply(Some(EndReason::Done), None))));
        assert!(done.ends_with("id: 3:10\nevent: done\ndata: {}\n\n"), "{done}");
    }

    #[test]
    fn a_failure_is_told_in_words_and_what_a_filter_withheld_is_none() {
        let slug = |why, failure| failure_slug(&reply(Some(why), failure)).map(Slug::as_str);
        assert_eq!(slug(EndReason::Error, Some(Failure::ModelTimeout)), Some("model_timeout"));
        assert_eq!(slug(EndReason::Error, Some(Failure::ModelUnavailable)), Some("model_unavailable"));
        assert_eq!(slug(EndReason::Lost, Some(Failure::ServerLost)), Some("unavailable"));
        assert_eq!(slug(EndReason::Blocked, None), None);
        assert_eq!(failure_slug(&reply(None, None)), None);
        let failed = ReplyFrame::Failed(Box::new(reply(Some(EndReason::Error), None)));
        assert!(written(&mut writer(), failed).contains("\"message\":\"The model is unavailable;"));
    }

    #[tokio::test]
    async fn a_silent_stream_sends_comments_and_nothing_empty() {
        let silent = events(stream::pending().boxed(), writer(), Duration::from_millis(1));
        let comment = Box::pin(silent).next().await.unwrap();
        assert!(comment.starts_with(b":"), "{comment:?}");
        let blocked = ReplyFrame::Failed(Box::new(reply(Some(EndReason::Blocked), None)));
        let frames = stream::iter([blocked, delta(0, "仁")]).boxed();
        let pieces: Vec<Bytes> = events(frames, writer(), HEARTBEAT).collect().await;
        assert_eq!(pieces.len(), 1, "an empty piece would end the body");
    }

    #[test]
    fn a_position_is_read_strictly() {
        assert_eq!(Position::parse("3:10"), Some(Position { generation: 3, offset: 10 }));
        for bad in ["", "3", "3:", ":3", "a:b", "3:10:1", "-1:2", "3: 10"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
