//! Rooms over the socket: joining, what is pushed, and what is done in them.

use serde_json::{Value, json};
use tests::app::{Person, Profile, TestApp};

use crate::api::on_both_profiles;

/// A room of this person.
pub(super) async fn room_of(person: &Person) -> String {
    let made = person.post("/api/rooms", &json!({ "name": "问学" })).await;
    made.data()["room"]["roomId"].as_str().expect("a room's id").to_owned()
}

async fn invited(host: &Person, guest: &Person, room: &str) {
    let code = host.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = code.data()["inviteCode"].clone();
    let joined = guest.post(&format!("/api/rooms/{room}/join"), &json!({ "inviteCode": code })).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
}

pub(super) fn said(content: &str, room: &str, own: &str) -> Value {
    json!({ "roomId": room, "clientMsgId": own, "content": content })
}

async fn what_is_said_reaches_everybody_once_and_in_order(profile: Profile) {
    let app = TestApp::with(profile, |config| {
        (config.limits.messages_per_minute, config.limits.frames_per_second) = (0, 0);
    })
    .await;
    let (host, guest) = (app.person("zhu").await, app.person("ke").await);
    let room = room_of(&host).await;
    invited(&host, &guest, &room).await;
    let (mut speaker, mut listener) = (app.socket(&host).await, app.socket(&guest).await);
    let joined = speaker.ask("room.join", json!({ "roomId": room })).await;
    assert_eq!(
        (&joined["event"], &joined["events"], &joined["reset"]),
        (&json!("result"), &json!([]), &json!(false))
    );
    let head = joined["head"].as_u64().unwrap();
    assert_eq!(listener.ask("room.join", json!({ "roomId": room, "since": 0 })).await["head"], head);
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(speaker.begin("room.send", said(&format!("第{n}句"), &room, &format!("c-{n}"))).await);
    }
    let mut seqs = Vec::new();
    for id in &ids {
        let ack = speaker.answer(id).await;
        assert_eq!(ack["event"], "ack", "{ack}");
        seqs.push(ack["seq"].as_u64().unwrap());
    }
    assert_eq!(seqs, (head + 1..=head + 20).collect::<Vec<_>>(), "in the order in which they were sent");
    for socket in [&mut speaker, &mut listener] {
        for n in 0..20 {
            let push = socket.until("room.event", "message").await;
            assert_eq!(push["seq"], head + 1 + n);
            assert_eq!(push["message"]["content"], format!("第{n}句"));
            assert_eq!(push["message"]["clientMsgId"], format!("c-{n}"));
        }
    }
    let again = speaker.ask("room.send", said("第3句", &room, "c-3")).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(head + 4), &json!(true)));
}

async fn who_comes_back_is_told_what_they_missed(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("gui").await;
    let room = room_of(&person).await;
    let mut first = app.socket(&person).await;
    let joined = first.ask("room.join", json!({ "roomId": room })).await;
    let (since, epoch) = (joined["head"].clone(), joined["epoch"].clone());
    first.close().await;
    let mut second = app.socket(&person).await;
    let ack = second.ask("room.send", said("在吗", &room, "c-1")).await;
    let back = second.ask("room.join", json!({ "roomId": room, "since": since, "epoch": epoch })).await;
    assert_eq!(back["events"].as_array().map(Vec::len), Some(1), "{back}");
    assert_eq!((&back["events"][0]["seq"], &back["events"][0]["event"]), (&ack["seq"], &json!("message")));
    assert!(back["events"][0].get("op").is_none() && back["online"].is_u64(), "{back}");
    let reset = second.ask("room.join", json!({ "roomId": room, "since": 0, "epoch": "another" })).await;
    assert_eq!((&reset["reset"], &reset["events"]), (&json!(true), &json!([])));
    let part = second.ask("room.sync", json!({ "roomId": room, "from": ack["seq"], "to": ack["seq"] })).await;
    assert_eq!(part["events"][0]["message"]["content"], "在吗");
    assert_eq!(second.ask("room.leave", json!({ "roomId": room })).await["event"], "result");
    assert_eq!(
        second.ask("room.sync", json!({ "roomId": room, "from": 1 })).await["error"],
        "membership_required"
    );
}

async fn typing_likes_and_recalls_are_told(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (host, guest) = (app.person("zhu").await, app.person("ke").await);
    let room = room_of(&host).await;
    invited(&host, &guest, &room).await;
    let (mut one, mut other) = (app.socket(&host).await, app.socket(&guest).await);
    for socket in [&mut one, &mut other] {
        assert_eq!(socket.ask("room.join", json!({ "roomId": room })).await["event"], "result");
    }
    assert_eq!(one.ask("room.typing", json!({ "roomId": room })).await["event"], "ack");
    let typing = other.until("room.typing", "update").await;
    assert_eq!((&typing["roomId"], &typing["userId"]), (&json!(room), &json!(host.id)));
    let ack = one.ask("room.send", said("一言", &room, "c-1")).await;
    let message = ack["messageId"].clone();
    let liked = other.ask("room.like", json!({ "roomId": room, "messageId": message, "liked": true })).await;
    assert_eq!((&liked["event"], &liked["totalLikes"]), (&json!("ack"), &json!(1)), "{liked}");
    assert_eq!(one.until("room.event", "like").await["userId"], json!(guest.id));
    let recalled = one.ask("room.recall", json!({ "roomId": room, "messageId": message })).await;
    assert_eq!(recalled["event"], "ack", "{recalled}");
    let push = other.until("room.event", "recall").await;
    assert_eq!((&push["seq"], &push["messageId"]), (&recalled["seq"], &message));
}

async fn who_is_shown_out_leaves_at_once(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (host, guest) = (app.person("zhu").await, app.person("ke").await);
    let room = room_of(&host).await;
    let mut stranger = app.socket(&guest).await;
    assert_eq!(stranger.ask("room.join", json!({ "roomId": room })).await["error"], "not_found");
    invited(&host, &guest, &room).await;
    assert_eq!(stranger.ask("room.join", json!({ "roomId": room })).await["event"], "result");
    let removed = host.delete(&format!("/api/rooms/{room}/members/{}", guest.id)).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!(stranger.until("room.leave", "expelled").await["roomId"], json!(room));
    let refused = stranger.ask("room.typing", json!({ "roomId": room })).await;
    assert_eq!(refused["error"], "membership_required");
}

on_both_profiles!(
    what_is_said_reaches_everybody_once_and_in_order,
    who_comes_back_is_told_what_they_missed,
    typing_likes_and_recalls_are_told,
    who_is_shown_out_leaves_at_once,
);
