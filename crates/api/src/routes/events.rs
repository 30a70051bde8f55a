//! The events of a conversation over plain HTTP: as a long poll, and as an event stream.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, Responder, get, web};
use chat::feed::{ClientPlace, Growing, Recovery};
use chat::{ChatService, ConversationId};
use futures::future::{Either, select};
use kernel::{MessageId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::envelope::{Envelope, Reply};
use crate::event_stream::{self, Beats, HEARTBEAT, beating, error_event};
use crate::event_view::{Delivery, EventView, EventWriter};
use crate::event_watch::{EventWatch, News, Stopping, Watches};
use crate::extract::{FromCaller, PathText, Query, SignIn};
use crate::problem::Problem;
use crate::room_message_view::Cast;
use crate::routes::event_reader::Reader;
use crate::routes::messages::wants_events;
use crate::settings::ApiSettings;

/// 从哪里接着看。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// 已有的最后一个序号（不含）；不写则没有旧的事件，从现在开始。
    #[param(example = 12)]
    since: Option<u64>,
    /// 已知的 `epoch`；变了就要从头来。
    epoch: Option<String>,
    /// 没有新的事件时等多少秒，最多 25。
    #[param(minimum = 0, maximum = 25, example = 25)]
    wait: Option<u64>,
}

/// A proxy's usual patience is a minute; a phone's is less.
const WAIT_SECONDS_MAX: u64 = 25;

/// 一条正在生成的回复。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamView<'a> {
    /// 消息编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 第几代。
    #[serde(rename = "gen")]
    #[schema(example = 1)]
    generation: u32,
    /// `text` 从哪里开始，UTF-16 单位。
    #[schema(example = 0)]
    offset: u32,
    /// 到现在为止的正文。
    text: &'a str,
}

impl<'a> From<&'a Growing> for StreamView<'a> {
    fn from(growing: &'a Growing) -> Self {
        Self {
            message_id: growing.message_id,
            generation: growing.generation,
            offset: 0,
            text: &growing.text,
        }
    }
}

/// 一段事件。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsData<'a> {
    /// 记录的标识；变了就说明旧的序号作废。
    #[schema(example = "f3a91c02d7b6e845")]
    epoch: &'a str,
    /// 最新事件的序号。
    #[schema(example = 15)]
    head: u64,
    /// `since` 之后的事件，最多 300 个。
    events: Vec<EventView<'a>>,
    /// 后面是否还有；有就用最后一个序号再取。
    more: bool,
    /// `since` 是否不属于这份记录；是则从 `head` 重新开始。
    reset: bool,
    /// 正在生成的回复。
    streams: Vec<StreamView<'a>>,
}

impl<'a> EventsData<'a> {
    fn of(
        recovery: &'a Recovery,
        room: &'a ConversationId,
        writer: &'a EventWriter,
        blocked: &[UserId],
    ) -> Self {
        let view = |event| writer.view(room, event, Delivery::Recovered).hidden_if_by(blocked);
        Self {
            epoch: &recovery.epoch,
            head: recovery.head,
            events: recovery.events.iter().map(view).collect(),
            more: recovery.more,
            reset: recovery.reset,
            streams: recovery.streams.iter().map(Into::into).collect(),
        }
    }
}

#[utoipa::path(tag = "聊天室", summary = "会话、小队或聊天室的事件",
    description = "用不了 WebSocket 时的办法。有新的事件立即回答，没有就等到有或 `wait` 秒。带 `Accept: text/event-stream` 时\
是事件流：先是 `event: recovery`（`epoch`、`head`、`reset`、`streams`），以后每个事件一个 `data:`，`id` 是序号，可用 \
`Last-Event-ID` 续接；登录失效时以 `event: error` 结束。自己屏蔽了的人说的话没有正文，标为 `hidden`，序号照旧连续。",
    params(
        ("id" = String, Path, description = "会话、小队或聊天室的编号"),
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "事件流上次收到的序号；`since` 优先"),
    ),
    responses((status = 200, description = "一段事件", content(
        (Envelope<EventsData> = "application/json"),
        (String = "text/event-stream", example = "id: 13\ndata: {\"event\":\"message\",\"roomId\":\"guoxue_room\",\"seq\":13}\n\n"),
    ))))]
#[get("/api/conversations/{id}/events")]
pub(crate) async fn list_events(
    request: HttpRequest,
    FromCaller(caller, (PathText(id), Query(query))): FromCaller<(PathText, Query<EventsQuery>)>,
    (ground, sign_in): (Ground, SignIn),
) -> Result<HttpResponse, Problem> {
    ground.answer(&request, (caller.user_id, sign_in), &id, query).await
}

