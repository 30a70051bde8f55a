//! The gateway for other programs: one answer to messages that are not stored.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web};
use chat::prompt::PromptRole;
use chat::{ChatService, Completion, CompletionEvent, Failure};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use kernel::{Clock, UserId};
use mbti_roles::CharacterService;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Reply};
use crate::event_stream::{Beats, HEARTBEAT, beating, respond, text_lines};
use crate::extract::{Body, FromCaller, SignIn};
use crate::message_view::UsageView;
use crate::problem::{Problem, Rule, Slug};

/// 谁说的。
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleName {
    /// 指示；用户令牌的调用里当作用户的话。
    System,
    /// 用户。
    User,
    /// 模型。
    Assistant,
}

/// 一句话。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CompletionMessage {
    /// 谁说的。
    role: RoleName,
    /// 说了什么。
    #[schema(example = "用一句话介绍《论语》。")]
    content: String,
}

/// 要模型回答的话。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompletionBody {
    /// 到现在为止的对话，最后一句是用户的。
    messages: Vec<CompletionMessage>,
    /// 模型别名，见 `/api/models`；不写是 `default`。
    #[schema(example = "default")]
    model_alias: Option<String>,
    /// 0 到 2；角色和模型各有自己的，仅供参考。
    #[schema(example = 0.7)]
    temperature: Option<f64>,
    /// 回答最多多少令牌。
    #[schema(example = 512)]
    max_tokens: Option<u32>,
    /// 调用方自己的备注，不保存。
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// 由哪个角色回答，写编号。
    #[schema(example = "classics_kongzi")]
    character_id: Option<String>,
    /// 由哪个角色回答，写名字；`characterId` 优先。
    #[schema(example = "孔子")]
    character_name: Option<String>,
    /// 指示；用户令牌的调用里当作用户的话。
    system_prompt: Option<String>,
}

impl CompletionBody {
    /// What is asked. System texts of a person's token are that person's words.
    pub(crate) fn completion(self) -> Result<Completion, Problem> {
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(Problem::field("temperature", Rule::Value));
        }
        if self.metadata.is_some_and(|metadata| !metadata.is_object()) {
            return Err(Problem::field("metadata", Rule::Type));
        }
        let said = self.messages.into_iter().map(|message| match message.role {
            RoleName::System | RoleName::User => (PromptRole::User, message.content),
            RoleName::Assistant => (PromptRole::Assistant, message.content),
        });
        let system = self.system_prompt.filter(|text| !text.trim().is_empty());
        Ok(Completion {
            messages: system.map(|text| (PromptRole::User, text)).into_iter().chain(said).collect(),
            model: self.model_alias,
            character: self.character_id.or(self.character_name),
            max_tokens: self.max_tokens,
        })
    }
}

/// 模型的回答。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompletionData {
    /// 正文。
    text: String,
    /// 上游模型自己的名字；中途失败时为空。
    #[schema(example = "deepseek-v3")]
    model: Option<String>,
    /// 用量和费用；没有收费则为空。
    usage: Option<UsageView>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    created: i64,
    /// `done` 完整，`failed` 中途失败、只有前一部分。
    #[schema(example = "done")]
    status: &'static str,
}

#[utoipa::path(tag = "网关", summary = "问模型一次",
    description = "对话由调用方自己保存，这里只记账。等回答完整后一次返回；断开连接即停止，已生成的部分照常收费。",
    request_body = CompletionBody,
    responses((status = 200, description = "回答", body = Envelope<CompletionData>)))]
#[post("/service/chat")]
pub(crate) async fn complete_chat(
    FromCaller(caller, Body(body)): FromCaller<Body<CompletionBody>>,
    (chat, characters): (Writes<ChatService>, web::Data<CharacterService>),
    clock: web::Data<dyn Clock>,
) -> Result<Reply<CompletionData>, Problem> {
    let mut events = begin(&chat, &characters, caller.user_id, body).await?;
    while let Some(event) = events.next().await {
        match event {
            CompletionEvent::Text(_) => {}
            CompletionEvent::Done { text, model, usage } => {
                let (model, usage) = (Some(model), usage.map(Into::into));
                let created = clock.now().as_millis();
                return Ok(Reply::new(CompletionData { text, model, usage, created, status: "done" }));
            }
            CompletionEvent::Failed { text, failure } if text.is_empty() => {
                return Err(Problem::new(failure_slug(failure)));
            }
            CompletionEvent::Failed { text, .. } => {
                let created = clock.now().as_millis();
                let data = CompletionData { text, model: None, usage: None, created, status: "failed" };
                return Ok(Reply::new(data));
            }
        }
    }
    Err(Problem::new(Slug::ModelUnavailable))
}

#[utoipa::path(tag = "网关", summary = "问模型一次，逐字返回",
    description = "只有 `data:` 行：正文原样，换行是多一个 `data:` 行；完整时最后是 `data: [DONE]`，没有它就是中途失败了。",
    request_body = CompletionBody,
    responses((status = 200, description = "回答", body = String, content_type = "text/event-stream",
        example = "data: 学而\n\ndata: 时习之\n\ndata: [DONE]\n\n")))]
#[post("/service/streamchat")]
pub(crate) async fn stream_chat(
    sign_in: SignIn,
    FromCaller(caller, Body(body)): FromCaller<Body<CompletionBody>>,
    (chat, characters): (Writes<ChatService>, web::Data<CharacterService>),
) -> Result<HttpResponse, Problem> {
    let mut events = begin(&chat, &characters, caller.user_id, body).await?;
    // What fails before its first text is an error like any other.
    let first = match events.next().await {
        Some(CompletionEvent::Failed { text, failure }) if text.is_empty() => {
            return Err(Problem::new(failure_slug(failure)));
        }
        Some(first) => first,
        None => return Err(Problem::new(Slug::ModelUnavailable)),
    };
    let pieces = stream::iter([first]).chain(events).map(|event| match event {
        CompletionEvent::Text(text) => text_lines(&text),
        CompletionEvent::Done { .. } => text_lines("[DONE]"),
        CompletionEvent::Failed { .. } => bytes::Bytes::new(),
    });
    // Its lines have no errors: without the last one it was cut short.
    Ok(respond(beating(pieces, HEARTBEAT, Beats::AfterFirst), sign_in, |_problem, _language| {
        bytes::Bytes::new()
    }))
}

/// Asks, in a task that outlives the caller: a hold that was taken for nobody is given back there.
async fn begin(
    chat: &Writes<ChatService>,
    characters: &CharacterService,
    user: UserId,
    body: CompletionBody,
) -> Result<BoxStream<'static, CompletionEvent>, Problem> {
    // A name that no character has is the other program's own affair; an id is ours.
    if body.character_id.as_deref().is_some_and(|id| characters.face(id).is_none()) {
        return Err(Problem::not_found());
    }
    let completion = body.completion()?;
    let work = |chat: Arc<ChatService>| async move { chat.complete(user, completion).await };
    let (_id, events) = chat.run(work).await?;
    Ok(events)
}

fn failure_slug(failure: Failure) -> Slug {
    match failure {
        Failure::ModelUnavailable => Slug::ModelUnavailable,
        Failure::ModelTimeout => Slug::ModelTimeout,
        Failure::ServerLost => Slug::Unavailable,
    }
}
