//! Who is calling: the bearer token, verified, and the person's share of requests.

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use auth::{AuthService, Caller, RateRule};
use futures::future::LocalBoxFuture;

use crate::problem::{Problem, RateFacts, Slug};
use crate::settings::ApiSettings;

/// The person who calls, by `Authorization: Bearer <token>`.
pub struct CurrentUser(pub Caller);

const MINUTE_MS: i64 = 60_000;

impl FromRequest for CurrentUser {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let token = bearer(&request).ok_or_else(|| Problem::new(Slug::Unauthorized))?;
            let auth = request.app_data::<web::Data<AuthService>>();
            let auth = auth.ok_or_else(|| Problem::internal("auth is not wired"))?;
            let caller = auth.authenticate(token).await?;
            let settings = request.app_data::<web::Data<ApiSettings>>();
            let limit = settings.map_or(0, |settings| settings.requests_per_minute);
            admit(auth, &caller, RateRule::new("requests", limit, MINUTE_MS)).await?;
            Ok(Self(caller))
        })
    }
}

/// Whether a request says anything of who is calling.
pub(crate) fn has_authorization(request: &HttpRequest) -> bool {
    request.headers().contains_key(AUTHORIZATION)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn admit(auth: &AuthService, caller: &Caller, rule: RateRule) -> Result<(), Problem> {
    if rule.is_off() {
        return Ok(());
    }
    let rate = auth.admit(&rule, &caller.user_id.to_string()).await?;
    if rate.allowed {
        return Ok(());
    }
    let reset_seconds = u64::try_from(rate.reset_ms).unwrap_or(0).div_ceil(1_000);
    let facts = RateFacts { limit: rule.limit, remaining: rate.remaining, reset_seconds };
    Err(Problem::new(Slug::RateLimited).retry_after_millis(rate.retry_after_ms).with_rate(facts))
}
