//! The envelope of the gateway's frames: what a client asks, and how it is answered.
//!
//! A reply carries the `reqId` of what it answers and is alone in its frame, since there are clients that read a
//! frame as one object.

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::outgoing::json_frame;
use crate::extract::refusal;
use crate::language::Language;
use crate::problem::{Problem, Rule, Slug};

macro_rules! operations {
    ($($name:ident $word:literal;)*) => {
        /// What a client may ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Op {
            $(#[doc = $word] $name,)*
        }

        impl Op {
            /// The word on the wire.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    Auth "auth";
    Ping "ping";
    Pong "pong";
    Join "room.join";
    Leave "room.leave";
    Send "room.send";
    Stop "room.stop";
    Recall "room.recall";
    Like "room.like";
    Read "room.read";
    Typing "room.typing";
    Sync "room.sync";
    Chat "ai.chat";
    Stream "ai.stream";
}

/// Something that a client asks.
pub(crate) struct Request {
    pub(crate) op: Op,
    pub(crate) tag: Tag,
    data: Option<Box<RawValue>>,
}

/// How a reply is told from others: the client's own id for the request, and the operation's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tag {
    req_id: Option<Box<str>>,
    op: Option<Box<str>>,
}

/// A frame that cannot be answered as it wants.
pub(crate) struct Unreadable {
    pub(crate) problem: Problem,
    pub(crate) tag: Tag,
}

#[derive(Deserialize)]
struct Frame {
    op: Option<Box<str>>,
    #[serde(rename = "reqId")]
    req_id: Option<Box<str>>,
    data: Option<Box<RawValue>>,
}

/// Ids and operations longer than this are not repeated to who sent them.
const WORD_BYTES_MAX: usize = 128;

impl Request {
    /// What a text asks.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let Frame { op, req_id, data } = match serde_json::from_slice(text) {
            Ok(frame) => frame,
            Err(error) => return Err(Unreadable { problem: unreadable(text, &error), tag: Tag::default() }),
        };
        let short = |word: &str| word.len() <= WORD_BYTES_MAX;
        let tag = Tag { req_id: req_id.filter(|id| short(id)), op: op.filter(|op| short(op)) };
        match tag.op.as_deref().and_then(Op::of) {
            Some(op) => Ok(Self { op, tag, data }),
            None => Err(Unreadable { problem: Problem::new(Slug::UnsupportedOp), tag }),
        }
    }

    /// What comes with it.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = self.data.as_ref().map_or("{}", |data| data.get());
        let mut reader = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            refusal(&path, &error.into_inner().to_string())
        })
    }
}

/// JSON of another form than a request has is told apart from what is no JSON.
fn unreadable(text: &[u8], error: &serde_json::Error) -> Problem {
    let is_json = error.is_data() && serde_json::from_slice::<IgnoredAny>(text).is_ok();
    if is_json { Problem::field("", Rule::Type) } else { Problem::new(Slug::InvalidJson) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    event: &'static str,
    #[serde(flatten)]
    data: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorData {
    code: u16,
    error: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldData>,
}

#[derive(Serialize)]
struct FieldData {
    field: String,
    rule: &'static str,
    message: String,
}

/// Nothing besides the envelope.
#[derive(Serialize)]
pub(crate) struct Nothing {}

impl Tag {
    /// Of something that was not asked for.
    pub(crate) fn push(op: Op) -> Self {
        Self { req_id: None, op: Some(op.as_str().into()) }
    }

    /// A reply as a whole frame.
    pub(crate) fn reply(&self, event: &'static str, data: &impl Serialize) -> Bytes {
        let (req_id, op) = (self.req_id.as_deref(), self.op.as_deref());
        json_frame(&Reply { req_id, op, event, data }, 256)
    }

    /// A refusal as a whole frame; one that is the server's fault is logged.
    pub(crate) fn error(&self, problem: &Problem, language: Language) -> Bytes {
        log(problem, self.op.as_deref());
        let seconds = problem.facts().retry_after_seconds;
        let ms = seconds.and_then(|seconds| i64::try_from(seconds.saturating_mul(1_000)).ok());
        self.error_after(problem, language, ms)
    }

    /// A refusal that waiting cures.
    pub(crate) fn error_after(&self, problem: &Problem, language: Language, after_ms: Option<i64>) -> Bytes {
        let fields = problem.fields().iter().map(|invalid| FieldData {
            field: invalid.field.clone(),
            rule: invalid.rule.as_str(),
            message: invalid.message(language),
        });
        let data = ErrorData {
            code: problem.slug().status().as_u16(),
            error: problem.slug().as_str(),
            detail: problem.message(language),
            retry_after_ms: after_ms,
            fields: fields.collect(),
        };
        self.reply("error", &data)
    }
}

fn log(problem: &Problem, op: Option<&str>) {
    let slug = problem.slug();
    if slug.status().is_server_error() {
        let cause = problem.facts().cause.as_deref().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(ws.op = op, error.slug = slug.as_str(), error.cause = cause, "operation failed");
    } else {
        tracing::debug!(ws.op = op, error.slug = slug.as_str(), "operation refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> &'static str {
        match Request::parse(text.as_bytes()) {
            Ok(request) => request.op.as_str(),
            Err(unreadable) => unreadable.problem.slug().as_str(),
        }
    }

    #[test]
    fn a_frame_is_read_or_refused_for_what_it_is() {
        for (text, expected) in [
            (r#"{"op":"room.send","reqId":"r-1","data":{"a":1},"unknown":[]}"#, "room.send"),
            (r#"{"op":"ping"}"#, "ping"),
            (r#"{"op":"room.fly"}"#, "unsupported_op"),
            (r#"{"reqId":"r"}"#, "unsupported_op"),
            (r#"{"op":"ping""#, "invalid_json"),
            ("", "invalid_json"),
            ("[1,2]", "validation_failed"),
            (r#"{"op":7}"#, "validation_failed"),
            (r#"{"op":"ping","reqId":7}"#, "validation_failed"),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
    }

    #[test]
    fn a_reply_names_what_it_answers() {
        let request = Request::parse(br#"{"op":"ping","reqId":"r-9"}"#)
            .unwrap_or_else(|_unreadable| panic!("a request"));
        let frame = request.tag.reply("pong", &Nothing {});
        assert_eq!(frame[2..], *br#"{"reqId":"r-9","op":"ping","event":"pong"}"#);
    }

    #[test]
    fn a_refusal_has_slug_and_words_and_names_its_fields() {
        let tag = Tag::push(Op::Join);
        let frame = tag.error(&Problem::new(Slug::Unauthorized), Language::Chinese);
        let expected =
            r#"{"op":"room.join","event":"error","code":401,"error":"unauthorized","detail":"请先登录"}"#;
        assert_eq!(frame[2..], *expected.as_bytes());
        let frame = tag.error(&Problem::field("roomId", Rule::Required), Language::English);
        assert!(String::from_utf8_lossy(&frame).contains(r#""fields":[{"field":"roomId","rule":"required""#));
    }
}