#[utoipa::path(tag = "聊天室", summary = "聊天室的事件（同 /api/conversations/{id}/events）",
    params(
        ("id" = String, Path, description = "会话、小队或聊天室的编号"),
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "事件流上次收到的序号；`since` 优先"),
    ),
    responses((status = 200, description = "一段事件", content(
        (Envelope<EventsData> = "application/json"),
        (String = "text/event-stream"),
    ))))]
#[get("/api/rooms/{id}/events")]
pub(crate) async fn list_room_events(
    request: HttpRequest,
    FromCaller(caller, (PathText(id), Query(query))): FromCaller<(PathText, Query<EventsQuery>)>,
    (ground, sign_in): (Ground, SignIn),
) -> Result<HttpResponse, Problem> {
    ground.answer(&request, (caller.user_id, sign_in), &id, query).await
}

/// What both addresses stand on.
pub(crate) struct Ground {
    chat: web::Data<ChatService>,
    watches: web::Data<Watches>,
    settings: web::Data<ApiSettings>,
    cast: web::Data<Cast>,
    stopping: web::Data<Stopping>,
}

impl actix_web::FromRequest for Ground {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut actix_web::dev::Payload) -> Self::Future {
        let ground = || {
            Some(Self {
                chat: request.app_data::<web::Data<ChatService>>()?.clone(),
                watches: request.app_data::<web::Data<Watches>>()?.clone(),
                settings: request.app_data::<web::Data<ApiSettings>>()?.clone(),
                cast: request.app_data::<web::Data<Cast>>()?.clone(),
                stopping: request.app_data::<web::Data<Stopping>>()?.clone(),
            })
        };
        std::future::ready(ground().ok_or_else(|| Problem::internal("a service is not wired")))
    }
}

impl Ground {
    async fn answer(
        &self,
        request: &HttpRequest,
        (user, sign_in): (UserId, SignIn),
        id: &str,
        query: EventsQuery,
    ) -> Result<HttpResponse, Problem> {
        let room: ConversationId = id.parse().map_err(|_invalid| Problem::not_found())?;
        self.chat.readable(user, &room).await?;
        let permit = self.watches.clone().into_inner().admit(user, self.settings.event_streams_per_user)?;
        let chat = self.chat.clone().into_inner();
        let mut watch = EventWatch::open(chat, permit, &room).await?;
        // Who was shown out before the watch began was not shown out by it.
        self.chat.readable(user, &room).await?;
        let writer = EventWriter::new(self.cast.get_ref().clone());
        if wants_events(request) {
            let place =
                ClientPlace { since: query.since.or_else(|| last_event(request)), epoch: query.epoch };
            let first = watch.recover(&place).await?;
            let stopping = self.stopping.get_ref().clone();
            let blocked = self.chat.hidden_from(user).await?;
            let mut reader = Reader::new(watch, room, writer, (stopping, blocked));
            reader.catch_up(first, true);
            let pieces = beating(reader.pieces(), HEARTBEAT, Beats::AtOnce);
            return Ok(event_stream::respond(pieces, sign_in, error_event));
        }
        let place = ClientPlace { since: query.since, epoch: query.epoch };
        let wait = Duration::from_secs(query.wait.unwrap_or(0).min(WAIT_SECONDS_MAX));
        let recovery =
            match select(sign_in.over, Box::pin(self.poll(&mut watch, (user, &room), &place, wait))).await {
                Either::Left((problem, _)) => return Err(problem),
                Either::Right((recovery, _)) => recovery?,
            };
        let blocked = self.chat.hidden_from(user).await?;
        Ok(Reply::new(EventsData::of(&recovery, &room, &writer, &blocked)).respond_to(request))
    }

    /// What is after the place; if that is nothing, waits for something.
    async fn poll(
        &self,
        watch: &mut EventWatch,
        (user, room): (UserId, &ConversationId),
        place: &ClientPlace,
        wait: Duration,
    ) -> Result<Recovery, Problem> {
        let recovery = watch.recover(place).await?;
        let has_news = place.since.is_none() || recovery.reset || !recovery.events.is_empty();
        if has_news || wait.is_zero() {
            return Ok(recovery);
        }
        let patience = select(Box::pin(tokio::time::sleep(wait)), self.stopping.get_ref().clone());
        match select(Box::pin(watch.next()), patience).await {
            Either::Left((News::Events(_) | News::Lagged, _)) => {}
            Either::Left((News::Over, _)) => {
                self.chat.readable(user, room).await?;
            }
            Either::Right(_) => return Ok(recovery),
        }
        watch.recover(place).await
    }
}

fn last_event(request: &HttpRequest) -> Option<u64> {
    request.headers().get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}
