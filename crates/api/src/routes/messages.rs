//! Messages of a session: asking, reading back, following a reply, stopping it.

use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use chat::ports::{HistoryPage, HistoryQuery};
use chat::{ChatService, Message, Question, StopState};
use kernel::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Reply, mark_replayed};
use crate::extract::{Body, FromCaller, Idempotency, MessagePath, PathText, Query, SignIn};
use crate::message_view::{AnswerView, MessageView, Producer, Viewer};
use crate::problem::{Problem, Rule};
use crate::settings::ApiSettings;
use crate::sse::{self, Position, failure_slug};

/// 一条新消息。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendMessage {
    /// 正文，1 到 1000 个字符。
    #[schema(example = "学而时习之是什么意思？")]
    content: String,
    /// 发送方自己的编号，最多 64 个字符；重发同一编号得到原来的回答。
    #[schema(example = "c-1")]
    client_msg_id: Option<String>,
    /// 是否查典籍；不写由角色决定。
    use_knowledge: Option<bool>,
    /// 模型别名，见 `/api/models`；不写是 `default`。
    #[schema(example = "default")]
    model: Option<String>,
}

impl From<SendMessage> for Question {
    fn from(body: SendMessage) -> Self {
        Self {
            content: body.content,
            client_msg_id: body.client_msg_id,
            use_knowledge: body.use_knowledge,
            model: body.model,
        }
    }
}

#[utoipa::path(tag = "消息", summary = "发送消息并得到回复",
    description = "带 `Accept: text/event-stream` 时逐字返回：事件依次为 `start`、若干 `delta`、`citations`、\
可能的 `error`、`final`、`done`，`id` 是 `gen:offset`（UTF-16 单位）；否则等回复完整后一次返回 JSON。\
断开连接不会停止回复；登录失效时以 `error` 结束，回复照常继续。",
    params(
        ("id" = String, Path, description = "会话编号"),
        ("Idempotency-Key" = Option<String>, Header, description = "与 `clientMsgId` 作用相同，后者优先；1 到 128 个可见的 ASCII 字符"),
    ),
    request_body = SendMessage,
    responses((status = 200, description = "回复", content(
        (Envelope<AnswerView> = "application/json"),
        (String = "text/event-stream", example = "id: 1:0\nevent: start\ndata: {\"messageId\":\"…\",\"seq\":2,\"gen\":1}\n\n"),
    ))))]
#[post("/api/sessions/{id}/messages")]
pub(crate) async fn send_message(
    request: HttpRequest,
    (viewer, sign_in): (Viewer, SignIn),
    FromCaller(caller, (PathText(id), Idempotency(key), Body(body))): FromCaller<Sent>,
    chat: Writes<ChatService>,
) -> Result<HttpResponse, Problem> {
    let user = caller.user_id;
    let client_msg_id = body.client_msg_id.clone().or_else(|| key.map(|key| key.client_msg_id()));
    let question = Question { client_msg_id, ..body.into() };
    let asked = chat.run(|chat| async move { chat.ask(user, &id, question).await }).await?;
    if wants_events(&request) {
        let frames = chat.service().follow_asked(&asked).await?;
        let mut response = sse::respond(frames, viewer, sign_in);
        if asked.replayed {
            mark_replayed(response.headers_mut());
        }
        return Ok(response);
    }
    let reply = chat.service().finished(user, asked.reply.id).await?;
    match answer(reply, &viewer.producer) {
        Ok(answer) => Ok(answer.replayed(asked.replayed).respond_to(&request)),
        Err(problem) => Err(problem.replayed(asked.replayed)),
    }
}

/// A message that is sent. Its own id does what the key does elsewhere, so either will do.
type Sent = (PathText, Idempotency, Body<SendMessage>);

/// The whole reply. One that failed before its first character is an error; the question is kept.
fn answer(reply: Message, producer: &Producer) -> Result<Reply<AnswerView>, Problem> {
    match failure_slug(&reply) {
        Some(slug) if reply.content.is_empty() => Err(Problem::new(slug)),
        Some(_) | None => Ok(Reply::new(AnswerView::of(reply, producer))),
    }
}

pub(crate) fn wants_events(request: &HttpRequest) -> bool {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
    request.headers().get_all(ACCEPT).any(accepts)
}

/// 从哪里接着看回复。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// 已有多少 UTF-16 单位的正文；优先于 `Last-Event-ID`，超出时取到末尾。
    #[param(example = 0)]
    offset: Option<u32>,
}

#[utoipa::path(tag = "消息", summary = "接着看一条回复",
    description = "从任意设备加入正在生成的回复，或重放已结束的回复；事件与发送消息时相同。编号也可以是问题的编号。",
    params(
        ("id" = String, Path, description = "回复或问题的编号"),
        StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "上次收到的事件编号 `gen:offset`"),
    ),
    responses((status = 200, description = "事件流", body = String, content_type = "text/event-stream")))]
