//! What is taken back is gone: from the history, from the log, from the stream and from what the model is told.

use adapter_sql::SqlEventLog;
use chat::error::Forbidden;
use chat::event::{EventBody, Frame};
use chat::ports::{EventLog, HistoryQuery};
use chat::{Asked, ChatError, ConversationId, Draft, MessageStatus, NewRoom, Room};
use kernel::{MessageId, TokenUsage, UserId};
use tests::backends::Backend;
use tests::house::{House, WELCOME, driven};

const SECRET: &str = "不足为外人道也";
const USAGE: TokenUsage = TokenUsage { prompt: 200, cached: 50, completion: 120, reasoning: 20 };

super::on_both_databases!(
    a_recalled_message_is_shown_nowhere_again,
    an_author_has_two_minutes_and_who_keeps_order_has_no_limit,
    a_recalled_question_is_not_told_to_the_model_again,
    a_reply_that_grows_is_stopped_and_erased,
    a_reply_recalled_before_its_first_word_costs_nothing,
    a_question_recalled_before_the_first_word_costs_nothing,
    a_recall_in_the_middle_costs_as_much_as_a_stop,
    a_recall_after_the_end_gives_nothing_back,
    a_reply_without_an_owner_is_erased_all_the_same,
);

async fn said(house: &House, user: UserId, room: &Room, content: &str) -> MessageId {
    let draft = Draft { content: content.to_owned(), ..Draft::default() };
    house.chat.post(user, room.id.as_str(), draft).await.expect("a message").message_id
}

async fn recalled(house: &House, user: UserId, id: MessageId) -> Result<u64, ChatError> {
    driven(&house.clock, house.chat.recall(user, false, id)).await
}

/// Everything that the log would serve of a conversation.
async fn served(backend: &Backend, id: &ConversationId) -> String {
    let log = SqlEventLog::new(backend.store.clone());
    let events = log.events(id, 0, 300).await.unwrap();
    let history = log.history(id, HistoryQuery::Newest { limit: 50 }).await.unwrap();
    let streaming = log.streaming(id).await.unwrap();
    format!("{events:?} {history:?} {streaming:?}")
}

async fn a_recalled_message_is_shown_nowhere_again(backend: &Backend) {
    let house = House::on(backend);
    let room = house.room(NewRoom::default()).await;
    let id = said(&house, house.user, &room, SECRET).await;
    assert!(served(backend, &room.id).await.contains(SECRET));
    let mut bus = house.listen(&room.id).await;
    assert_eq!(recalled(&house, house.user, id).await.unwrap(), 2);
    let Frame::Committed { events } = bus.frame().await else { panic!("the others are told") };
    assert_eq!((events[0].seq, &events[0].body), (2, &EventBody::Recall { message_id: id }));
    assert!(!served(backend, &room.id).await.contains(SECRET));
    // Again is the same answer, and a repeat of the message is still its repeat.
    house.clock.advance_millis(500_000);
    assert_eq!(recalled(&house, house.user, id).await.unwrap(), 2);
    let newest = HistoryQuery::Newest { limit: 9 };
    let page = house.chat.history(house.user, room.id.as_str(), newest).await.unwrap();
    assert_eq!((page.head, page.messages[0].status), (2, MessageStatus::Recalled));
    // Nobody likes what is gone.
    assert!(matches!(house.chat.like(house.user, id, true).await, Err(ChatError::NotFound)));
}

async fn an_author_has_two_minutes_and_who_keeps_order_has_no_limit(backend: &Backend) {
    let house = House::on(backend);
    let (owner, guest, other) = (house.user, house.person(1), house.person(2));
    let room = house.room(NewRoom::default()).await;
    let code = house.chat.invite(owner, room.id.as_str()).await.unwrap();
    for user in [guest, other] {
        house.chat.join_room(user, room.id.as_str(), Some(code.clone())).await.unwrap();
    }
    let first = said(&house, guest, &room, "学").await;
    let second = said(&house, guest, &room, "习").await;
    let foreign = recalled(&house, other, first).await;
    assert!(matches!(foreign, Err(ChatError::Forbidden(Forbidden::NotAuthor))), "{foreign:?}");
    let stranger = recalled(&house, house.person(9), first).await;
    assert!(matches!(stranger, Err(ChatError::NotFound)), "{stranger:?}");
    house.clock.advance_millis(120_001);
    let late = recalled(&house, guest, first).await;
    assert!(matches!(late, Err(ChatError::RecallWindowClosed)), "{late:?}");
    recalled(&house, owner, first).await.unwrap();
    house.chat.recall(house.person(9), true, second).await.unwrap();
    let unknown = recalled(&house, owner, "00000000-0000-7000-8000-000000000001".parse().unwrap()).await;
    assert!(matches!(unknown, Err(ChatError::NotFound)));
}

