//! Every error that a client can get: the registry of slugs with their status and their words.
//!
//! A slug is a promise to programs and never changes its meaning; the message is for people. Nothing of the
//! cause (SQL, an upstream's body, a path) is ever part of either: it goes to the log, once, with the
//! request's id.

use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use kernel::PortError;
use serde::Serialize;

use crate::language::Language;
pub use crate::rule::{InvalidField, Rule};

/// One entry of the registry.
struct Entry {
    slug: &'static str,
    status: StatusCode,
    chinese: &'static str,
    english: &'static str,
}

macro_rules! registry {
    ($($variant:ident $slug:literal $status:ident $chinese:literal $english:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Slug {
            $(#[doc = $english] $variant,)*
        }

        impl Slug {
            /// Every slug, in the order of the registry.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        slug: $slug,
                        status: StatusCode::$status,
                        chinese: $chinese,
                        english: $english,
                    },)*
                }
            }
        }
    };
}

registry! {
    InvalidJson "invalid_json" BAD_REQUEST "请求体不是有效的 UTF-8 JSON" "The body is not valid UTF-8 JSON.";
    UnsupportedOp "unsupported_op" BAD_REQUEST "不支持这个操作" "This operation is not supported.";
    Unauthorized "unauthorized" UNAUTHORIZED "请先登录" "Sign in first.";
    TokenExpired "token_expired" UNAUTHORIZED "登录已过期，请刷新令牌或重新登录" "The token has expired: refresh it or sign in again.";
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "账号或密码不正确" "The account or the password is wrong.";
    InsufficientBalance "insufficient_balance" PAYMENT_REQUIRED "余额不足，请先充值" "The balance is too low: recharge first.";
    Forbidden "forbidden" FORBIDDEN "没有权限" "You may not do this.";
    MembershipRequired "membership_required" FORBIDDEN "请先加入聊天室" "Join the room first.";
    AccountFrozen "account_frozen" FORBIDDEN "账户已冻结，请联系客服" "The account is frozen: please contact support.";
    WechatLoginRequired "wechat_login_required" FORBIDDEN "请重新用微信登录后再支付" "Sign in by WeChat again before paying.";
    CharacterLocked "character_locked" FORBIDDEN "这个角色尚未解锁" "This character is locked.";
    LevelRequired "level_required" FORBIDDEN "等级不够，还不能加入这个聊天室" "Your level is too low to join this room.";
    NotFound "not_found" NOT_FOUND "没有找到" "There is no such thing.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "这个地址不支持该请求方法" "This address does not take that method.";
    EmailTaken "email_taken" CONFLICT "这个邮箱已经注册，请直接登录" "This address is registered already: sign in instead.";
    IdempotencyConflict "idempotency_conflict" CONFLICT "同一个幂等键已用于另一个请求" "The same key was used for another request.";
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "同一个请求正在处理，请稍后再试" "The same request is being worked on: try again shortly.";
    ReplyInProgress "reply_in_progress" CONFLICT "上一条回复还没有结束" "The last reply has not ended yet.";
    RecallWindowClosed "recall_window_closed" CONFLICT "已超过可撤回的时间" "It is too late to recall this.";
    SoldOut "sold_out" CONFLICT "已售罄" "It is sold out.";
    AlreadyOwned "already_owned" CONFLICT "已经拥有，无需再买" "It is yours already.";
    OrderPaid "order_paid" CONFLICT "订单已支付，不能取消" "The order is paid and cannot be cancelled.";
    NotRefundable "not_refundable" CONFLICT "这笔订单现在没有可退的金额" "Nothing of this order can be refunded now.";
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "请求体太大" "The body is too large.";
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "请求内容不符合要求" "The request has fields that cannot be taken.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "请求过于频繁，请稍后再试" "Too many requests: try again later.";
    TooManyStreams "too_many_streams" TOO_MANY_REQUESTS "同时进行的回复太多，请等前面的结束" "Too many replies at once: wait until one ends.";
    Internal "internal" INTERNAL_SERVER_ERROR "服务器内部错误，请把 requestId 告诉我们" "Something went wrong here: please tell us the requestId.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "服务暂时不可用，请稍后再试" "The service is unavailable for the moment: try again later.";
    ModelUnavailable "model_unavailable" SERVICE_UNAVAILABLE "模型暂时不可用，问题已保存，请稍后再试" "The model is unavailable; the question is kept. Try again later.";
    ModelTimeout "model_timeout" GATEWAY_TIMEOUT "模型没有及时回答，问题已保存，请稍后再试" "The model did not answer in time; the question is kept. Try again later.";
    StorageFull "storage_full" INSUFFICIENT_STORAGE "存储空间不足，暂时只能读取" "Storage is full: only reading works for the moment.";
}

