//! What is said in rooms over HTTP, and what is done to it afterwards.

use serde_json::{Value, json};
use tests::app::{Person, Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    a_message_has_the_rooms_shape,
    a_named_character_answers_with_the_label,
    a_repeated_message_is_one_message,
    a_history_is_read_page_by_page,
    a_like_is_counted_once_and_shown_to_its_giver,
    a_recalled_message_has_no_text,
    what_is_unread_is_counted_until_it_is_read,
    a_session_counts_what_is_unread,
    a_wrong_message_is_refused,
}

async fn history(person: &Person, room: &str, query: &str) -> Vec<Value> {
    let page = person.get(&format!("/api/rooms/{room}/messages{query}")).await;
    page.data()["messages"].as_array().expect("messages").clone()
}

fn id_of(said: &Value) -> &str {
    said["messageId"].as_str().expect("an id")
}

async fn a_message_has_the_rooms_shape(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let body = json!({ "content": "大家好", "clientMsgId": "c-1" });
    let said = person.post(&format!("/api/rooms/{room}/messages"), &body).await;
    let said = said.data();
    assert_eq!((&said["seq"], &said["duplicate"]), (&json!(1), &json!(false)));
    assert_eq!(said["clientMsgId"], "c-1");
    let messages = history(&person, &room, "").await;
    let expected = json!({
        "messageId": said["messageId"], "seq": 1, "fromType": "user",
        "fromUser": { "userId": person.id, "nickName": "one", "avatarUrl": "" },
        "content": "大家好", "clientMsgId": "c-1", "mentions": [], "likes": [], "totalLikes": 0,
        "isLikedByMe": false, "citations": [], "status": "done", "timestamp": said["timestamp"],
    });
    assert_eq!(messages, [expected]);
}

async fn a_named_character_answers_with_the_label(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&["classics_kongzi", "classics_laozi"]).await;
    let body = json!({ "content": "仁是什么？", "mentions": ["classics_kongzi"] });
    let said = person.post(&format!("/api/rooms/{room}/messages"), &body).await;
    person.events_until(&room, 0, "ai_end").await;
    let messages = history(&person, &room, "").await;
    let reply = &messages[1];
    assert_eq!((&reply["fromType"], &reply["status"]), (&json!("ai"), &json!("done")));
    assert_eq!(reply["aiInfo"]["name"], "孔子");
    assert_eq!((&reply["aigc"]["label"], &reply["aigc"]["produceId"]), (&json!("1"), &reply["messageId"]));
    assert_eq!(reply["replyToMessageId"], said.data()["messageId"]);
    assert!(reply.get("fromUser").is_none() && reply["usage"]["credits"].as_i64() > Some(0), "{reply}");
    assert_eq!(messages[0]["mentions"], json!(["classics_kongzi"]));
}

async fn a_repeated_message_is_one_message(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let path = format!("/api/rooms/{}/messages", person.room(&[]).await);
    let body = json!({ "content": "在吗", "clientMsgId": "c-1" });
    let (first, second) = (person.post(&path, &body).await, person.post(&path, &body).await);
    assert_eq!(first.data()["messageId"], second.data()["messageId"]);
    assert_eq!(
        (&second.data()["duplicate"], second.header("idempotent-replayed")),
        (&json!(true), Some("true"))
    );
    let other = json!({ "content": "不在", "clientMsgId": "c-1" });
    assert_eq!(person.post(&path, &other).await.error(), (409, "idempotency_conflict"));
}

async fn a_history_is_read_page_by_page(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    for n in 1..=5 {
        person.say(&room, &format!("第{n}句")).await;
    }
    let newest = person.get(&format!("/api/rooms/{room}/messages?limit=2")).await;
    let data = newest.data();
    assert_eq!((&data["hasMore"], &data["head"]), (&json!(true), &json!(5)));
    assert_eq!(data["messages"][0]["content"], "第4句");
    let cursor = data["nextCursor"].as_str().expect("a cursor");
    let before = history(&person, &room, &format!("?before={cursor}&limit=10")).await;
    assert_eq!(before.len(), 3);
    let since = history(&person, &room, "?since=3").await;
    assert_eq!(since.len(), 2);
}

