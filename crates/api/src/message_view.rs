//! A message as clients see it, and the label that marks AI text.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use chat::{Author, Citation, Message, MessageStatus, MessageUsage};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::context::Context;
use crate::language::Language;
use crate::problem::Problem;

/// Who is named as the producer on AI messages.
#[derive(Debug, Clone)]
pub struct Producer(pub Arc<str>);

impl Serialize for Producer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// For whom replies are written out.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Their language.
    pub language: Language,
    /// Who is named as the producer.
    pub producer: Producer,
}

impl FromRequest for Viewer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let context = Context::of(request);
        let Some((Context(context), producer)) = context.zip(request.app_data::<web::Data<Producer>>())
        else {
            return ready(Err(Problem::internal("a request without its context")));
        };
        ready(Ok(Self { language: context.language, producer: producer.get_ref().clone() }))
    }
}

/// AI 生成内容的标识（GB 45438-2025）。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Aigc {
    /// 固定为 `1`：属于人工智能生成内容。
    #[schema(example = "1")]
    label: &'static str,
    /// 展示给用户的文字。
    #[schema(example = "内容由AI生成")]
    text: &'static str,
    /// 内容编号，即消息编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    produce_id: String,
    /// 内容的生产者。
    #[schema(value_type = String, example = "Jixia")]
    producer: Producer,
}

impl Aigc {
    /// The label of an AI message.
    pub fn of(message: &Message, producer: &Producer) -> Self {
        let produce_id = message.id.to_string();
        Self { label: "1", text: "内容由AI生成", produce_id, producer: producer.clone() }
    }
}

/// 一条回复的用量和费用。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    /// 提示词的令牌数，含命中缓存的。
    #[schema(example = 820)]
    prompt_tokens: u32,
    /// 其中命中缓存的。
    #[schema(example = 0)]
    cached_tokens: u32,
    /// 回答的令牌数，含推理。
    #[schema(example = 260)]
    completion_tokens: u32,
    /// 其中推理的。
    #[schema(example = 0)]
    reasoning_tokens: u32,
    /// 费用（点；1 点 = 百万分之一元）。
    #[schema(example = 1860)]
    credits: i64,
}

impl From<MessageUsage> for UsageView {
    fn from(usage: MessageUsage) -> Self {
        Self {
            prompt_tokens: usage.tokens.prompt,
            cached_tokens: usage.tokens.cached,
            completion_tokens: usage.tokens.completion,
            reasoning_tokens: usage.tokens.reasoning,
            credits: usage.credits.get(),
        }
    }
}

/// 回复引用的原文。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitationView {
    /// 正文里 `[n]` 的编号，从 1 开始。
    #[schema(example = 1)]
    n: u32,
    /// 书名。
    #[schema(example = "论语")]
    work: String,
    /// 篇章。
    #[schema(example = "学而")]
    chapter: String,
    /// 原文编号，可用于 `/api/knowledge/passages/{id}`。
    #[schema(example = "lunyu.1.1")]
    passage_id: String,
    /// 原文。
    #[schema(example = "子曰：「学而时习之，不亦说乎？」")]
    quote: String,
    /// 与问题的相关程度，只在同一条回复里可比。
    #[schema(example = 7.5)]
    score: f32,
}

impl From<Citation> for CitationView {
    fn from(citation: Citation) -> Self {
        Self {
            n: citation.n,
            work: citation.work,
            chapter: citation.chapter,
            passage_id: citation.passage_id,
            quote: citation.quote,
            score: citation.score,
        }
    }
}

/// 说话的一方。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleView {
    /// 用户。
    User,
    /// 角色。
    Assistant,
    /// 运营者的公告。
    System,
}

/// 一条消息的状态。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusView {
    /// 正在生成。
    Streaming,
    /// 完整。
    Done,
    /// 被停止，保留已生成的部分。
    Stopped,
    /// 失败，保留已生成的部分。
    Failed,
    /// 被审核拦下。
    Blocked,
    /// 已撤回，没有正文。
    Recalled,
}

impl From<MessageStatus> for StatusView {
    fn from(status: MessageStatus) -> Self {
        match status {
            MessageStatus::Streaming => Self::Streaming,
            MessageStatus::Done => Self::Done,
            MessageStatus::Stopped => Self::Stopped,
            MessageStatus::Failed => Self::Failed,
            MessageStatus::Blocked => Self::Blocked,
            MessageStatus::Recalled => Self::Recalled,
        }
    }
}

/// 会话里的一条消息。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// 消息编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    message_id: String,
    /// 在会话里的序号。
    #[schema(example = 2)]
    seq: u64,
    /// 说话的一方。
    role: RoleView,
    /// 哪个角色说的。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "classics_kongzi")]
    character_id: Option<String>,
    /// 正文。
    #[schema(example = "「学」是效法，「习」是温习与实践 [1]。")]
    content: String,
    /// 状态。
    status: StatusView,
    /// 回答的是哪条消息。
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_message_id: Option<String>,
    /// 发送方自己的编号。
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<String>,
    /// 引用的原文。
    citations: Vec<CitationView>,
    /// 用量和费用；没有收费的消息没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// AI 消息的标识。
    #[serde(skip_serializing_if = "Option::is_none")]
    aigc: Option<Aigc>,
    /// 是否收藏。
    is_favorite: bool,
    /// 创建时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
}

impl MessageView {
    /// A message as its conversation's owner sees it.
    pub fn of(message: Message, producer: &Producer) -> Self {
        let (role, character_id, aigc) = match &message.author {
            Author::User(_) => (RoleView::User, None, None),
            Author::System => (RoleView::System, None, None),
            Author::Character(character) => {
                (RoleView::Assistant, Some(character.to_string()), Some(Aigc::of(&message, producer)))
            }
        };
        Self {
            message_id: message.id.to_string(),
            seq: message.seq,
            role,
            character_id,
            content: message.content,
            status: message.status.into(),
            reply_to_message_id: message.reply_to.map(|id| id.to_string()),
            client_msg_id: message.client_msg_id,
            citations: message.citations.into_iter().map(Into::into).collect(),
            usage: message.usage.map(Into::into),
            aigc,
            is_favorite: false,
            create_time: message.created_at.as_millis(),
        }
    }
}

/// 一条完整的回复：流式的 `final` 事件和非流式回答的内容相同。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    /// 回复。
    message: MessageView,
    /// 用量和费用，与 `message.usage` 相同；没有收费则为空。
    usage: Option<UsageView>,
}

impl AnswerView {
    /// A reply that has ended.
    pub fn of(message: Message, producer: &Producer) -> Self {
        let usage = message.usage.map(Into::into);
        Self { message: MessageView::of(message, producer), usage }
    }
}
