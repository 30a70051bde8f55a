//! Ids in paths. One that cannot be read names nothing, so it is the same 404 as an unknown one.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use billing::OrderId;
use kernel::{MessageId, UserId};

use crate::problem::Problem;

/// The name of the parameter in every path that has one.
const PARAMETER: &str = "id";
/// The name of a person's parameter.
const USER_PARAMETER: &str = "userId";
const TEXT_BYTES_MAX: usize = 256;

/// A message's id.
pub struct MessagePath(pub MessageId);

impl FromRequest for MessagePath {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let id = request.match_info().get(PARAMETER).and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(Problem::not_found))
    }
}

/// An order's id, or its number at providers.
pub struct OrderPath(pub OrderId);

impl FromRequest for OrderPath {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let id = request.match_info().get(PARAMETER).and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(Problem::not_found))
    }
}

/// An id whose form its context knows.
pub struct PathText(pub String);

impl FromRequest for PathText {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let is_plausible = |text: &&str| text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
        let text = request.match_info().get(PARAMETER).filter(is_plausible);
        ready(text.map(|text| Self(text.to_owned())).ok_or_else(Problem::not_found))
    }
}

/// A person's id.
pub struct UserPath(pub UserId);

impl FromRequest for UserPath {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let id = request.match_info().get(USER_PARAMETER).and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(Problem::not_found))
    }
}
