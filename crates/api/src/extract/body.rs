//! JSON bodies: bounded, UTF-8, objects, and typed.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal;
use crate::problem::{Problem, Rule, Slug};
use crate::settings::ApiSettings;

/// A request's JSON body. No body at all is an empty object.
pub struct Body<T>(pub T);

/// How much of a body over the limit is read and thrown away, so that its sender reads the answer instead of
/// a broken connection.
const DRAIN_BYTES_MAX: usize = 32 << 20;
const READ_SECONDS_MAX: u64 = 30;
const DRAIN_SECONDS_MAX: u64 = 10;

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit =
            request.app_data::<web::Data<ApiSettings>>().map_or(0, |settings| settings.body_bytes_max);
        let declared = declared_length(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload, declared, limit).await?;
            parse(&bytes).map(Self)
        })
    }
}

/// A request's body, byte by byte.
pub struct RawBody(pub Bytes);

/// No provider's message is larger.
const RAW_BYTES_MAX: usize = 64 << 10;

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (declared, payload) = (declared_length(request), payload.take());
        Box::pin(async move { read(payload, declared, RAW_BYTES_MAX).await.map(Self) })
    }
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut payload: Payload, declared: Option<usize>, limit: usize) -> Result<Bytes, Problem> {
    if declared.is_some_and(|length| length > limit) {
        drain(payload, declared.unwrap_or(0)).await;
        return Err(Problem::new(Slug::PayloadTooLarge));
    }
    let reading = collect(&mut payload, limit);
    match tokio::time::timeout(Duration::from_secs(READ_SECONDS_MAX), reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            drain(payload, 0).await;
            Err(Problem::new(Slug::PayloadTooLarge))
        }
        Ok(Err(cut)) => Err(Problem::new(Slug::InvalidJson).because(cut)),
        Err(slow) => Err(Problem::new(Slug::InvalidJson).because(slow)),
    }
}

/// The whole body, or `None` if it is over the limit.
async fn collect(
    payload: &mut Payload,
    limit: usize,
) -> Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let Some(first) = payload.next().await else { return Ok(Some(Bytes::new())) };
    let first = first.map_err(|error| error.to_string())?;
    let mut whole = Vec::new();
    let mut chunk = first.clone();
    loop {
        if whole.len() + chunk.len() > limit {
            return Ok(None);
        }
        let Some(next) = payload.next().await else {
            // Most bodies come in one piece, which need not be copied.
            if whole.is_empty() {
                return Ok(Some(chunk));
            }
            whole.extend_from_slice(&chunk);
            return Ok(Some(whole.into()));
        };
        whole.extend_from_slice(&chunk);
        chunk = next.map_err(|error| error.to_string())?;
    }
}

async fn drain(mut payload: Payload, declared: usize) {
    if declared > DRAIN_BYTES_MAX {
        return;
    }
    let draining = async {
        let mut drained = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            drained += chunk.len();
            if drained > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    // Who sends too slowly to be drained in time gets a closed connection.
    let _ = tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS_MAX), draining).await;
}

/// Reads a body in two steps, so that what is no JSON (400) and what is JSON of another shape (422) are told
/// apart. serde_json bounds the depth at 128 and refuses lone surrogates.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value: Value = if bytes.iter().all(u8::is_ascii_whitespace) {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(bytes).map_err(|error| Problem::new(Slug::InvalidJson).because(error))?
    };
    if !value.is_object() {
        return Err(Problem::field("", Rule::Type));
    }
    if let Some(field) = find_nul(&value, "") {
        return Err(Problem::field(field, Rule::Nul));
    }
    serde_path_to_error::deserialize(value)
        .map_err(|error| refusal(&error.path().to_string(), &error.inner().to_string()))
}

/// The path of the first text with a NUL, which Postgres cannot store.
fn find_nul(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| path.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item, &format!("{path}[{index}]")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            find_nul(field, &path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Letter {
        to: String,
        page_count: Option<u32>,
    }

    fn refused(body: &[u8]) -> (&'static str, Option<(String, &'static str)>) {
        let problem = parse::<Letter>(body).unwrap_err();
        let field = problem.fields().first().map(|field| (field.field.clone(), field.rule.as_str()));
        (problem.slug().as_str(), field)
    }

    fn invalid(field: &str, rule: &'static str) -> (&'static str, Option<(String, &'static str)>) {
        ("validation_failed", Some((field.to_owned(), rule)))
    }

    #[test]
    fn unknown_fields_are_ignored_and_null_is_absence() {
        let letter: Letter = parse(br#"{"to":"a","pageCount":null,"more":[1]}"#).unwrap();
        assert_eq!(letter, Letter { to: "a".to_owned(), page_count: None });
    }

    #[test]
    fn what_is_no_json_is_told_from_what_has_another_shape() {
        let deep = "[".repeat(100_000);
        let cut: &[u8] = br#"{"to":"a"#;
        for bad in [cut, b"\xff\xfe", br#"{"to":"\ud800"}"#, br#"{"to":1e999}"#, deep.as_bytes(), b"{'to':1}"]
        {
            assert_eq!(refused(bad), ("invalid_json", None));
        }
        assert_eq!(refused(b""), invalid("to", "required"));
        assert_eq!(refused(b"{}"), invalid("to", "required"));
        assert_eq!(refused(br#"["a", 1]"#), invalid("", "type"));
        assert_eq!(refused(br#"{"to":3}"#), invalid("to", "type"));
        assert_eq!(refused(br#"{"to":"a","pageCount":"3"}"#), invalid("pageCount", "type"));
        assert_eq!(refused(br#"{"to":"a","pageCount":-3}"#), invalid("pageCount", "value"));
    }

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        assert_eq!(refused(br#"{"to":"a\u0000b"}"#), invalid("to", "nul"));
        assert_eq!(refused(br#"{"to":"a","x":[{"y":"\u0000"}]}"#), invalid("x[0].y", "nul"));
    }
}
