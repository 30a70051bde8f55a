//! What each context's refusals mean over HTTP: exhaustive, so that a new refusal does not compile without its
//! slug.

use actix_web::http::StatusCode;
use auth::AuthError;
use billing::{BillingError, CouponRefusal, OrderError, QuoteRefusal};
use chat::error::Forbidden;
use chat::{ChatError, ContentError, Field, IDEMPOTENCY_KEY_CHARS_MAX, InvalidKey};
use rag::{InvalidQuery, RagError};

use crate::problem::{InvalidField, Problem, Rule, Slug};

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid(fields) => Self::invalid(
                fields
                    .into_iter()
                    .map(|field| InvalidField::new(field.field, Rule::of_word(field.rule)))
                    .collect(),
            ),
            AuthError::InvalidCredentials => Self::new(Slug::InvalidCredentials),
            AuthError::EmailTaken => Self::new(Slug::EmailTaken),
            AuthError::Unauthorized => Self::new(Slug::Unauthorized),
            AuthError::TokenExpired => Self::new(Slug::TokenExpired),
            AuthError::Forbidden => Self::new(Slug::Forbidden),
            AuthError::RateLimited { retry_after_ms, limit } => {
                let problem = Self::new(Slug::RateLimited);
                match limit {
                    Some(limit) => problem.used_up(limit, retry_after_ms),
                    None => problem.retry_after_millis(retry_after_ms),
                }
            }
            AuthError::IdentityUnavailable => Self::new(Slug::Unavailable),
            AuthError::NotFound => Self::not_found(),
            AuthError::Port(error) => error.into(),
        }
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::UnknownModel => Self::not_found(),
            BillingError::Overflow(error) => Self::internal(error),
            BillingError::Port(error) => error.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound | OrderError::NoProduct | OrderError::NoCoupon => Self::not_found(),
            OrderError::NoChannel | OrderError::FixedPrice => Self::field("channel", Rule::Value),
            OrderError::Amount | OrderError::RefundTooMuch { .. } => Self::field("amountFen", Rule::Value),
            OrderError::Quote(refusal) => quote_refused(refusal),
            OrderError::SoldOut => Self::new(Slug::SoldOut),
            OrderError::CouponUsed => Self::field("couponId", Rule::Value),
            OrderError::AlreadyOwned => Self::new(Slug::AlreadyOwned),
            OrderError::Conflict => Self::new(Slug::IdempotencyConflict),
            OrderError::LoginNeeded => Self::new(Slug::WechatLoginRequired),
            OrderError::ProviderRefuses(code) => Self::new(Slug::Unavailable).because(code),
            OrderError::Paid => Self::new(Slug::OrderPaid),
            OrderError::NotRefundable => Self::new(Slug::NotRefundable),
            OrderError::Overflow(error) => Self::internal(error),
            OrderError::Port(error) => error.into(),
        }
    }
}

fn quote_refused(refusal: QuoteRefusal) -> Problem {
    match refusal {
        QuoteRefusal::Quantity { .. } | QuoteRefusal::Overflow(_) => Problem::field("quantity", Rule::Value),
        // An offer that is not open is not there.
        QuoteRefusal::NotOpen => Problem::not_found(),
        QuoteRefusal::MembersOnly => Problem::new(Slug::Forbidden),
        QuoteRefusal::Coupon(
            CouponRefusal::NotValid
            | CouponRefusal::OtherProduct
            | CouponRefusal::TooSmall
            | CouponRefusal::Overflow(_),
        ) => Problem::field("couponId", Rule::Value),
    }
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::NotFound | ChatError::UnknownModel | ChatError::UnknownCharacter => Self::not_found(),
            ChatError::Invalid { field, error } => Self::invalid(vec![content_field(field, error)]),
            ChatError::ReplyInProgress => Self::new(Slug::ReplyInProgress),
            ChatError::ClientMsgIdConflict | ChatError::IdempotencyConflict => {
                Self::new(Slug::IdempotencyConflict)
            }
            ChatError::InsufficientBalance { available, needed } => {
                Self::new(Slug::InsufficientBalance).with_amounts(available.get(), needed.get())
            }
            ChatError::MembershipRequired => Self::new(Slug::MembershipRequired),
            ChatError::Forbidden(reason) => Self::new(forbidden(reason)),
            ChatError::RecallWindowClosed => Self::new(Slug::RecallWindowClosed),
            ChatError::RoomFull { limit } => Self::new(Slug::RateLimited).used_up(limit, STREAM_RETRY_MS),
            ChatError::SquadSize => {
                Self::field("characterIds", Rule::Value).with_status(StatusCode::BAD_REQUEST)
            }
            ChatError::RateLimited { retry_after_ms, limit } => {
                Self::new(Slug::RateLimited).used_up(limit, retry_after_ms)
            }
            ChatError::TooManyStreams { limit } => {
                Self::new(Slug::TooManyStreams).used_up(limit, STREAM_RETRY_MS)
            }
            ChatError::Port(error) => error.into(),
        }
    }
}

