//! Answers that go on: the head of an event stream, the comments that keep a silent one open, and its end with the
//! sign-in of who reads it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::Bytes;
use futures::future::{Either, select};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;

use crate::extract::SignIn;
use crate::language::Language;
use crate::problem::Problem;

/// Proxies close what is silent for a minute; this is well below.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

const COMMENT: &[u8] = b": still here\n\n";

/// The answer that carries these pieces as they come, for as long as the sign-in of who asked.
pub(crate) fn respond(
    pieces: impl Stream<Item = Bytes> + 'static,
    sign_in: SignIn,
    last_words: LastWords,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        // Compression would hold small pieces back.
        .insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")));
    let pieces = signed_in(pieces, sign_in, last_words);
    response.streaming(pieces.map(Ok::<_, std::convert::Infallible>))
}

/// When comments may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beats {
    /// From the start.
    AtOnce,
    /// After the first piece: some clients take the first line for content.
    AfterFirst,
}

/// The pieces, and a comment whenever none came for so long. Empty pieces, which would end a chunked body, are
/// left out.
pub(crate) fn beating(
    pieces: impl Stream<Item = Bytes> + 'static,
    heartbeat: Duration,
    beats: Beats,
) -> impl Stream<Item = Bytes> + 'static {
    let pieces = pieces.filter(|bytes| std::future::ready(!bytes.is_empty())).boxed_local();
    stream::unfold((pieces, beats), move |(mut pieces, beats)| async move {
        if beats == Beats::AfterFirst {
            let first = pieces.next().await?;
            return Some((first, (pieces, Beats::AtOnce)));
        }
        let pause = Box::pin(tokio::time::sleep(heartbeat));
        let bytes = match select(pieces.next(), pause).await {
            Either::Left((Some(bytes), _)) => bytes,
            Either::Left((None, _)) => return None,
            Either::Right(((), _)) => Bytes::from_static(COMMENT),
        };
        Some((bytes, (pieces, Beats::AtOnce)))
    })
}

/// What a stream says last when the sign-in of its reader is over; empty where its format has no errors.
pub(crate) type LastWords = fn(&Problem, Language) -> Bytes;

/// The pieces, until the sign-in of who reads them is over.
fn signed_in(
    pieces: impl Stream<Item = Bytes> + 'static,
    sign_in: SignIn,
    last_words: LastWords,
) -> impl Stream<Item = Bytes> + 'static {
    stream::unfold(Some((pieces.boxed_local(), sign_in)), move |open| async move {
        let (mut pieces, mut sign_in) = open?;
        // The end is looked at first: a stream that always has something to say ends as well.
        let piece = match select(sign_in.over.as_mut(), pieces.next()).await {
            Either::Left((problem, _)) => Err(problem),
            Either::Right((piece, _)) => Ok(piece),
        };
        match piece {
            Ok(piece) => piece.map(|piece| (piece, Some((pieces, sign_in)))),
            Err(problem) => {
                let words = last_words(&problem, sign_in.language);
                // An empty piece would end a chunked body by itself.
                (!words.is_empty()).then_some((words, None))
            }
        }
    })
}

/// An `error` event.
pub(crate) fn error_event(problem: &Problem, language: Language) -> Bytes {
    let (error, message) = (problem.slug().as_str(), problem.message(language));
    let mut out = b"event: error\n".to_vec();
    out.extend_from_slice(&data_line(&ErrorData { error, message: &message }));
    out.into()
}

#[derive(Serialize)]
struct ErrorData<'a> {
    error: &'static str,
    message: &'a str,
}

/// `data: {json}` alone.
pub(crate) fn data_line(data: &impl Serialize) -> Bytes {
    let mut out = b"data: ".to_vec();
    // JSON has no raw newline, so one data line is enough.
    if let Err(error) = serde_json::to_writer(&mut out, data) {
        tracing::error!(%error, "an event could not be serialised");
        return Bytes::new();
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// `data: <text>` alone; each line of the text has a line of its own, as the format wants it.
pub(crate) fn text_lines(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 16);
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
    out.into()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::problem::Slug;

    fn texts(pieces: &[Bytes]) -> Vec<String> {
        pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    #[tokio::test]
    async fn a_silent_stream_is_kept_open_by_comments() {
        let silent = beating(stream::pending(), Duration::ZERO, Beats::AtOnce);
        let pieces = silent.take(2).collect::<Vec<_>>().await;
        assert_eq!(texts(&pieces), [": still here\n\n", ": still here\n\n"]);
    }

    #[tokio::test]
    async fn no_comment_comes_before_the_first_piece_where_that_is_promised() {
        let (first, coming) = futures::channel::oneshot::channel();
        let pieces = stream::once(async { coming.await.unwrap_or_default() }).chain(stream::pending());
        let mut pieces = std::pin::pin!(beating(pieces, Duration::ZERO, Beats::AfterFirst));
        for _ in 0..3 {
            assert!(pieces.next().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        first.send(Bytes::from_static(b"data: x\n\n")).unwrap();
        let pieces = pieces.take(2).collect::<Vec<_>>().await;
        assert_eq!(texts(&pieces), ["data: x\n\n", ": still here\n\n"]);
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_reader_s_sign_in_however_much_it_has_to_say() {
        let (end, ended) = futures::channel::oneshot::channel::<()>();
        let over = Box::pin(async {
            ended.await.map_or_else(|_| Problem::internal("lost"), |()| Problem::new(Slug::TokenExpired))
        });
        let sign_in = SignIn { over, language: Language::English };
        let endless = stream::repeat(Bytes::from_static(b"data: x\n\n"));
        let mut pieces = std::pin::pin!(signed_in(endless, sign_in, error_event));
        assert_eq!(pieces.next().await.as_deref(), Some(b"data: x\n\n".as_slice()));
        end.send(()).unwrap();
        let rest = texts(&pieces.collect::<Vec<_>>().await);
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert!(
            rest[0].starts_with("event: error\ndata: {\"error\":\"token_expired\",\"message\":\""),
            "{rest:?}"
        );
    }

    #[test]
    fn every_line_of_a_text_is_a_data_line() {
        assert_eq!(text_lines("学而\n时习之"), "data: 学而\ndata: 时习之\n\n".as_bytes());
        assert_eq!(text_lines("\n"), "data: \ndata: \n\n".as_bytes());
        assert_eq!(data_line(&"a\nb"), "data: \"a\\nb\"\n\n".as_bytes());
    }
}
