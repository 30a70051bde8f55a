//! The description of the API, generated from the handlers, and what all of them have in common: the bearer
//! token, and the errors that each can answer.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::App;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder, tag::TagBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use crate::language::Language;
use crate::problem::Slug;
use crate::route_table::{Route, RouteTable};
use crate::routes::operations::PROBES;

/// The document, made once.
pub struct Document {
    /// As JSON.
    pub json: Bytes,
    /// Its ETag.
    pub etag: String,
    routes: RouteTable,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::make);

/// The document of this server.
pub fn document() -> &'static Document {
    &DOCUMENT
}

/// Every route of the document.
pub fn route_table() -> &'static RouteTable {
    &DOCUMENT.routes
}

impl Document {
    fn make() -> Self {
        let openapi = openapi();
        let json = Bytes::from(openapi.to_json().unwrap_or_default());
        let etag = format!("\"{:08x}-{}\"", crc(&json), json.len());
        let routes = openapi.paths.paths.iter().map(|(template, item)| {
            let head = PROBES.contains(&template.as_str()).then_some("HEAD");
            let methods = operations(item).map(|(method, _)| method).chain(head).map(str::to_owned);
            Route { template: template.clone(), methods: methods.collect() }
        });
        Self { routes: RouteTable::new(routes.collect()), json, etag }
    }
}

/// FNV-1a: enough to tell one build's document from another's.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The document as readable JSON.
pub fn openapi_json() -> String {
    openapi().to_pretty_json().unwrap_or_default()
}

/// The document as a value, for whoever wants to add to it or print it.
pub fn openapi() -> OpenApi {
    let app = App::new().into_utoipa_app().openapi(base()).configure(crate::routes);
    let (_, mut openapi) = app.split_for_parts();
    for (path, item) in &mut openapi.paths.paths {
        for operation in operations_mut(item) {
            complete(path, operation);
        }
    }
    openapi
}

fn base() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("登录得到的 `token`"))
        .build();
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .schema(ErrorEnvelope::name(), ErrorEnvelope::schema())
        .schema(ErrorFields::name(), ErrorFields::schema())
        .schema(ErrorField::name(), ErrorField::schema())
        .build();
    let tags = TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("稷下 Jixia")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(LicenseBuilder::new().name("MIT").build()))
                .build(),
        )
        .components(Some(components))
        .tags(Some(tags))
        .build()
}

const BEARER: &str = "bearer";

const ABOUT: &str = "与国学大师和十六型角色对话的服务端。所有 JSON 回答都有同样的外壳 \
`{code, message, data, requestId}`；出错时多一个给程序看的 `error`。时间是毫秒整数，编号是字符串，\
金额的单位是点（1 点 = 百万分之一元）或分。";

const TAGS: [(&str, &str); 14] = [
    ("登录", "注册、登录、令牌和登录记录"),
    ("用户", "资料和余额"),
    ("会话", "一个人和一个角色的对话"),
    ("消息", "提问、历史、流式回复"),
    ("聊天室", "许多人和几个角色在一起：公共的，和自己开的"),
    ("小队", "自己的聊天室，选一到八个角色轮流回答"),
    ("首页", "卡片和轮播图"),
    ("网关", "供其他程序直接问模型"),
    ("运营", "只有运营者可以调用的"),
    ("账单", "充值、下单、消费、流水、模型与价格"),
    ("支付回调", "支付方调用的，格式由支付方定"),
    ("角色", "国学大师和十六型角色"),
    ("典籍", "查原文"),
    ("运维", "探针、指标和本文档"),
];

/// 出错时的回答。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorEnvelope {
    /// 与 HTTP 状态码相同。
    #[schema(example = 404)]
    code: u16,
    /// 给程序看的错误名，含义永远不变。
    #[schema(example = "not_found")]
    error: String,
    /// 给人看的话，语言随 `Accept-Language`。
    #[schema(example = "没有找到")]
    message: String,
    /// 只有 `validation_failed` 有内容。
    data: Option<ErrorFields>,
    /// 请求编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    request_id: String,
}

/// 不符合要求的字段。
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorFields {
    /// 各字段。
    fields: Vec<ErrorField>,
}

/// 一个不符合要求的字段。
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorField {
    /// 字段的路径；空表示整个请求体。
    #[schema(example = "email")]
    field: String,
    /// 违反的规则。
    #[schema(example = "required")]
    rule: String,
    /// 给人看的话。
    #[schema(example = "缺少必填字段")]
    message: String,
}

/// The methods and operations of an address.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
    all.into_iter().filter_map(Option::as_mut)
}

/// Adds what the handler does not say: the token that it wants, and how it can fail.
fn complete(path: &str, operation: &mut Operation) {
    let mut slugs = vec![Slug::Internal];
    if path.starts_with("/api/") || path.starts_with("/service/") {
        slugs.push(Slug::Unavailable);
    }
    if operation.security.is_none() {
        let none: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
        slugs.extend([Slug::Unauthorized, Slug::TokenExpired, Slug::RateLimited]);
    }
    if operation.request_body.is_some() {
        slugs.extend([Slug::InvalidJson, Slug::PayloadTooLarge, Slug::ValidationFailed, Slug::StorageFull]);
    } else if path.starts_with("/api/")
        && operation.parameters.as_ref().is_some_and(|all| all.iter().any(is_query))
    {
        slugs.push(Slug::ValidationFailed);
    }
    if path.contains('{') {
        slugs.push(Slug::NotFound);
    }
    slugs.extend(own_slugs(operation.operation_id.as_deref().unwrap_or_default()));
    let mut by_status: BTreeMap<u16, Vec<Slug>> = BTreeMap::new();
    for slug in slugs {
        by_status.entry(slug.status().as_u16()).or_default().push(slug);
    }
    for (status, slugs) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(problem_response(&slugs)));
    }
}