impl Slug {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        self.entry().slug
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The words for people.
    pub const fn message(self, language: Language) -> &'static str {
        let entry = self.entry();
        language.choose(entry.chinese, entry.english)
    }
}

/// What is added to a refusal that waiting cures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateFacts {
    /// How many are allowed.
    pub(crate) limit: u32,
    /// How many are left.
    pub(crate) remaining: u32,
    /// Seconds until the count starts again.
    pub(crate) reset_seconds: u64,
}

/// An error answer in the making. `crate::frame` writes it in the request's language.
pub struct Problem(Box<Facts>);

/// What is known of a problem.
pub(crate) struct Facts {
    pub(crate) slug: Slug,
    /// Where an endpoint's own line says another status than the slug's.
    pub(crate) status: Option<StatusCode>,
    pub(crate) fields: Vec<InvalidField>,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) rate: Option<RateFacts>,
    pub(crate) replayed: bool,
    pub(crate) allow: Option<String>,
    pub(crate) amounts: Option<Amounts>,
    pub(crate) cause: Option<Box<dyn Error + Send + Sync>>,
}

/// What a payer has, and what the least answer needs, in credits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    pub(crate) available: i64,
    pub(crate) needed: i64,
}

const RETRY_UNAVAILABLE_SECONDS: u64 = 2;

impl Problem {
    /// A problem that its slug says all about.
    pub fn new(slug: Slug) -> Self {
        Self(Box::new(Facts {
            slug,
            status: None,
            fields: Vec::new(),
            retry_after_seconds: None,
            rate: None,
            replayed: false,
            allow: None,
            amounts: None,
            cause: None,
        }))
    }

    /// There is no such thing, or it is somebody else's.
    pub fn not_found() -> Self {
        Self::new(Slug::NotFound)
    }

    /// A field that cannot be taken.
    pub fn field(field: impl Into<String>, rule: Rule) -> Self {
        Self::invalid(vec![InvalidField::new(field, rule)])
    }

    /// Fields that cannot be taken.
    pub fn invalid(fields: Vec<InvalidField>) -> Self {
        let mut problem = Self::new(Slug::ValidationFailed);
        problem.0.fields = fields;
        problem
    }

