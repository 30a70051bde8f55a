//! Reports: telling the operators of a message or a person, and what operators do about it.

use actix_web::{HttpRequest, HttpResponse, Responder, get, patch, post, web};
use auth::AuthService;
use chat::{
    Author, ChatService, Message, Report, ReportCase, ReportId, ReportState, ReportSubject, Reported, Ruling,
};
use kernel::{MessageId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Pagination, Reply, page_request};
use crate::extract::{Body, FromCaller, FromOperator, MessagePath, PathText, Query, UserPath};
use crate::people::Cards;
use crate::problem::Problem;
use crate::room_message_view::{Cast, FromUserView, RoomMessageView, from_user};
use crate::settings::ApiSettings;

/// 举报。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MakeReport {
    /// 理由，1 到 500 个字符。
    #[schema(example = "辱骂他人")]
    reason: String,
}

/// 收下的举报。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportedData {
    /// 举报编号。
    #[schema(value_type = String)]
    report_id: ReportId,
    /// 是否早已举报过；是则仍是原来那一份。
    duplicate: bool,
}

impl From<Reported> for ReportedData {
    fn from(reported: Reported) -> Self {
        Self { report_id: reported.id, duplicate: reported.duplicate }
    }
}

#[utoipa::path(tag = "消息", summary = "举报消息",
    description = "看得到的消息都可以举报，角色的也可以。只有运营者看得到举报。同一条消息再次举报得到原来那一份。",
    params(("id" = String, Path, description = "消息编号")),
    request_body = MakeReport,
    responses((status = 200, description = "已收下", body = Envelope<ReportedData>)))]
#[post("/api/messages/{id}/report")]
pub(crate) async fn report_message(
    FromCaller(caller, (MessagePath(id), Body(body))): FromCaller<(MessagePath, Body<MakeReport>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<ReportedData>, Problem> {
    let user = caller.user_id;
    let reported = chat.run(|chat| async move { chat.report_message(user, id, &body.reason).await }).await?;
    Ok(Reply::new(reported.into()))
}

#[utoipa::path(tag = "用户", summary = "举报一个人",
    description = "只有运营者看得到举报。处理之前再次举报同一个人得到原来那一份，处理之后可以再举报。",
    params(("userId" = String, Path, description = "对方的用户编号")),
    request_body = MakeReport,
    responses((status = 200, description = "已收下", body = Envelope<ReportedData>)))]
#[post("/api/users/{userId}/report")]
pub(crate) async fn report_user(
    FromCaller(caller, (UserPath(other), Body(body))): FromCaller<(UserPath, Body<MakeReport>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<ReportedData>, Problem> {
    let user = caller.user_id;
    let reported = chat.run(|chat| async move { chat.report_user(user, other, &body.reason).await }).await?;
    Ok(Reply::new(reported.into()))
}

/// 一份举报。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportView<'a> {
    /// 举报编号。
    #[schema(value_type = String)]
    report_id: ReportId,
    /// `open` 未处理，`dismissed` 不成立，`resolved` 已处置。
    #[schema(value_type = String, example = "open")]
    state: ReportState,
    /// 举报人写的理由。
    #[schema(example = "辱骂他人")]
    reason: &'a str,
    /// 举报人。
    reporter: FromUserView<'a>,
    /// 被举报的人；角色的消息没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<FromUserView<'a>>,
    /// 被举报的消息在哪里；举报人的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "guoxue_room")]
    room_id: Option<&'a str>,
    /// 被举报的消息编号；举报人的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message_id: Option<MessageId>,
    /// 被举报的消息现在的样子：撤回了的没有正文，会话已删除的没有这个字段。
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<RoomMessageView<'a>>,
    /// 举报的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
    /// 处理的运营者；未处理的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    decided_by: Option<UserId>,
    /// 处理的时间，毫秒；未处理的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    decide_time: Option<i64>,
    /// 处理时的备注；未处理的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> ReportView<'a> {
    fn of(case: &'a ReportCase, cards: &'a Cards, cast: &'a Cast) -> Self {
        let Report { id, subject, reporter, reason, created_at, verdict } = &case.report;
        let (room_id, message_id) = match subject {
            ReportSubject::Message { id, conversation_id, .. } => (Some(conversation_id.as_str()), Some(*id)),
            ReportSubject::User(_) => (None, None),
        };
        let shown = |message: &'a Message| RoomMessageView::of(message, cards.author(message), cast);
        Self {
            report_id: *id,
            state: case.report.state(),
            reason,
            reporter: from_user(*reporter, cards.get(*reporter)),
            user: subject.user().map(|user| from_user(user, cards.get(user))),
            room_id,
            message_id,
            message: case.message.as_ref().map(shown),
            create_time: created_at.as_millis(),
            decided_by: verdict.as_ref().map(|verdict| verdict.by),
            decide_time: verdict.as_ref().map(|verdict| verdict.at.as_millis()),
            note: verdict.as_ref().map(|verdict| verdict.note.as_str()),
        }
    }
}

/// Everybody who is named in these reports.
fn people(cases: &[ReportCase]) -> impl Iterator<Item = UserId> {
    cases.iter().flat_map(|case| {
        let author = case.message.as_ref().and_then(|message| match message.author {
            Author::User(user) => Some(user),
            Author::Character(_) | Author::System => None,
        });
        [Some(case.report.reporter), case.report.subject.user(), author].into_iter().flatten()
    })
}

/// 哪些举报。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportsQuery {
    /// 只要这个状态的：`open`、`dismissed` 或 `resolved`；不写是全部。
    #[param(value_type = Option<String>, example = "open")]
    state: Option<ReportState>,
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    page: Option<u32>,
    /// 每页多少份，最多 100。
    #[param(minimum = 1, example = 20)]
    page_size: Option<u32>,
}

