//! What is said and done to messages: each is a write, answered after its commit.

use std::sync::Arc;

use chat::{Draft, StopState};
use kernel::MessageId;
use serde::{Deserialize, Serialize};

use super::{Call, Work, work};
use crate::problem::{Problem, Rule};
use crate::ws::envelope::Request;
use crate::ws::room_ops::room_id;
use crate::ws::session::Session;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendData {
    room_id: String,
    client_msg_id: String,
    content: String,
    #[serde(default)]
    mentions: Vec<String>,
    reply_to_message_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentAck {
    client_msg_id: String,
    message_id: MessageId,
    seq: u64,
    timestamp: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

/// Ids that are none name nothing.
pub(super) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_invalid| Problem::not_found())
}

/// Says something: looked at beside what was said before, appended behind it.
pub(in crate::ws) fn send(session: &Session, request: &Request) -> Result<Work, Problem> {
    let data: SendData = request.data()?;
    let reply_to = data.reply_to_message_id.as_deref().map(message_id).transpose()?;
    let client_msg_id = data.client_msg_id;
    let draft = Draft {
        content: data.content,
        mentions: data.mentions,
        reply_to,
        client_msg_id: Some(client_msg_id.clone()),
    };
    let place = session.connection().state.borrow_mut().posts.place();
    Ok(work(async move |call: Arc<Call>| {
        let posted = call.gateway.chat.post_at(call.user()?, &data.room_id, draft, place).await?;
        Ok(Some(call.answer(
            "ack",
            &SentAck {
                client_msg_id,
                message_id: posted.message_id,
                seq: posted.seq,
                timestamp: posted.at.as_millis(),
                duplicate: posted.duplicate,
            },
        )))
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageData {
    room_id: String,
    message_id: String,
}

/// The generation that clients add says nothing that the id does not: there is one that runs.
#[derive(Deserialize)]
struct StopData {
    #[serde(rename = "roomId")]
    room: String,
    #[serde(rename = "messageId")]
    message: Option<String>,
    #[serde(rename = "clientMsgId")]
    client_msg_id: Option<String>,
}

#[derive(Serialize)]
struct Stopped {
    state: &'static str,
}

/// Stops a reply, named by itself or by its question.
pub(in crate::ws) fn stop(request: &Request) -> Result<Work, Problem> {
    let StopData { room, message, client_msg_id } = request.data()?;
    let room = room_id(&room)?;
    let message = message.as_deref().map(message_id).transpose()?;
    if message.is_none() && client_msg_id.is_none() {
        return Err(Problem::field("messageId", Rule::Required));
    }
    Ok(work(async move |call: Arc<Call>| {
        let (chat, user) = (&call.gateway.chat, call.user()?);
        let message = match (message, client_msg_id) {
            (Some(message), _) => message,
            (None, Some(own)) => chat.sent(user, &room, &own).await?,
            (None, None) => return Err(Problem::field("messageId", Rule::Required)),
        };
        let state = match chat.stop(user, message).await? {
            StopState::Stopping => "stopping",
            StopState::Stopped => "stopped",
            StopState::Done => "done",
        };
        Ok(Some(call.answer("ack", &Stopped { state })))
    }))
}

#[derive(Serialize)]
struct SeqAck {
    seq: u64,
}

/// Takes a message back.
pub(in crate::ws) fn recall(request: &Request) -> Result<Work, Problem> {
    let data: MessageData = request.data()?;
    let (_, message) = (room_id(&data.room_id)?, message_id(&data.message_id)?);
    Ok(work(async move |call: Arc<Call>| {
        let caller = call.caller()?;
        let is_operator = caller.role == auth::Role::Admin;
        let seq = call.gateway.chat.recall(caller.user_id, is_operator, message).await?;
        Ok(Some(call.answer("ack", &SeqAck { seq })))
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LikeData {
    room_id: String,
    message_id: String,
    liked: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LikedAck {
    liked: bool,
    total_likes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// Likes a message, or takes the like back.
pub(in crate::ws) fn like(request: &Request) -> Result<Work, Problem> {
    let LikeData { room_id: room, message_id: message, liked } = request.data()?;
    let (_, message) = (room_id(&room)?, message_id(&message)?);
    Ok(work(async move |call: Arc<Call>| {
        let like = call.gateway.chat.like(call.user()?, message, liked).await?;
        Ok(Some(call.answer("ack", &LikedAck { liked, total_likes: like.total, seq: like.seq })))
    }))
}