    /// A defect of ours; the cause goes to the log.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Slug::Internal).because(cause)
    }

    /// Too soon; when it may be tried again.
    pub fn retry_after_millis(mut self, millis: i64) -> Self {
        let seconds = u64::try_from(millis.max(1)).unwrap_or(1).div_ceil(1_000);
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// A limit of so many is used up, and will not be any more after so many milliseconds.
    #[must_use]
    pub fn used_up(mut self, limit: u32, reset_ms: i64) -> Self {
        self = self.retry_after_millis(reset_ms);
        let reset_seconds = self.0.retry_after_seconds.unwrap_or(1);
        self.0.rate = Some(RateFacts { limit, remaining: 0, reset_seconds });
        self
    }

    /// Says whether this is the answer to an earlier request, repeated.
    #[must_use]
    pub fn replayed(mut self, replayed: bool) -> Self {
        self.0.replayed = replayed;
        self
    }

    /// The methods that the address takes.
    #[must_use]
    pub fn with_allow(mut self, methods: String) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// What the payer has and what is needed, in credits.
    #[must_use]
    pub fn with_amounts(mut self, available: i64, needed: i64) -> Self {
        self.0.amounts = Some(Amounts { available, needed });
        self
    }

    /// Answers with another status than the slug's, as the endpoint's own line says.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// What the log says about it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// What went wrong.
    pub fn slug(&self) -> Slug {
        self.0.slug
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or(self.slug().status())
    }

    /// The fields that cannot be taken.
    pub fn fields(&self) -> &[InvalidField] {
        &self.0.fields
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0
    }

    /// The words for people, with the numbers that belong to them.
    pub fn message(&self, language: Language) -> String {
        let words = self.slug().message(language);
        match (self.0.amounts, language) {
            (None, _) => words.to_owned(),
            (Some(Amounts { available, needed }), Language::Chinese) => {
                format!("{words}（可用 {available} 点，至少需要 {needed} 点）")
            }
            (Some(Amounts { available, needed }), Language::English) => {
                format!("{words} ({available} credits available, at least {needed} needed)")
            }
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem").field("slug", &self.slug()).field("fields", &self.0.fields).finish()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug().as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let slug = match &error {
            PortError::Unavailable { .. } => Slug::Unavailable,
            PortError::Full { .. } => Slug::StorageFull,
            PortError::Corrupt { .. } | PortError::Rejected { .. } => Slug::Internal,
        };
        let mut problem = Self::new(slug).because(error);
        if slug == Slug::Unavailable {
            problem.0.retry_after_seconds = Some(RETRY_UNAVAILABLE_SECONDS);
        }
        problem
    }
}

/// A problem as it goes over the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemBody<'a> {
    code: u16,
    error: &'static str,
    message: String,
    data: Option<InvalidFields<'a>>,
    request_id: &'a str,
}

#[derive(Debug, Serialize)]
struct InvalidFields<'a> {
    fields: Vec<FieldBody<'a>>,
}

#[derive(Debug, Serialize)]
struct FieldBody<'a> {
    field: &'a str,
    rule: &'static str,
    message: String,
}

impl<'a> ProblemBody<'a> {
    pub(crate) fn new(problem: &'a Problem, language: Language, request_id: &'a str) -> Self {
        let in_words = |invalid: &'a InvalidField| FieldBody {
            field: &invalid.field,
            rule: invalid.rule.as_str(),
            message: invalid.message(language),
        };
        let fields: Vec<_> = problem.fields().iter().map(in_words).collect();
        Self {
            code: problem.status().as_u16(),
            error: problem.slug().as_str(),
            message: problem.message(language),
            data: (!fields.is_empty()).then_some(InvalidFields { fields }),
            request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_slug_is_one_word_and_its_own() {
        let words: BTreeSet<&str> = Slug::ALL.iter().map(|slug| slug.as_str()).collect();
        assert_eq!(words.len(), Slug::ALL.len());
        for word in words {
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{word}");
        }
    }

    #[test]
    fn nothing_of_a_failed_port_is_shown() {
        let leaks = "SELECT secret FROM users at /var/lib/jixia";
        for error in [
            PortError::unavailable("postgres", leaks),
            PortError::full("sqlite", leaks),
            PortError::corrupt("redis", leaks),
            PortError::rejected("wechat", leaks),
        ] {
            let problem = Problem::from(error);
            let body = serde_json::to_string(&ProblemBody::new(&problem, Language::English, "r")).unwrap();
            assert!(
                !body.contains("secret") && !body.contains("/var") && !body.contains("postgres"),
                "{body}"
            );
        }
    }

    #[test]
    fn only_a_system_that_may_come_back_says_when_to_try_again() {
        let away = Problem::from(PortError::unavailable("redis", "gone"));
        assert_eq!((away.slug(), away.facts().retry_after_seconds), (Slug::Unavailable, Some(2)));
        let full = Problem::from(PortError::full("sqlite", "disk"));
        assert_eq!((full.slug(), full.facts().retry_after_seconds), (Slug::StorageFull, None));
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let seconds =
            |millis| Problem::new(Slug::RateLimited).retry_after_millis(millis).facts().retry_after_seconds;
        assert_eq!(
            (seconds(-5), seconds(1), seconds(1_000), seconds(1_001)),
            (Some(1), Some(1), Some(1), Some(2))
        );
    }
}