/// 举报列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportsData<'a> {
    /// 举报，新的在前。
    reports: Vec<ReportView<'a>>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "运营", summary = "举报列表", description = "只有运营者可以看。", params(ReportsQuery),
    responses((status = 200, description = "举报列表", body = Envelope<ReportsData>)))]
#[get("/api/admin/moderation/reports")]
pub(crate) async fn list_reports(
    request: HttpRequest,
    FromOperator(FromCaller(_caller, Query(query))): FromOperator<Query<ReportsQuery>>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let wanted = page_request(query.page, query.page_size, &settings);
    let page = chat.reports(query.state, wanted).await?;
    let cards = Cards::of(&auth, people(&page.items)).await?;
    let reports = page.items.iter().map(|case| ReportView::of(case, &cards, &cast));
    let data = ReportsData { reports: reports.collect(), pagination: Pagination::of(&page, wanted) };
    Ok(Reply::new(data).respond_to(&request))
}

/// 处理的结果。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ConcludeReport {
    /// `dismissed` 不成立，`resolved` 已处置。
    #[schema(value_type = String, example = "resolved")]
    state: Ruling,
    /// 给其他运营者看的备注，最多 500 个字符。
    #[schema(example = "已请出聊天室")]
    note: Option<String>,
}

/// 处理过的举报。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportData<'a> {
    /// 举报。
    report: ReportView<'a>,
}

#[utoipa::path(tag = "运营", summary = "处理举报",
    description = "只有运营者可以。可以改判，以最后一次为准。处置本身（撤回消息、请人离开）用各自的接口。",
    params(("id" = String, Path, description = "举报编号")),
    request_body = ConcludeReport,
    responses((status = 200, description = "处理后的举报", body = Envelope<ReportData>)))]
#[patch("/api/admin/moderation/reports/{id}")]
pub(crate) async fn conclude_report(
    request: HttpRequest,
    FromOperator(FromCaller(caller, (PathText(id), Body(body)))): FromOperator<(
        PathText,
        Body<ConcludeReport>,
    )>,
    (chat, auth): (Writes<ChatService>, web::Data<AuthService>),
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let id: ReportId = id.parse().map_err(|_invalid| Problem::not_found())?;
    let (operator, note) = (caller.user_id, body.note.unwrap_or_default());
    let case =
        chat.run(|chat| async move { chat.conclude_report(operator, id, body.state, &note).await }).await?;
    let cards = Cards::of(&auth, people(std::slice::from_ref(&case))).await?;
    let data = ReportData { report: ReportView::of(&case, &cards, &cast) };
    Ok(Reply::new(data).respond_to(&request))
}
