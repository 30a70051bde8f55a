//! What is around every request: its context, its panic net, its headers, its metrics, and the one place where
//! a problem becomes an answer and a line in the log.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_cors::CorsError;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use kernel::Ids;

use crate::context::{REQUEST_ID, RequestContext};
use crate::envelope::{json, mark_replayed};
use crate::meters::Meters;
use crate::openapi::route_table;
use crate::problem::{Problem, ProblemBody, Slug};
use crate::proxy::TrustedProxies;
use crate::route_table::method_label;

/// The middleware.
pub(crate) struct Frame {
    pub(crate) ids: Arc<Ids>,
    pub(crate) proxies: TrustedProxies,
}

impl<S, B> Transform<S, ServiceRequest> for Frame
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = FrameService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(FrameService {
            service: Rc::new(service),
            ids: Arc::clone(&self.ids),
            proxies: self.proxies.clone(),
            meters: Rc::new(Meters::new()),
        }))
    }
}

pub(crate) struct FrameService<S> {
    service: Rc<S>,
    ids: Arc<Ids>,
    proxies: TrustedProxies,
    meters: Rc<Meters>,
}

impl<S, B> Service<ServiceRequest> for FrameService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let context = Rc::new(RequestContext::read(&request, &self.ids, &self.proxies));
        request.extensions_mut().insert(Rc::clone(&context));
        let method = method_label(request.method());
        let route = route_table().index(request.path());
        let meters = Rc::clone(&self.meters);
        let service = Rc::clone(&self.service);
        Box::pin(async move {
            let _in_flight = meters.enter();
            let outcome = AssertUnwindSafe(async move { service.call(request).await }).catch_unwind().await;
            let answer = match outcome {
                Ok(Ok(response)) => Ok(dressed(response, &context)),
                Ok(Err(error)) => Err(Rendered::of(&error, &context)),
                Err(_panic) => Err(Rendered::error(&Problem::internal("a handler panicked"), &context)),
            };
            let status = answer.as_ref().map_or_else(Rendered::status_of, ServiceResponse::status);
            let took = started.elapsed();
            meters.record(route_table(), (route, method, status.as_u16()), took);
            tracing::debug!(
                request.id = %context.request_id,
                http.method = method,
                http.status = status.as_u16(),
                duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                "request answered"
            );
            answer
        })
    }
}

