//! What providers of payment call, and the sandbox's page in their place.
//!
//! Their bodies are taken byte by byte, since signatures are over bytes, and their answers are in their own form: none of
//! these routes has an envelope, and none asks who is signed in.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentType};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use billing::order::TradeNo;
use billing::payment::{NoticeReply, RawNotice, SandboxChoice, SandboxSlip};
use billing::ports::{PushHandshake, SandboxDesk};
use billing::{Channel, OrderService};
use bytes::Bytes;
use kernel::Clock;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::detached::Writes;
use crate::extract::{OrderPath, Query, RawBody};
use crate::problem::{Problem, Rule, Slug};

/// The provider's way to prove an address, where it is set up.
#[derive(Clone)]
pub struct Handshake(pub Option<Arc<dyn PushHandshake>>);

/// The sandbox's till, where it is open.
#[derive(Clone)]
pub struct Till(pub Option<Arc<dyn SandboxDesk>>);

const WECHAT_PAY_SIGNATURE: &str = "wechatpay-signature";
const SANDBOX_SIGNATURE: &str = "sandbox-signature";

/// A message, owned, so that it outlives its connection.
struct Message {
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Bytes,
    at: kernel::Timestamp,
}

impl Message {
    fn of(request: &HttpRequest, body: Bytes, at: kernel::Timestamp) -> Self {
        let header =
            |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            };
        let query = form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        Self { headers: request.headers().iter().filter_map(header).collect(), query, body, at }
    }

    fn raw(&self) -> RawNotice<'_> {
        RawNotice { headers: &self.headers, query: &self.query, body: &self.body, at: self.at }
    }
}

/// Hands a message to the orders, and answers as they say.
async fn notice(
    orders: &Writes<OrderService>,
    channel: Channel,
    message: Message,
) -> Result<HttpResponse, Problem> {
    if !orders.service().channels().any(|known| known == channel) {
        // Nobody honest calls where nothing is set up.
        return Err(Problem::new(Slug::Unauthorized));
    }
    let work = move |orders: Arc<OrderService>| async move { orders.notice(channel, &message.raw()).await };
    let answer = orders.run(work).await?;
    let result = answer.result.as_str();
    metrics::counter!("payment_notices_total", "channel" => channel.as_str(), "result" => result)
        .increment(1);
    Ok(reply(answer.reply))
}

fn reply(reply: NoticeReply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(content_type) = reply.content_type {
        response.insert_header((CONTENT_TYPE, content_type));
    }
    if reply.body.is_empty() { response.finish() } else { response.body(reply.body) }
}

#[utoipa::path(tag = "支付回调", summary = "支付通知", description = "支付方调用：微信支付 v3，或沙盒。原样验签，按支付方的格式回答。",
    security(()),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "已收到，支付方要正文的"), (status = 204, description = "已收到"), (status = 401, description = "不可信，格式由支付方定")))]
#[post("/api/payment/callback")]
pub(crate) async fn payment_callback(
    request: HttpRequest,
    RawBody(body): RawBody,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    let signs = |name: &str| request.headers().contains_key(name);
    let channel = match (signs(WECHAT_PAY_SIGNATURE), signs(SANDBOX_SIGNATURE)) {
        (true, false) => Channel::WechatPay,
        (false, true) => Channel::Sandbox,
        // Nobody honest signs twice, or not at all.
        (true, true) | (false, false) => {
            metrics::counter!("payment_notices_total", "channel" => "none", "result" => "signature")
                .increment(1);
            return Err(Problem::new(Slug::Unauthorized));
        }
    };
    notice(&orders, channel, Message::of(&request, body, clock.now())).await
}

#[utoipa::path(tag = "支付回调", summary = "微信消息推送：校验地址",
    description = "微信在后台保存地址时调用；签名正确则原样返回 `echostr`。",
    security(()),
    responses((status = 200, description = "`echostr`", content_type = "text/plain", body = String),
        (status = 403, description = "不可信")))]
#[get("/api/wechat/push")]
pub(crate) async fn wechat_handshake(
    request: HttpRequest,
    handshake: web::Data<Handshake>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    let Handshake(Some(handshake)) = handshake.get_ref() else {
        return Err(Problem::new(Slug::Unauthorized));
    };
    let challenge = Message::of(&request, Bytes::new(), clock.now());
    let echo = handshake.echo(&challenge.raw()).ok_or_else(|| Problem::new(Slug::Forbidden))?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(echo))
}