fn is_query(parameter: &RefOr<Parameter>) -> bool {
    match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    }
}

/// What an operation alone can answer.
fn own_slugs(operation: &str) -> &'static [Slug] {
    match operation {
        "register" => &[Slug::EmailTaken, Slug::RateLimited],
        "email_login" | "wechat_login" | "wxlogin" => {
            &[Slug::InvalidCredentials, Slug::Forbidden, Slug::RateLimited]
        }
        "refresh" => &[Slug::Unauthorized, Slug::TokenExpired, Slug::RateLimited],
        "readyz" => &[Slug::Unavailable],
        "change_password" => &[Slug::InvalidCredentials],
        "create_session" | "create_room" | "create_squad" => &[Slug::NotFound, Slug::IdempotencyConflict],
        "search" | "estimate" => &[Slug::NotFound],
        "join_room" => &[Slug::Forbidden, Slug::LevelRequired],
        "edit_room"
        | "edit_room_settings"
        | "close_room"
        | "leave_room"
        | "invite_to_room"
        | "get_invitation"
        | "remove_member"
        | "mute_member"
        | "change_member"
        | "list_bans"
        | "lift_ban"
        | "list_turns"
        | "list_reports"
        | "conclude_report"
        | "list_all_orders"
        | "list_refund_requests"
        | "put_coupon"
        | "list_audit" => &[Slug::Forbidden],
        "announce_in_room" => &[Slug::Forbidden, Slug::IdempotencyConflict],
        "block_user" => &[Slug::Forbidden, Slug::ValidationFailed],
        "report_message" => &[Slug::MembershipRequired, Slug::Forbidden],
        "list_room_messages" | "list_members" | "mark_read" | "like_message" | "unlike_message" => {
            &[Slug::MembershipRequired, Slug::Forbidden]
        }
        "list_events" | "list_room_events" => {
            &[Slug::MembershipRequired, Slug::Forbidden, Slug::TooManyStreams]
        }
        "recall_message" => &[Slug::Forbidden, Slug::RecallWindowClosed],
        "say_in_room" => &[Slug::MembershipRequired, Slug::Forbidden, Slug::IdempotencyConflict],
        "ask_squad" => &[Slug::InsufficientBalance, Slug::IdempotencyConflict, Slug::TooManyStreams],
        "complete_chat" | "stream_chat" => &[
            Slug::InsufficientBalance,
            Slug::NotFound,
            Slug::TooManyStreams,
            Slug::ModelUnavailable,
            Slug::ModelTimeout,
        ],
        "send_message" => &[
            Slug::InsufficientBalance,
            Slug::ReplyInProgress,
            Slug::IdempotencyConflict,
            Slug::TooManyStreams,
            Slug::ModelUnavailable,
            Slug::ModelTimeout,
        ],
        _ => money_slugs(operation),
    }
}

/// The same for what moves money.
fn money_slugs(operation: &str) -> &'static [Slug] {
    match operation {
        "show_pool" => &[Slug::MembershipRequired],
        "fund_pool" => &[Slug::MembershipRequired, Slug::InsufficientBalance, Slug::IdempotencyConflict],
        "consume" => &[Slug::InsufficientBalance, Slug::AccountFrozen, Slug::IdempotencyConflict],
        "recharge" | "create_order" => &[
            Slug::NotFound,
            Slug::Forbidden,
            Slug::WechatLoginRequired,
            Slug::IdempotencyConflict,
            Slug::SoldOut,
            Slug::AlreadyOwned,
        ],
        "cancel_order" => &[Slug::OrderPaid],
        "request_refund" => &[Slug::NotRefundable],
        "refund_order" => &[Slug::Forbidden, Slug::NotRefundable, Slug::IdempotencyConflict],
        "adjust_ledger" => {
            &[Slug::Forbidden, Slug::NotFound, Slug::InsufficientBalance, Slug::IdempotencyConflict]
        }
        "freeze_account" | "unfreeze_account" => &[Slug::Forbidden, Slug::NotFound],
        _ => &[],
    }
}

fn problem_response(slugs: &[Slug]) -> Response {
    let words: Vec<String> = slugs.iter().map(|slug| format!("`{}`", slug.as_str())).collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorEnvelope::name())))
        .example(slugs.first().map(|slug| example(*slug)))
        .build();
    ResponseBuilder::new().description(words.join("、")).content("application/json", content).build()
}

fn example(slug: Slug) -> Value {
    let data = match slug {
        Slug::ValidationFailed => {
            json!({"fields": [{"field": "email", "rule": "required", "message": "缺少必填字段"}]})
        }
        _ => Value::Null,
    };
    json!({
        "code": slug.status().as_u16(),
        "error": slug.as_str(),
        "message": slug.message(Language::Chinese),
        "data": data,
        "requestId": "0193d5c8-5f1e-7abc-8def-0123456789ab",
    })
}
