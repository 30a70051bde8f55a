//! The `Idempotency-Key` of a request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};
use chat::{IdempotencyKey, InvalidKey};

use crate::problem::Problem;

/// The client's key, if it sent one.
pub struct Idempotency(pub Option<IdempotencyKey>);

impl FromRequest for Idempotency {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(read(request.headers()).map(Self).map_err(Into::into))
    }
}

fn read(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, InvalidKey> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let text = key.to_str().map_err(|_not_ascii| InvalidKey::Format)?;
    IdempotencyKey::parse(text).map(Some)
}