async fn a_like_is_counted_once_and_shown_to_its_giver(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, other) = (app.person("owner").await, app.person("other").await);
    owner.post("/api/rooms/diary_room/join", &json!({})).await.data();
    let said = owner.say("diary_room", "今天很好").await;
    let like = format!("/api/messages/{}/like", id_of(&said));
    assert_eq!(other.post(&like, &json!({})).await.status, 403, "not a member yet");
    other.post("/api/rooms/diary_room/join", &json!({})).await.data();
    for _ in 0..2 {
        let liked = other.post(&like, &json!({})).await;
        assert_eq!(liked.data(), &json!({ "liked": true, "totalLikes": 1 }));
    }
    let mine = history(&other, "diary_room", "?limit=50").await;
    let theirs = history(&owner, "diary_room", "?limit=50").await;
    assert_eq!((&mine[0]["isLikedByMe"], &theirs[0]["isLikedByMe"]), (&json!(true), &json!(false)));
    assert_eq!(theirs[0]["likes"], json!([other.id]));
    let seen = other.get("/api/rooms/diary_room").await;
    assert_eq!(seen.data()["userStatus"]["likesGiven"], 1);
    let unliked = other.delete(&like).await;
    assert_eq!(unliked.data(), &json!({ "liked": false, "totalLikes": 0 }));
}

async fn a_recalled_message_has_no_text(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, other) = (app.person("owner").await, app.person("other").await);
    // Nobody answers there: a reply's own words may repeat the question, and are not recalled with it.
    let room = owner.room(&[]).await;
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = json!({ "inviteCode": invited.data()["inviteCode"] });
    other.post(&format!("/api/rooms/{room}/join"), &code).await.data();
    let said = owner.say(&room, "说错了").await;
    let recall = format!("/api/messages/{}/recall", id_of(&said));
    assert_eq!(other.post(&recall, &json!({})).await.error(), (403, "forbidden"));
    let (first, again) = (owner.post(&recall, &json!({})).await, owner.post(&recall, &json!({})).await);
    assert!(first.data()["seq"].as_u64() > said["seq"].as_u64());
    assert_eq!(first.data(), again.data());
    let messages = history(&other, &room, "?limit=50").await;
    assert_eq!((&messages[0]["status"], &messages[0]["content"]), (&json!("recalled"), &json!("")));
    let events = other.get(&format!("/api/rooms/{room}/events?since=0")).await;
    assert!(!events.text.contains("说错了"), "{}", events.text);
}

async fn what_is_unread_is_counted_until_it_is_read(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, other) = (app.person("owner").await, app.person("other").await);
    let room = owner.room(&[]).await;
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = json!({ "inviteCode": invited.data()["inviteCode"] });
    other.post(&format!("/api/rooms/{room}/join"), &code).await.data();
    owner.say(&room, "一").await;
    let last = owner.say(&room, "二").await;
    let list = other.get("/api/rooms?scope=joined").await;
    let shown = &list.data()["rooms"][0];
    assert_eq!((&shown["unreadCount"], &shown["lastMessage"]["content"]), (&json!(2), &json!("二")));
    assert_eq!(owner.get(&format!("/api/rooms/{room}")).await.data()["unreadCount"], 0);
    other.post(&format!("/api/rooms/{room}/read"), &json!({ "seq": last["seq"] })).await.data();
    let seen = other.get(&format!("/api/rooms/{room}")).await;
    assert_eq!((&seen.data()["unreadCount"], &seen.data()["room"]["unreadCount"]), (&json!(0), &json!(0)));
}

async fn a_session_counts_what_is_unread(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    person.ask(&session, &json!({ "content": "仁是什么？" })).await.data();
    let path = format!("/api/sessions/{session}");
    assert_eq!(person.get(&path).await.data()["session"]["unreadCount"], 1);
    person.post(&format!("/api/rooms/{session}/read"), &json!({ "seq": 3 })).await.data();
    let list = person.get("/api/sessions").await;
    assert_eq!(list.data()["sessions"][0]["unreadCount"], 0);
}

async fn a_wrong_message_is_refused(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let path = format!("/api/rooms/{}/messages", person.room(&["classics_kongzi"]).await);
    let wrong = json!({ "content": " " });
    assert_eq!(person.post(&path, &wrong).await.invalid(), ("content", "blank"));
    let wrong = json!({ "content": "甲", "replyToMessageId": "x" });
    assert_eq!(person.post(&path, &wrong).await.invalid(), ("replyToMessageId", "format"));
    let wrong = json!({ "content": "甲", "mentions": ["classics_laozi"] });
    assert_eq!(person.post(&path, &wrong).await.error(), (404, "not_found"));
    let wrong = json!({ "content": "甲", "replyToMessageId": "0193d5c8-0000-7000-8000-000000000000" });
    assert_eq!(person.post(&path, &wrong).await.error(), (404, "not_found"));
}
