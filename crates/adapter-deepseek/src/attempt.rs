//! One request and its repetitions, until the endpoint begins to answer.
//!
//! Only what surely reached no model, or was refused for load, is tried again: 429, 500, 502, 503 and failed
//! connections. A wrong key, an empty account and a refused request stay what they are.

use std::sync::Arc;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use chat::ports::ModelError;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::body;
use crate::call::Call;
use crate::wire::error_words;

/// The first repetition waits about so long, each further one twice as long.
const RETRY_DELAY_MS: i64 = 400;
/// An error's body is read so far.
const ERROR_BODY_BYTES_MAX: usize = 16 << 10;

enum Verdict {
    Answers(Response),
    Again { after_ms: Option<i64>, error: ModelError },
    Fails(ModelError),
}

/// Sends the request until it is answered or given up. The caller bounds the time.
pub(crate) async fn send(
    http: reqwest::Client,
    factory: HttpRequestFactory,
    call: Arc<Call>,
) -> Result<Response, OpenAIError> {
    let mut attempt = 0;
    loop {
        let request = factory.build().await?;
        let error = match judge(http.execute(request).await).await {
            Verdict::Answers(response) => {
                call.note_life();
                return Ok(as_library_reads(response, call));
            }
            Verdict::Again { after_ms, error } if attempt < call.limits.retries_max => {
                tracing::debug!(attempt, error = %error, "the model endpoint is asked again");
                let delay_ms = retry_delay_ms(attempt, call.seed, after_ms, call.limits.retry_after_ms_max);
                call.clock.sleep_until(call.clock.now().plus_millis(delay_ms)).await;
                attempt += 1;
                continue;
            }
            Verdict::Again { error, .. } | Verdict::Fails(error) => error,
        };
        call.fail(error);
        return Err(OpenAIError::Boxed(Box::new(body::Ended)));
    }
}

async fn judge(outcome: Result<Response, reqwest::Error>) -> Verdict {
    let response = match outcome {
        Ok(response) => response,
        Err(error) if error.is_connect() => {
            let error = ModelError::Unavailable("the endpoint cannot be reached".to_owned());
            return Verdict::Again { after_ms: None, error };
        }
        Err(_broken) => {
            return Verdict::Fails(ModelError::Unavailable(
                "the connection broke before an answer".to_owned(),
            ));
        }
    };
    let status = response.status();
    if status.is_success() {
        return match unreadable(response.headers()) {
            None => Verdict::Answers(response),
            Some(why) => Verdict::Fails(ModelError::Unavailable(why.to_owned())),
        };
    }
    let after_ms = retry_after_ms(response.headers());
    let error =
        ModelError::Unavailable(format!("the endpoint answered {status}: {}", reason(response).await));
    if is_passing(status) { Verdict::Again { after_ms, error } } else { Verdict::Fails(error) }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// Why a successful answer is no stream of events that we read.
fn unreadable(headers: &HeaderMap) -> Option<&'static str> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Some("the endpoint compressed its answer, unasked");
    }
    let is_events = header(CONTENT_TYPE).is_none_or(|kind| kind.starts_with("text/event-stream"));
    (!is_events).then_some("the endpoint answered with something else than a stream of events")
}

fn retry_after_ms(headers: &HeaderMap) -> Option<i64> {
    let seconds: i64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.max(0).saturating_mul(1_000))
}

/// Between half and all of a delay that doubles, or what the endpoint asked for if that is longer and granted.
fn retry_delay_ms(attempt: u32, seed: u64, asked_ms: Option<i64>, granted_ms_max: i64) -> i64 {
    let whole = RETRY_DELAY_MS << attempt.min(8);
    let random = i64::from(u32::try_from(seed.rotate_right(16 * attempt) & 0xFFFF).unwrap_or(0));
    let jittered = whole / 2 + whole * random / 0x1_0000 / 2;
    jittered.max(asked_ms.unwrap_or(0).min(granted_ms_max))
}

async fn reason(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > ERROR_BODY_BYTES_MAX {
            break;
        }
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    error_words(answer.get("error").unwrap_or(&answer))
}

fn as_library_reads(response: Response, call: Arc<Call>) -> Response {
    let events = reqwest::Body::wrap_stream(body::events(response, call));
    Response::from(http::Response::new(events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_with_jitter_and_honour_the_endpoint_up_to_a_limit() {
        for seed in [0, 7, u64::MAX] {
            assert!((200..=400).contains(&retry_delay_ms(0, seed, None, 10_000)));
            assert!((400..=800).contains(&retry_delay_ms(1, seed, None, 10_000)));
        }
        assert_eq!(retry_delay_ms(0, 0, Some(3_000), 10_000), 3_000);
        assert_eq!(retry_delay_ms(0, 0, Some(86_400_000), 10_000), 10_000);
    }

    #[test]
    fn a_stream_of_events_is_plain_and_says_so() {
        let headers = |name, value: &'static str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert_eq!(unreadable(&headers(CONTENT_TYPE, "text/event-stream; charset=utf-8")), None);
        assert!(unreadable(&headers(CONTENT_TYPE, "application/json")).is_some());
        assert!(unreadable(&headers(CONTENT_ENCODING, "gzip")).is_some());
    }
}