#[utoipa::path(tag = "支付回调", summary = "微信消息推送", description = "微信调用：虚拟支付的发货、退款、投诉等事件。",
    security(()),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "微信的格式"), (status = 403, description = "不可信")))]
#[post("/api/wechat/push")]
pub(crate) async fn wechat_push(
    request: HttpRequest,
    RawBody(body): RawBody,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    notice(&orders, Channel::WechatVirtual, Message::of(&request, body, clock.now())).await
}

/// 沙盒页面的令牌和决定。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SandboxQuery {
    /// 页面的令牌。
    token: String,
    /// `pay` 或 `fail`；打开页面时没有。
    choice: Option<String>,
}

#[utoipa::path(tag = "支付回调", summary = "沙盒付款页", description = "开发用的假付款页：不是真的钱。",
    params(("id" = String, Path, description = "商户订单号"), SandboxQuery),
    security(()),
    responses((status = 200, description = "页面", content_type = "text/html", body = String)))]
#[get("/sandbox/pay/{id}")]
pub(crate) async fn sandbox_page(
    Query(query): Query<SandboxQuery>,
    OrderPath(id): OrderPath,
    till: web::Data<Till>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    let Till(Some(till)) = till.get_ref() else { return Err(Problem::not_found()) };
    let slip = till.slip(TradeNo::of(id), &query.token, clock.now()).ok_or_else(Problem::not_found)?;
    Ok(page(&waiting(&slip, &query.token)))
}

#[utoipa::path(tag = "支付回调", summary = "沙盒付款", description = "按下页面上的一个按钮：付款成功，或失败。",
    params(("id" = String, Path, description = "商户订单号"), SandboxQuery),
    security(()),
    responses((status = 200, description = "页面", content_type = "text/html", body = String)))]
#[post("/sandbox/pay/{id}")]
pub(crate) async fn sandbox_pay(
    Query(query): Query<SandboxQuery>,
    OrderPath(id): OrderPath,
    till: web::Data<Till>,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    let Till(Some(till)) = till.get_ref() else { return Err(Problem::not_found()) };
    let (choice, words) = match query.choice.as_deref() {
        Some("pay") => (SandboxChoice::Pay, "已付款（沙盒）。可以回到小程序了。"),
        Some("fail") => (SandboxChoice::Fail, "付款失败（沙盒）。可以再试一次。"),
        Some(_) | None => return Err(Problem::field("choice", Rule::Value)),
    };
    let at = clock.now();
    let signed = till.decide(TradeNo::of(id), &query.token, choice, at).ok_or_else(Problem::not_found)?;
    let message = Message { headers: signed.headers, query: Vec::new(), body: Bytes::from(signed.body), at };
    let told = notice(&orders, Channel::Sandbox, message).await?;
    if !told.status().is_success() {
        return Err(Problem::new(Slug::Unavailable));
    }
    Ok(page(&format!("<p>{words}</p>")))
}

fn waiting(slip: &SandboxSlip, token: &str) -> String {
    // A token that was found good is digits, dots and hexadecimal.
    let button = |choice: &str, words: &str| {
        format!(
            "<form method=\"post\" action=\"?token={token}&amp;choice={choice}\"><button>{words}</button></form>"
        )
    };
    let (whole, rest) = (slip.total.get() / 100, slip.total.get() % 100);
    format!(
        "<p>订单 {}</p><p>金额 ¥{whole}.{rest:02}</p>{}{}",
        slip.trade_no,
        button("pay", "付款成功"),
        button("fail", "付款失败")
    )
}

fn page(content: &str) -> HttpResponse {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    let html = format!(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>沙盒付款</title><style>\
         body{{font:18px/1.6 sans-serif;max-width:24em;margin:3em auto;padding:0 1em}}button{{font:inherit;\
         padding:.5em 1.5em;margin:.3em 0}}</style><h1>沙盒付款</h1><p><strong>这是测试页面，不是真的钱。\
         Sandbox: play money only.</strong></p>{content}</html>"
    );
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type(ContentType::html())
        .body(html)
}