#[get("/api/messages/{id}/stream")]
pub(crate) async fn stream_message(
    request: HttpRequest,
    (viewer, sign_in): (Viewer, SignIn),
    FromCaller(caller, (MessagePath(id), Query(query))): FromCaller<(MessagePath, Query<StreamQuery>)>,
    chat: web::Data<ChatService>,
) -> Result<HttpResponse, Problem> {
    let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let (offset, generation) = match (query.offset, last.and_then(Position::parse)) {
        (Some(offset), _) => (Some(offset), None),
        (None, Some(position)) => (Some(position.offset), Some(position.generation)),
        (None, None) => (None, None),
    };
    let frames = chat.follow(caller.user_id, id, offset, generation).await?;
    Ok(sse::respond(frames, viewer, sign_in))
}

/// 停止的结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopData {
    /// `stopping` 已通知，`stopped` 已停下，`done` 早已结束。
    #[schema(example = "stopped")]
    state: &'static str,
}

#[utoipa::path(tag = "消息", summary = "停止回复", description = "编号可以是回复的，也可以是问题的；已生成的部分保留并收费。",
    params(("id" = String, Path, description = "回复或问题的编号")),
    responses((status = 200, description = "停止的结果", body = Envelope<StopData>)))]
#[post("/api/messages/{id}/stop")]
pub(crate) async fn stop_message(
    FromCaller(caller, MessagePath(id)): FromCaller<MessagePath>,
    chat: Writes<ChatService>,
) -> Result<Reply<StopData>, Problem> {
    let state = chat.run(|chat| async move { chat.stop(caller.user_id, id).await }).await?;
    let state = match state {
        StopState::Stopping => "stopping",
        StopState::Stopped => "stopped",
        StopState::Done => "done",
    };
    Ok(Reply::new(StopData { state }))
}

/// 历史的哪一段。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryParams {
    /// 取这条消息之前的。
    before: Option<String>,
    /// 取首次或最近事件在这个序号之后的，按现在的状态。
    #[param(example = 0)]
    since: Option<u64>,
    /// 最多多少条，最多 50。
    #[param(minimum = 1, maximum = 50, example = 20)]
    limit: Option<u32>,
}

const HISTORY_LIMIT_DEFAULT: u32 = 20;

impl HistoryParams {
    pub(crate) fn query(&self, settings: &ApiSettings) -> Result<HistoryQuery, Problem> {
        let limit = self.limit.unwrap_or(HISTORY_LIMIT_DEFAULT).clamp(1, settings.history_page_max.max(1));
        match (&self.before, self.since) {
            (None, None) => Ok(HistoryQuery::Newest { limit }),
            (None, Some(seq)) => Ok(HistoryQuery::Since { seq, limit }),
            (Some(before), None) => {
                let message: MessageId =
                    before.parse().map_err(|_not_an_id| Problem::field("before", Rule::Format))?;
                Ok(HistoryQuery::Before { message, limit })
            }
            (Some(_), Some(_)) => Err(Problem::field("since", Rule::Value)),
        }
    }
}

/// 一段历史，按时间从早到晚。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryData {
    /// 消息。
    messages: Vec<MessageView>,
    /// 这个方向上是否还有。
    has_more: bool,
    /// 本页最早一条的编号，用作下一次的 `before`；没有消息时为空。
    next_cursor: Option<String>,
    /// 会话最新事件的序号，用作以后的 `since`。
    #[schema(example = 3)]
    head: u64,
}

impl HistoryData {
    fn of(page: HistoryPage, producer: &Producer) -> Self {
        let oldest = page.messages.iter().min_by_key(|message| message.seq);
        let next_cursor = oldest.map(|message| message.id.to_string());
        Self {
            messages: page.messages.into_iter().map(|message| MessageView::of(message, producer)).collect(),
            has_more: page.has_more,
            next_cursor,
            head: page.head,
        }
    }
}

#[utoipa::path(tag = "消息", summary = "消息历史",
    description = "不带参数取最新一页；`before` 向前翻页；`since` 补取变化。页内按时间从早到晚。",
    params(("id" = String, Path, description = "会话编号"), HistoryParams),
    responses((status = 200, description = "一段历史", body = Envelope<HistoryData>)))]
#[get("/api/sessions/{id}/messages")]
pub(crate) async fn list_messages(
    FromCaller(caller, (PathText(id), Query(params))): FromCaller<(PathText, Query<HistoryParams>)>,
    chat: web::Data<ChatService>,
    settings: web::Data<ApiSettings>,
    producer: web::Data<Producer>,
) -> Result<Reply<HistoryData>, Problem> {
    let page = chat.history(caller.user_id, &id, params.query(&settings)?).await?;
    Ok(Reply::new(HistoryData::of(page, &producer)))
}
