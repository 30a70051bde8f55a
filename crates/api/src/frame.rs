//! What is around every request: its context, its panic net, its headers, its metrics, and the one place where
//! a problem becomes an answer and a line in the log.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use kernel::Ids;

use crate::context::{REQUEST_ID, RequestContext};
use crate::envelope::json;
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
    response
}

/// What an error of actix's own means.
fn problem_of(error: &Error) -> Problem {
    let status = error.as_response_error().status_code();
    let slug = match status {
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
    let status = problem.slug().status();
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
