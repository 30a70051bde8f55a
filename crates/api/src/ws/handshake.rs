//! The way in: the upgrade, who may make it, and who is there.

use std::rc::Rc;

use actix_http::ws::{HandshakeError, handshake};
use actix_web::body::BoxBody;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::bucket::Bucket;
use super::calls::Welcome;
use super::connection::{Connection, State};
use super::envelope::{Op, Tag};
use super::gateway::{Gateway, SocketId};
use super::identity::Identity;
use super::outbox::Outbox;
use super::session::Session;
use super::shard::Shard;
use super::socket::{Handler, Socket};
use crate::context::Context;
use crate::problem::{Problem, Slug};

/// Adds the gateway's addresses.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/ws", web::get().to(connect)).route("/service/ws", web::get().to(connect));
}

/// Takes the upgrade that a request asks for. The socket lives as the body of this answer.
pub fn upgrade<H: Handler + Unpin>(
    request: &HttpRequest,
    socket: Socket<H>,
) -> Result<HttpResponse, Problem> {
    let mut response = match handshake(request.head()) {
        Ok(response) => response,
        Err(error @ HandshakeError::UnsupportedVersion) => return Ok(HttpResponse::from_error(error)),
        Err(error) => return Err(Problem::new(Slug::UnsupportedOp).because(error.to_string())),
    };
    if let Some(protocol) = first_protocol(request.headers()) {
        // Some clients fail a handshake that does not answer what they asked for.
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    match response.message_body(BoxBody::new(socket)) {
        Ok(response) => Ok(response.into()),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = asked.split(',').next()?.trim();
    HeaderValue::from_str(first).ok().filter(|value| !value.is_empty())
}

async fn connect(request: HttpRequest, payload: Payload, context: Context) -> Result<HttpResponse, Problem> {
    let shard = request.app_data::<Rc<Shard>>().map(Rc::clone);
    let shard = shard.ok_or_else(|| Problem::internal("the gateway is not wired"))?;
    let gateway = Arc::clone(&shard.gateway);
    if gateway.is_draining() {
        return Err(Problem::new(Slug::Unavailable));
    }
    if gateway.settings.checks_origin && !is_own_or_allowed(request.headers(), &gateway.allowed_origins) {
        return Err(Problem::new(Slug::Forbidden));
    }
    let limit = gateway.settings.connections_per_ip;
    let address_seat = gateway.census.address_seat(context.0.client, limit);
    let address_seat =
        address_seat.ok_or_else(|| Problem::new(Slug::RateLimited).used_up(limit, ADDRESS_RETRY_MS))?;
    let identity = match token(&request) {
        Some(token) => Some(identify(&gateway, token).await),
        None => None,
    };
    let now = gateway.clock.now();
    let outbox = Rc::new(Outbox::default());
    let mut state = State::new(Bucket::full(gateway.rate(), now), now);
    state.address_seat = Some(address_seat);
    let connection = Rc::new(Connection {
        key: shard.next_key(),
        name: gateway.ids.next::<SocketId>().as_uuid(),
        language: context.0.language,
        outbox: Rc::clone(&outbox),
        state: RefCell::new(state),
        is_heard: Cell::new(false),
    });
    let session = Session::begin(Rc::clone(&shard), Rc::clone(&connection));
    let socket = Socket::new(payload, gateway.settings.frame_bytes, Rc::clone(&outbox), session);
    let response = upgrade(&request, socket)?;
    greet(&shard, &connection, identity);
    Ok(response)
}

/// Says who is there, or why nobody is; then ten seconds are left to say so.
fn greet(shard: &Shard, connection: &Connection, identity: Option<Result<Identity, Problem>>) {
    let tag = Tag::push(Op::Auth);
    match identity {
        Some(Ok(identity)) => {
            let welcome = Welcome::new(&shard.gateway, connection.name, identity.caller.user_id);
            shard.identify(connection, identity);
            connection.outbox.send(tag.reply("result", &welcome));
        }
        Some(Err(problem)) => connection.outbox.send(tag.error(&problem, connection.language)),
        None => {}
    }
}

const ADDRESS_RETRY_MS: i64 = 10_000;

async fn identify(gateway: &Gateway, token: String) -> Result<Identity, Problem> {
    let caller = gateway.auth.authenticate(&token).await?;
    Ok(Identity { caller, token: token.into() })
}

/// The token of the header, with or without its scheme, or of the query. It is not logged anywhere.
fn token(request: &HttpRequest) -> Option<String> {
    if let Some(header) = request.headers().get(AUTHORIZATION) {
        let header = header.to_str().ok()?.trim();
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => header,
        };
        return (!token.is_empty()).then(|| token.to_owned());
    }
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let (_, token) = pairs.find(|(name, _)| name == "token")?;
    (!token.is_empty()).then(|| token.into_owned())
}

/// Whether the script that asks is of this host or of one that the operator named. Programs that are no browsers
/// name no origin.
fn is_own_or_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|known| known == origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    !host.is_empty() && bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_token_is_found_wherever_clients_put_it() {
        let of = |request: TestRequest| token(&request.to_http_request());
        let header = |value: &'static str| TestRequest::get().insert_header((AUTHORIZATION, value));
        assert_eq!(of(header("Bearer abc")).as_deref(), Some("abc"));
        assert_eq!(of(header("abc")).as_deref(), Some("abc"));
        assert_eq!(of(header("Basic abc")), None);
        assert_eq!(of(TestRequest::get().uri("/ws?x=1&token=a%2Bb")).as_deref(), Some("a+b"));
        assert_eq!(of(TestRequest::get().uri("/ws?token=")), None);
    }

    #[test]
    fn scripts_of_other_sites_are_told_apart() {
        let check = |origin: Option<&str>, host: &str, allowed: &[String]| {
            let mut request = TestRequest::get().insert_header((HOST, host));
            if let Some(origin) = origin {
                request = request.insert_header((ORIGIN, origin));
            }
            is_own_or_allowed(request.to_http_request().headers(), allowed)
        };
        assert!(check(None, "a.example", &[]));
        assert!(check(Some("https://a.example"), "a.example", &[]));
        assert!(check(Some("https://A.example"), "a.example:443", &[]));
        assert!(check(Some("http://127.0.0.1:8000"), "127.0.0.1:8000", &[]));
        assert!(!check(Some("https://b.example"), "a.example", &[]));
        assert!(!check(Some("null"), "a.example", &[]));
        assert!(check(Some("https://b.example"), "a.example", &["https://b.example".to_owned()]));
    }

    #[test]
    fn the_first_protocol_is_answered() {
        let request = TestRequest::get().insert_header((SEC_WEBSOCKET_PROTOCOL, "jixia.v1, other"));
        let request = request.to_http_request();
        assert_eq!(first_protocol(request.headers()), Some(HeaderValue::from_static("jixia.v1")));
    }
}