fn forbidden(reason: Forbidden) -> Slug {
    match reason {
        Forbidden::LevelRequired { .. } => Slug::LevelRequired,
        Forbidden::NotManager
        | Forbidden::Banned
        | Forbidden::Muted { .. }
        | Forbidden::MembersFull
        | Forbidden::NotAuthor
        | Forbidden::Closed
        | Forbidden::OwnerStays
        | Forbidden::BlocksFull { .. } => Slug::Forbidden,
    }
}

/// A reply takes some seconds; a client that waits so long will often find room.
const STREAM_RETRY_MS: i64 = 5_000;

impl From<InvalidKey> for Problem {
    fn from(error: InvalidKey) -> Self {
        let name = "Idempotency-Key";
        Self::invalid(vec![match error {
            InvalidKey::TooLong => InvalidField {
                limit: Some(IDEMPOTENCY_KEY_CHARS_MAX),
                ..InvalidField::new(name, Rule::TooLong)
            },
            InvalidKey::Format => InvalidField::new(name, Rule::Format),
        }])
    }
}

fn content_field(field: Field, error: ContentError) -> InvalidField {
    let name = match field {
        Field::Content => "content",
        Field::Title => "title",
        Field::ClientMsgId => "clientMsgId",
        Field::Name => "name",
        Field::Description => "description",
        Field::Topic => "topic",
        Field::Mentions => "mentions",
        Field::Messages => "messages",
        Field::Characters => "characterIds",
        Field::MaxMembers => "settings.maxMembers",
        Field::AiResponseDelay => "settings.aiResponseDelay",
        Field::Payer => "settings.payer",
        Field::RequireLevel => "requireLevel",
        Field::Reason => "reason",
        Field::Note => "note",
        Field::User => "userId",
    };
    match error {
        ContentError::Blank => InvalidField::new(name, Rule::Blank),
        ContentError::TooLong { limit } => {
            InvalidField { limit: Some(limit), ..InvalidField::new(name, Rule::TooLong) }
        }
        ContentError::Format => InvalidField::new(name, Rule::Format),
        ContentError::Nul => InvalidField::new(name, Rule::Nul),
        ContentError::Range => InvalidField::new(name, Rule::Value),
    }
}

impl From<RagError> for Problem {
    fn from(error: RagError) -> Self {
        match error {
            RagError::UnknownWork { .. } => Self::not_found(),
            RagError::Port(error) => error.into(),
        }
    }
}

impl From<InvalidQuery> for Problem {
    fn from(error: InvalidQuery) -> Self {
        Self::invalid(vec![match error {
            InvalidQuery::Blank => InvalidField::new("q", Rule::Blank),
            InvalidQuery::TooLong { max } => {
                InvalidField { limit: u32::try_from(max).ok(), ..InvalidField::new("q", Rule::TooLong) }
            }
            InvalidQuery::LimitOutOfRange { .. } => InvalidField::new("k", Rule::Value),
            InvalidQuery::TooManyWorks { .. } => InvalidField::new("work", Rule::Value),
        }])
    }
}
