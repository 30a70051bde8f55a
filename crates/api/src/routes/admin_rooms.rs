//! What operators see of rooms, who was chosen to speak and why, and what they announce there.

use actix_web::{get, post, web};
use chat::turn::{Candidate, Reason, Step, StepState, Turn, TurnState};
use chat::{ChatService, ConversationId, TurnStrategy};
use kernel::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, PageQuery, Pagination, Reply};
use crate::extract::{Body, FromCaller, FromOperator, Idempotency, PathText, Query};
use crate::problem::Problem;
use crate::settings::ApiSettings;

/// 考虑过的一个角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandidateView {
    /// 角色编号。
    #[schema(example = "classics_kongzi")]
    character_id: String,
    /// 合适的程度，千分数；没有衡量则为 0。
    #[schema(example = 640)]
    weight: u32,
    /// 为什么说或不说。
    #[schema(value_type = String, example = "chosen")]
    reason: Reason,
}

impl From<Candidate> for CandidateView {
    fn from(candidate: Candidate) -> Self {
        Self {
            character_id: candidate.character_id.to_string(),
            weight: candidate.weight,
            reason: candidate.reason,
        }
    }
}

/// 一次发言。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    /// 发言的消息编号。
    message_id: String,
    /// 角色编号。
    #[schema(example = "classics_kongzi")]
    character_id: String,
    /// 为什么是它。
    #[schema(value_type = String, example = "chosen")]
    reason: Reason,
    /// 回答的是哪条消息。
    reply_to: String,
    /// `waiting`、`begun` 或 `skipped`。
    #[schema(value_type = String, example = "begun")]
    state: StepState,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self {
            message_id: step.reply.to_string(),
            character_id: step.character_id.to_string(),
            reason: step.reason,
            reply_to: step.reply_to.to_string(),
            state: step.state,
        }
    }
}

/// 一个轮次：一条消息引出的各次发言，和选人的依据。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnView {
    /// 轮次编号。
    turn_id: String,
    /// 引出它的消息。
    question: String,
    /// 说那条消息的用户。
    asker: String,
    /// 付费的用户。
    payer: String,
    /// 怎样选的人。
    #[schema(value_type = String, example = "natural")]
    strategy: TurnStrategy,
    /// 随机数的种子；超出 JSON 数的范围，所以是字符串。
    #[schema(example = "9532817345009811423")]
    seed: String,
    /// 考虑过的角色。
    candidates: Vec<CandidateView>,
    /// 各次发言。
    steps: Vec<StepView>,
    /// 角色之间还可以接多少次话。
    follow_ups_left: u32,
    /// `open`、`done`、`cut`、`refused` 或 `failed`。
    #[schema(value_type = String, example = "done")]
    state: TurnState,
    /// 在做它的实例。
    owner: String,
    /// 开始的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
}

impl From<Turn> for TurnView {
    fn from(turn: Turn) -> Self {
        Self {
            turn_id: turn.id.to_string(),
            question: turn.question.to_string(),
            asker: turn.asker.to_string(),
            payer: turn.payer.to_string(),
            strategy: turn.strategy,
            seed: turn.seed.to_string(),
            candidates: turn.candidates.into_iter().map(Into::into).collect(),
            steps: turn.steps.into_iter().map(Into::into).collect(),
            follow_ups_left: turn.follow_ups_left,
            state: turn.state,
            owner: turn.owner.to_string(),
            create_time: turn.created_at.as_millis(),
        }
    }
}

/// 轮次列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnsData {
    /// 轮次，新的在前。
    turns: Vec<TurnView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "运营", summary = "聊天室的轮次", description = "只有运营者可以看：每次选了谁、凭什么、做到哪一步。",
    params(("id" = String, Path, description = "聊天室或小队的编号"), PageQuery),
    responses((status = 200, description = "轮次列表", body = Envelope<TurnsData>)))]
#[get("/api/admin/rooms/{id}/turns")]
pub(crate) async fn list_turns(
    FromOperator(FromCaller(_caller, (PathText(id), Query(query)))): FromOperator<(
        PathText,
        Query<PageQuery>,
    )>,
    chat: web::Data<ChatService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<TurnsData>, Problem> {
    let id: ConversationId = id.parse().map_err(|_invalid| Problem::not_found())?;
    let request = query.request(&settings);
    let page = chat.turns(&id, request).await?;
    let pagination = Pagination::of(&page, request);
    Ok(Reply::new(TurnsData { turns: page.items.into_iter().map(Into::into).collect(), pagination }))
}

/// 公告。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Announce {
    /// 正文，1 到 1000 个字符。
    #[schema(example = "今晚八点共读《论语·学而》。")]
    content: String,
}

/// 已经发出的公告。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnnouncedData {
    /// 消息编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 序号。
    #[schema(example = 2)]
    seq: u64,
    /// 发出的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    timestamp: i64,
    /// 是否早已发出、这次只是重发。
    duplicate: bool,
}

#[utoipa::path(tag = "运营", summary = "在聊天室里发公告",
    description = "只有运营者可以，任何聊天室都行。公告是 `fromType` 为 `system` 的消息，进入历史和事件；不计入任何人的限额，\
角色不会回答它。",
    params(
        ("id" = String, Path, description = "聊天室编号"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 到 128 个可见的 ASCII 字符；重发同一个键得到原来的公告"),
    ),
    request_body = Announce,
    responses((status = 200, description = "已发出", body = Envelope<AnnouncedData>)))]
#[post("/api/admin/rooms/{id}/announcements")]
pub(crate) async fn announce_in_room(
    FromOperator(FromCaller(caller, (PathText(id), Idempotency(key), Body(body)))): FromOperator<(
        PathText,
        Idempotency,
        Body<Announce>,
    )>,
    chat: Writes<ChatService>,
) -> Result<Reply<AnnouncedData>, Problem> {
    let user = caller.user_id;
    let posted =
        chat.run(|chat| async move { chat.announce_in_room(user, &id, &body.content, key).await }).await?;
    let data = AnnouncedData {
        message_id: posted.message_id,
        seq: posted.seq,
        timestamp: posted.at.as_millis(),
        duplicate: posted.duplicate,
    };
    Ok(Reply::new(data).replayed(posted.duplicate))
}
