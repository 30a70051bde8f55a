//! Who is calling: the bearer token, verified, and the person's share of requests.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{Error, FromRequest, HttpRequest, web};
use auth::ports::RateLimiter;
use auth::{AuthService, Caller, RateRule, Role};
use futures::future::LocalBoxFuture;
use kernel::{Clock, UserId};
use uuid::fmt::Hyphenated;

use crate::context::Context;
use crate::language::Language;
use crate::problem::{Problem, Slug};

/// The person who calls, by `Authorization: Bearer <token>`.
pub struct CurrentUser(pub Caller);

/// The person who calls and what they send. Nothing of it is looked at before it is known who they are, so that a
/// stranger is told to sign in and nothing else.
pub struct FromCaller<T>(pub Caller, pub T);

/// The sign-in that a request came with: an answer that goes on ends with it. Extracted beside [`FromCaller`], which
/// lets the caller in.
pub struct SignIn {
    /// Ready when it is over, with the reason.
    pub over: LocalBoxFuture<'static, Problem>,
    /// In which the reason is told.
    pub language: Language,
}

/// The same, of an operator. Anybody else is told that it is not for them, whatever they sent.
pub struct FromOperator<T>(pub FromCaller<T>);

const MINUTE_MS: i64 = 60_000;

impl FromRequest for CurrentUser {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { current_caller(&request).await.map(Self) })
    }
}

impl<T: FromRequest + 'static> FromRequest for FromCaller<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = current_caller(&request).await?;
            let sent = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(caller, sent))
        })
    }
}

impl FromRequest for SignIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parts = Context::of(request).zip(request.app_data::<web::Data<AuthService>>().cloned());
        let Some((Context(context), auth)) = parts else {
            return ready(Err(Problem::internal("auth is not wired")));
        };
        // A request without a token is refused by whoever wants a caller.
        let token = bearer(request).unwrap_or_default().to_owned();
        let over = Box::pin(async move { auth.until_over(&token).await.into() });
        ready(Ok(Self { over, language: context.language }))
    }
}

impl<T: FromRequest + 'static> FromRequest for FromOperator<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = current_caller(&request).await?;
            if caller.role != Role::Admin {
                return Err(Problem::new(Slug::Forbidden).into());
            }
            let sent = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(FromCaller(caller, sent)))
        })
    }
}

/// Whether a request says anything of who is calling.
pub(crate) fn has_authorization(request: &HttpRequest) -> bool {
    request.headers().contains_key(AUTHORIZATION)
}

async fn current_caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let token = bearer(request).ok_or_else(|| Problem::new(Slug::Unauthorized))?;
    let auth = request.app_data::<web::Data<AuthService>>();
    let limit = request.app_data::<web::Data<RequestLimit>>();
    let (auth, limit) = auth.zip(limit).ok_or_else(|| Problem::internal("auth is not wired"))?;
    let caller = auth.authenticate(token).await?;
    limit.admit(caller.user_id).await?;
    Ok(caller)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// How many requests a person may make in a minute **of one instance**: a limit that guards this process does not
/// need a network's round trip for every request.
pub(crate) struct RequestLimit {
    rule: RateRule,
    counter: Arc<dyn RateLimiter>,
    clock: Arc<dyn Clock>,
}

impl RequestLimit {
    /// So many in a minute; 0 is no limit.
    pub(crate) fn new(per_minute: u32, counter: Arc<dyn RateLimiter>, clock: Arc<dyn Clock>) -> Self {
        Self { rule: RateRule::new("requests", per_minute, MINUTE_MS), counter, clock }
    }

    async fn admit(&self, user: UserId) -> Result<(), Problem> {
        if self.rule.is_off() {
            return Ok(());
        }
        let mut buffer = [0; Hyphenated::LENGTH];
        let key = user.as_uuid().hyphenated().encode_lower(&mut buffer);
        let rate = self.counter.hit(&self.rule, key, self.clock.now()).await?;
        if rate.allowed {
            return Ok(());
        }
        Err(Problem::new(Slug::RateLimited).used_up(self.rule.limit, rate.retry_after_ms))
    }
}
