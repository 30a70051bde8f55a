//! Events as clients see them, one of each kind.

use std::sync::Arc;

use chat::{MessageStatus, UserCard};
use kernel::{Id, Timestamp};
use mbti_roles::{CharacterBook, CharacterService};
use serde_json::{Value, json};

use super::*;
use crate::message_view::Producer;

fn writer() -> EventWriter {
    let characters = Arc::new(CharacterService::new(CharacterBook::built_in().unwrap()));
    EventWriter::new(Cast::new(characters, Producer("Jixia".into())))
}

fn id<K>(n: u128) -> Id<K> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}

fn room() -> ConversationId {
    "guoxue_room".parse().unwrap()
}

fn message(author: Author, content: &str) -> Message {
    let blank = Message::blank(id(7), room(), 3, author, Timestamp::from_millis(9));
    Message { content: content.to_owned(), ..blank }
}

fn event(body: EventBody, message: Option<Message>) -> Event {
    let card = UserCard { user_id: id(1), nick_name: "仲尼".to_owned(), avatar_url: String::new() };
    Event { seq: 3, body, created_at: Timestamp::from_millis(9), message, author: Some(card) }
}

fn pushed(event: &Event) -> Value {
    let mut out = Vec::new();
    writer().push(&mut out, &room(), event);
    serde_json::from_slice(&out).unwrap()
}

fn recovered(event: &Event) -> Value {
    serde_json::to_value(writer().view(&room(), event, Delivery::Recovered)).unwrap()
}

#[test]
fn a_persons_message_is_shown_with_its_author_and_without_a_viewer() {
    let said = Message { client_msg_id: Some("c-1".to_owned()), ..message(Author::User(id(1)), "学") };
    let event = event(EventBody::Message { message_id: id(7) }, Some(said));
    let shown = pushed(&event);
    assert_eq!(shown["op"], "room.event");
    assert_eq!((&shown["event"], &shown["seq"]), (&json!("message"), &json!(3)));
    let message = &shown["message"];
    assert_eq!((&message["fromType"], &message["clientMsgId"]), (&json!("user"), &json!("c-1")));
    assert_eq!(message["fromUser"]["nickName"], "仲尼");
    assert!(message.get("isLikedByMe").is_none() && message.get("aigc").is_none());
    assert!(recovered(&event).get("op").is_none());
}

#[test]
fn a_start_names_its_character_and_carries_the_label() {
    let author = Author::Character("classics_kongzi".parse().unwrap());
    let reply = Message { status: MessageStatus::Streaming, reply_to: Some(id(5)), ..message(author, "") };
    let shown = pushed(&event(EventBody::AiStart { message_id: id(7), generation: 1 }, Some(reply)));
    assert_eq!((&shown["aiInfo"]["name"], &shown["gen"]), (&json!("孔子"), &json!(1)));
    assert_eq!((&shown["aigc"]["label"], &shown["replyTo"]), (&json!("1"), &json!(id::<()>(5).to_string())));
}

#[test]
fn an_end_tells_its_text_where_the_deltas_may_not_have() {
    let end =
        |why| EventBody::AiEnd { message_id: id(7), generation: 1, why, length: 1, crc32: 4_000_000_000 };
    let reply = || Some(message(Author::Character("gone_by".parse().unwrap()), "仁"));
    let done = event(end(EndReason::Done), reply());
    assert!(pushed(&done).get("text").is_none());
    assert_eq!(recovered(&done)["text"], "仁");
    assert_eq!(recovered(&done)["crc32"], 4_000_000_000_u32);
    assert_eq!(pushed(&event(end(EndReason::Stopped), reply()))["text"], "仁");
}

#[test]
fn the_small_events_are_flat() {
    let shown = pushed(&event(EventBody::Recall { message_id: id(7) }, None));
    assert_eq!(shown["messageId"], id::<()>(7).to_string());
    let shown = pushed(&event(EventBody::Member { user_id: id(1), action: MemberAction::Removed }, None));
    assert_eq!(shown["action"], "removed");
    let body = EventBody::Like { message_id: id(7), user_id: id(1), liked: false, total_likes: 2 };
    let shown = pushed(&event(body, None));
    assert_eq!((&shown["liked"], &shown["totalLikes"]), (&json!(false), &json!(2)));
}