/// Writes a problem's body where the response is one, and the headers that every answer has.
fn dressed<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    context: &RequestContext,
) -> ServiceResponse<BoxBody> {
    let answer = response.response().error().map(|error| match error.as_error::<Problem>() {
        Some(problem) => render(problem, context),
        None => render(&problem_of(error), context),
    });
    let mut response = match answer {
        Some(answer) => response.into_response(answer),
        None => response.map_into_boxed_body(),
    };
    add_headers(response.headers_mut(), context);
    if is_small(response.response().body().size())
        && response.request().headers().contains_key(ACCEPT_ENCODING)
        && !response.headers().contains_key(CONTENT_ENCODING)
    {
        // What has an encoding already is not compressed by the middleware outside of this one.
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

/// Compressing less costs more time than sending the bytes that it spares.
const COMPRESSED_BYTES_MIN: u64 = 2_048;

fn is_small(size: BodySize) -> bool {
    match size {
        BodySize::Sized(bytes) => bytes > 0 && bytes < COMPRESSED_BYTES_MIN,
        BodySize::None | BodySize::Stream => false,
    }
}

/// What an error of actix's own means.
fn problem_of(error: &Error) -> Problem {
    let status = error.as_response_error().status_code();
    let slug = match status {
        // A script of another site, or a method or header that is not for it.
        _ if error.as_error::<CorsError>().is_some() => Slug::Forbidden,
        StatusCode::NOT_FOUND => Slug::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Slug::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => Slug::PayloadTooLarge,
        StatusCode::FORBIDDEN => Slug::Forbidden,
        _ if status.is_client_error() => Slug::InvalidJson,
        _ => Slug::Internal,
    };
    Problem::new(slug).because(error.to_string())
}

/// A problem's answer, and its one line in the log.
pub(crate) fn render(problem: &Problem, context: &RequestContext) -> HttpResponse {
    log(problem, context);
    let status = problem.status();
    let mut response = json(status, &ProblemBody::new(problem, context.language, &context.request_id));
    let facts = problem.facts();
    let headers = response.headers_mut();
    if let Some(seconds) = facts.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(rate) = facts.rate {
        headers.insert(HeaderName::from_static("ratelimit-limit"), HeaderValue::from(rate.limit));
        headers.insert(HeaderName::from_static("ratelimit-remaining"), HeaderValue::from(rate.remaining));
        headers.insert(HeaderName::from_static("ratelimit-reset"), HeaderValue::from(rate.reset_seconds));
    }
    if facts.replayed {
        mark_replayed(headers);
    }
    if let Some(methods) = facts.allow.as_deref().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        headers.insert(ALLOW, methods);
    }
    response
}

fn log(problem: &Problem, context: &RequestContext) {
    let slug = problem.slug();
    let cause = Chain(problem.facts().cause.as_deref().map(|cause| -> &(dyn StdError + 'static) { cause }));
    let id = context.request_id.as_str();
    if slug == Slug::Internal {
        tracing::error!(request.id = id, error.slug = slug.as_str(), error.cause = %cause, "request failed");
    } else if slug.status().is_server_error() {
        tracing::warn!(request.id = id, error.slug = slug.as_str(), error.cause = %cause, "request failed");
    } else {
        tracing::debug!(request.id = id, error.slug = slug.as_str(), error.cause = %cause, "request refused");
    }
}

/// An error and what it came from, in one line.
struct Chain<'a>(Option<&'a (dyn StdError + 'static)>);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = self.0;
        while let Some(error) = next {
            write!(f, "{error}")?;
            next = error.source();
            if next.is_some() {
                f.write_str(": ")?;
            }
        }
        Ok(())
    }
}

fn add_headers(headers: &mut HeaderMap, context: &RequestContext) {
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    let fixed = [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// An answer that was written already, on its way out as an error: after a panic, and where a middleware further
/// in failed, the request that a response needs is gone.
struct Rendered(Arc<RenderedParts>);

struct RenderedParts {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Rendered {
    fn of(error: &Error, context: &RequestContext) -> Error {
        match error.as_error::<Problem>() {
            Some(problem) => Self::error(problem, context),
            None => Self::error(&problem_of(error), context),
        }
    }

    fn error(problem: &Problem, context: &RequestContext) -> Error {
        let mut response = render(problem, context);
        add_headers(response.headers_mut(), context);
        let (head, body) = response.into_parts();
        let body = body.try_into_bytes().unwrap_or_default();
        let parts = RenderedParts { status: head.status(), headers: head.headers().clone(), body };
        Self(Arc::new(parts)).into()
    }

    fn status_of(error: &Error) -> StatusCode {
        error.as_response_error().status_code()
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rendered").field(&self.0.status).finish()
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.status)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::with_body(self.0.status, BoxBody::new(self.0.body.clone()));
        *response.headers_mut() = self.0.headers.clone();
        response
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName as Name;
    use actix_web::test::{TestRequest, init_service, read_body};
    use actix_web::{App, web};
    use kernel::{ManualClock, SeededEntropy, Timestamp};
    use serde_json::Value;

    use super::*;
    use crate::envelope::Reply;

    fn frame() -> Frame {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        Frame {
            ids: Arc::new(Ids::new(clock, Arc::new(SeededEntropy::new(1)))),
            proxies: TrustedProxies::default(),
        }
    }

    /// Status, headers and body of the answer to a GET of `/{path}`.
    async fn get(path: &str) -> (u16, HeaderMap, Value) {
        let app = App::new()
            .route("/panic", web::get().to(|| async { if true { panic!("a defect") } else { "" } }))
            .route("/problem", web::get().to(|| async { Err::<&str, _>(Problem::new(Slug::NotFound)) }))
            .route(
                "/foreign",
                web::get().to(|| async { Err::<&str, _>(actix_web::error::ErrorForbidden("x")) }),
            )
            .route("/good", web::get().to(|| async { Reply::new(7) }))
            .wrap(frame());
        let app = init_service(app).await;
        let request =
            TestRequest::get().uri(&format!("/{path}")).insert_header((REQUEST_ID, "r-1")).to_request();
        match app.call(request).await {
            Ok(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                (status, headers, serde_json::from_slice(&read_body(response).await).unwrap_or_default())
            }
            Err(error) => {
                let response = error.error_response();
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = response.into_body().try_into_bytes().unwrap();
                (status, headers, serde_json::from_slice(&body).unwrap_or_default())
            }
        }
    }

    #[actix_web::test]
    async fn a_panic_is_answered_in_the_envelope_and_says_nothing() {
        let (status, headers, body) = get("panic").await;
        assert_eq!((status, &body["error"], &body["requestId"]), (500, &"internal".into(), &"r-1".into()));
        assert!(!body.to_string().contains("defect"));
        assert_eq!(headers.get(REQUEST_ID).map(HeaderValue::as_bytes), Some(&b"r-1"[..]));
    }

    #[actix_web::test]
    async fn every_error_has_the_envelope_whoever_made_it() {
        for (path, status, slug) in [("problem", 404, "not_found"), ("foreign", 403, "forbidden")] {
            let (found, headers, body) = get(path).await;
            assert_eq!(
                (found, &body["code"], &body["error"]),
                (status, &status.into(), &slug.into()),
                "{path}"
            );
            assert!(headers.contains_key("x-content-type-options"), "{path}");
        }
    }

    #[actix_web::test]
    async fn a_success_has_the_envelope_and_the_headers() {
        let (status, headers, body) = get("good").await;
        assert_eq!((status, &body["code"], &body["data"]), (200, &200.into(), &7.into()));
        let no_store = headers.get(CACHE_CONTROL).map(HeaderValue::as_bytes);
        assert_eq!(no_store, Some(&b"no-store"[..]));
    }

    #[test]
    fn a_cause_is_logged_with_what_it_came_from() {
        let error = kernel::PortError::unavailable("postgres", "connection refused");
        assert_eq!(Chain(Some(&error)).to_string(), "postgres is unavailable: connection refused");
    }

    #[test]
    fn a_refusal_by_rate_names_its_numbers() {
        let problem = Problem::new(Slug::RateLimited).used_up(600, 41_500);
        let context = RequestContext {
            request_id: "r".to_owned(),
            language: crate::language::Language::English,
            client: [127, 0, 0, 1].into(),
        };
        let response = render(&problem, &context);
        let header = |name: &'static str| {
            response
                .headers()
                .get(Name::from_static(name))
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        assert_eq!(header("retry-after").as_deref(), Some("42"));
        assert_eq!(header("ratelimit-limit").as_deref(), Some("600"));
        assert_eq!(header("ratelimit-remaining").as_deref(), Some("0"));
        assert_eq!(header("ratelimit-reset").as_deref(), Some("42"));
    }
}