async fn a_recalled_question_is_not_told_to_the_model_again(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, SECRET).await.unwrap();
    house.call().await.finish(USAGE);
    driven(&house.clock, house.chat.finished(house.user, asked.reply.id)).await.unwrap();
    recalled(&house, house.user, asked.question.id).await.unwrap();
    house.ask(&session, "刚才我说了什么？").await.unwrap();
    let call = house.call().await;
    assert!(!format!("{:?}", call.request).contains(SECRET));
    call.finish(USAGE);
}

/// A reply of the house's person that has said so much.
async fn growing(house: &mut House, text: &str) -> (Asked, tests::fakes::scripted_model::Call) {
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let mut bus = house.listen(&session.id).await;
    let call = house.call().await;
    if !text.is_empty() {
        call.say(text);
        bus.until(|frame| matches!(frame, Frame::Delta { .. })).await;
    }
    (asked, call)
}

async fn settled(house: &House) {
    driven(&house.clock, async {
        while house.balance().await.1 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let report = house.billing.check().await.unwrap();
    assert!(report.ok, "{report:?}");
}

async fn a_reply_that_grows_is_stopped_and_erased(backend: &Backend) {
    let mut house = House::on(backend);
    let (asked, call) = growing(&mut house, SECRET).await;
    let watching = house.chat.follow(house.user, asked.reply.id, None, None).await.unwrap();
    recalled(&house, house.user, asked.reply.id).await.unwrap();
    assert!(call.is_cancelled());
    assert!(!served(backend, &asked.reply.conversation_id).await.contains(SECRET));
    drop(watching);
    let late = house.chat.follow(house.user, asked.reply.id, None, None).await.unwrap();
    assert!(!format!("{:?}", house.frames(late).await).contains(SECRET));
    settled(&house).await;
    assert!(house.balance().await.0 < WELCOME, "what was delivered is paid for");
}

async fn a_reply_recalled_before_its_first_word_costs_nothing(backend: &Backend) {
    before_the_first_word(House::on(backend), |asked| asked.reply.id).await;
}

async fn a_question_recalled_before_the_first_word_costs_nothing(backend: &Backend) {
    before_the_first_word(House::on(backend), |asked| asked.question.id).await;
}

async fn before_the_first_word(mut house: House, recalling: impl Fn(&Asked) -> MessageId) {
    let (asked, call) = growing(&mut house, "").await;
    recalled(&house, house.user, recalling(&asked)).await.unwrap();
    settled(&house).await;
    assert!(call.is_cancelled());
    assert_eq!(house.balance().await, (WELCOME, 0));
    let reply = house.chat.message(house.user, asked.reply.id).await.unwrap();
    assert_eq!((reply.content.as_str(), reply.usage), ("", None));
}

async fn a_recall_in_the_middle_costs_as_much_as_a_stop(backend: &Backend) {
    let mut house = House::on(backend);
    let (asked, call) = growing(&mut house, "学而时习之").await;
    let prompt = chat::prompt::tokens_estimate(&call.request.prompt);
    recalled(&house, house.user, asked.question.id).await.unwrap();
    settled(&house).await;
    // The prompt at one credit a token, and three tokens of output at four.
    assert_eq!(house.balance().await.0, WELCOME - i64::from(prompt) - 12);
    let reply = house.chat.message(house.user, asked.reply.id).await.unwrap();
    assert_eq!((reply.status, reply.content.as_str()), (MessageStatus::Stopped, "学而时习之"));
}

async fn a_recall_after_the_end_gives_nothing_back(backend: &Backend) {
    let mut house = House::on(backend);
    let (asked, call) = growing(&mut house, SECRET).await;
    call.finish(USAGE);
    driven(&house.clock, house.chat.finished(house.user, asked.reply.id)).await.unwrap();
    let before = house.balance().await;
    recalled(&house, house.user, asked.reply.id).await.unwrap();
    recalled(&house, house.user, asked.question.id).await.unwrap();
    assert_eq!(house.balance().await, before);
    assert!(!served(backend, &asked.reply.conversation_id).await.contains(SECRET));
}

async fn a_reply_without_an_owner_is_erased_all_the_same(backend: &Backend) {
    let house = House::on(backend);
    let session = house.session().await;
    let reply = tests::house::orphan(backend, &house, &session).await;
    recalled(&house, house.user, reply).await.unwrap();
    house.chat.sweep(10).await.unwrap();
    settled(&house).await;
    assert_eq!(house.balance().await.0, WELCOME);
    let message = house.chat.message(house.user, reply).await.unwrap();
    assert_eq!((message.status, message.content.as_str()), (MessageStatus::Recalled, ""));
}
