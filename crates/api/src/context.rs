//! What is known of a request before any handler sees it: its id, its language, its client.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{HeaderMap, USER_AGENT};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use kernel::Ids;

use crate::language::Language;
use crate::problem::Problem;
use crate::proxy::TrustedProxies;

/// The header that carries a request's id, in and out.
pub const REQUEST_ID: &str = "x-request-id";

const REQUEST_ID_BYTES_MAX: usize = 64;
const USER_AGENT_CHARS_MAX: usize = 256;

/// Kind of a request.
pub enum Request {}

/// A request's circumstances; `crate::frame` puts them into its extensions.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The client's own id for the request, if it is short and plain; else one of ours.
    pub request_id: String,
    /// The language that its messages are in.
    pub language: Language,
    /// The client's address.
    pub client: IpAddr,
}

impl RequestContext {
    /// Reads a request's head.
    pub fn read(request: &ServiceRequest, ids: &Ids, proxies: &TrustedProxies) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let headers = request.headers();
        Self {
            request_id: request_id(headers).unwrap_or_else(|| ids.next::<Request>().to_string()),
            language: Language::of(headers),
            client: proxies.client(peer, headers),
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_accepted = !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.bytes().all(is_plain);
    is_accepted.then(|| id.to_owned())
}

/// The context of a request, for handlers and answers.
#[derive(Debug, Clone)]
pub struct Context(pub Rc<RequestContext>);

impl Context {
    /// The context that the frame put there; `None` outside of it.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Rc<RequestContext>>().map(|context| Self(Rc::clone(context)))
    }
}

impl FromRequest for Context {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| Problem::internal("a request without its context")))
    }
}

/// Where a request to auth came from, for its limits and its log.
#[derive(Debug)]
pub struct Origin(pub auth::RequestOrigin);

impl FromRequest for Origin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let Some(Context(context)) = Context::of(request) else {
            return ready(Err(Problem::internal("a request without its context")));
        };
        let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        ready(Ok(Self(auth::RequestOrigin {
            ip: context.client,
            user_agent: agent.map(|agent| agent.chars().take(USER_AGENT_CHARS_MAX).collect()),
            request_id: context.request_id.clone(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(REQUEST_ID), HeaderValue::from_str(value).unwrap());
        request_id(&headers)
    }

    #[test]
    fn an_id_from_outside_is_taken_only_if_it_is_short_and_plain() {
        assert_eq!(read("trace-01_A").as_deref(), Some("trace-01_A"));
        for bad in ["", "a b", "a\tb", "a;b", &"x".repeat(65)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
