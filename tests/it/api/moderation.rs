//! Keeping order over HTTP: blocks, reports, announcements, bans and roles.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Person, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    what_a_blocked_person_says_is_hidden_and_keeps_its_place,
    a_stream_of_events_hides_it_as_well,
    blocks_are_listed_and_end,
    a_report_goes_to_the_operators_alone,
    a_person_is_reported_and_reports_are_limited,
    an_announcement_is_a_durable_message_of_the_house,
    an_announcement_reaches_the_socket,
    a_ban_is_listed_and_lifted,
    an_owner_makes_an_admin_and_shows_the_invitation_again,
    a_room_may_require_a_level,
}

/// A room of an owner with a guest in it.
async fn with_guest(app: &TestApp) -> (Person, Person, String) {
    let (owner, guest) = (app.person("owner").await, app.person("guest").await);
    let room = owner.room(&[]).await;
    join(&owner, &guest, &room).await;
    (owner, guest, room)
}

async fn join(owner: &Person, guest: &Person, room: &str) {
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = &invited.data()["inviteCode"];
    guest.post(&format!("/api/rooms/{room}/join"), &json!({ "inviteCode": code })).await.data();
}

async fn messages(person: &Person, room: &str) -> Vec<Value> {
    let page = person.get(&format!("/api/rooms/{room}/messages")).await;
    page.data()["messages"].as_array().expect("messages").clone()
}

async fn block(person: &Person, other: &Person) {
    person.put(&format!("/api/users/{}/block", other.id), &json!({})).await.data();
}

async fn what_a_blocked_person_says_is_hidden_and_keeps_its_place(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    guest.say(&room, "难听的话").await;
    owner.say(&room, "不听").await;
    block(&owner, &guest).await;
    let shown = messages(&owner, &room).await;
    assert_eq!((&shown[0]["content"], &shown[0]["hidden"]), (&json!(""), &json!(true)));
    assert_eq!((&shown[0]["seq"], &shown[0]["fromUser"]["userId"]), (&json!(2), &json!(guest.id)));
    assert_eq!((&shown[1]["content"], shown[1].get("hidden")), (&json!("不听"), None));
    let events = owner.get(&format!("/api/rooms/{room}/events?since=0")).await;
    let events = events.data()["events"].as_array().expect("events").clone();
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(
        (&events[1]["message"]["content"], &events[1]["message"]["hidden"]),
        (&json!(""), &json!(true))
    );
    // Others see it, the blocked person too, and nobody is told.
    let theirs = messages(&guest, &room).await;
    assert_eq!((&theirs[0]["content"], theirs[0].get("hidden")), (&json!("难听的话"), None));
    guest.say(&room, "还有").await;
    let listed = owner.get("/api/rooms?scope=joined").await;
    let own = &listed.data()["rooms"][0];
    assert_eq!((&own["lastMessage"]["content"], &own["lastMessage"]["hidden"]), (&json!(""), &json!(true)));
    assert_eq!(own["unreadCount"], 0);
    owner.delete(&format!("/api/users/{}/block", guest.id)).await.data();
    assert_eq!(messages(&owner, &room).await[2]["content"], "还有");
}

async fn a_stream_of_events_hides_it_as_well(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    guest.say(&room, "之前").await;
    block(&owner, &guest).await;
    let request = owner.request(Method::GET, &format!("/api/rooms/{room}/events?since=0"));
    let mut events = tests::app::Events::of(owner.events(request).await);
    guest.say(&room, "之后").await;
    let (mut seqs, mut hidden) = (Vec::new(), 0);
    while seqs.len() < 3 {
        let event = events.next().await.expect("an event");
        if event.data["event"] == "message" {
            assert_eq!(event.data["message"]["content"], "", "{}", event.data);
            hidden += usize::from(event.data["message"]["hidden"] == true);
        }
        seqs.extend(event.data["seq"].as_u64());
    }
    assert_eq!((seqs, hidden), (vec![1, 2, 3], 2));
}

async fn blocks_are_listed_and_end(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (one, other) = (app.person("one").await, app.person("other").await);
    block(&one, &other).await;
    block(&one, &other).await;
    let list = one.get("/api/user/blocks").await;
    assert_eq!(list.data()["pagination"]["total"], 1);
    let blocked = &list.data()["blocks"][0];
    assert_eq!((&blocked["userId"], &blocked["nickName"]), (&json!(other.id), &json!("other")));
    assert!(blocked["blockTime"].is_i64());
    assert_eq!(other.get("/api/user/blocks").await.data()["blocks"], json!([]));
    for _ in 0..2 {
        one.delete(&format!("/api/users/{}/block", other.id)).await.data();
    }
    assert_eq!(one.get("/api/user/blocks").await.data()["blocks"], json!([]));
    let oneself = one.put(&format!("/api/users/{}/block", one.id), &json!({})).await;
    assert_eq!(oneself.invalid(), ("userId", "value"));
    for nobody in ["0193d5c8-5f1e-7abc-8def-0123456789ab", "x"] {
        let unknown = one.put(&format!("/api/users/{nobody}/block"), &json!({})).await;
        assert_eq!(unknown.error(), (404, "not_found"));
    }
}

async fn a_report_goes_to_the_operators_alone(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let operator = app.operator("operator").await;
    let said = guest.say(&room, "难听的话").await;
    let path = format!("/api/messages/{}/report", said["messageId"].as_str().expect("an id"));
    let first = owner.post(&path, &json!({ "reason": "辱骂" })).await.data().clone();
    let again = owner.post(&path, &json!({ "reason": "广告" })).await.data().clone();
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["reportId"], again["reportId"]);
    for (body, rule) in [
        (json!({}), "required"),
        (json!({ "reason": " " }), "blank"),
        (json!({ "reason": "字".repeat(501) }), "too_long"),
    ] {
        assert_eq!(owner.post(&path, &body).await.invalid(), ("reason", rule));
    }
    let stranger = app.person("stranger").await;
    assert_eq!(stranger.post(&path, &json!({ "reason": "辱骂" })).await.error(), (404, "not_found"));

    let reports = "/api/admin/moderation/reports";
    assert_eq!(owner.get(reports).await.error(), (403, "forbidden"));
    let list = operator.get(&format!("{reports}?state=open")).await;
    assert_eq!(list.data()["pagination"]["total"], 1);
    let report = &list.data()["reports"][0];
    assert_eq!((&report["state"], &report["reason"]), (&json!("open"), &json!("辱骂")));
    assert_eq!(
        (&report["reporter"]["nickName"], &report["user"]["nickName"]),
        (&json!("owner"), &json!("guest"))
    );
    assert_eq!((&report["roomId"], &report["message"]["content"]), (&json!(room), &json!("难听的话")));
    assert_eq!(operator.get(&format!("{reports}?state=odd")).await.invalid(), ("state", "value"));

    let one = format!("{reports}/{}", first["reportId"].as_str().expect("an id"));
    let verdict = json!({ "state": "resolved", "note": "已请离" });
    assert_eq!(owner.patch(&one, &verdict).await.error(), (403, "forbidden"));
    let open = operator.patch(&one, &json!({ "state": "open" })).await;
    assert_eq!(open.invalid(), ("state", "value"));
    let decided = operator.patch(&one, &verdict).await;
    let report = &decided.data()["report"];
    assert_eq!((&report["state"], &report["note"]), (&json!("resolved"), &json!("已请离")));
    assert_eq!(report["decidedBy"], json!(operator.id));
    assert_eq!(operator.get(&format!("{reports}?state=open")).await.data()["reports"], json!([]));
    assert_eq!(operator.get(reports).await.data()["pagination"]["total"], 1);
    let unknown = operator.patch(&format!("{reports}/x"), &verdict).await;
    assert_eq!(unknown.error(), (404, "not_found"));
}

async fn a_person_is_reported_and_reports_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.reports_per_hour = 1).await;
    let (one, other, third) = (app.person("one").await, app.person("other").await, app.person("third").await);
    let report =
        async |user: &str| one.post(&format!("/api/users/{user}/report"), &json!({ "reason": "骚扰" })).await;
    let first = report(&other.id).await.data().clone();
    assert_eq!(report(&third.id).await.error(), (429, "rate_limited"));
    let again = report(&other.id).await.data().clone();
    assert_eq!((&again["reportId"], &again["duplicate"]), (&first["reportId"], &json!(true)));
    assert_eq!(report("0193d5c8-5f1e-7abc-8def-0123456789ab").await.error(), (404, "not_found"));
    assert_eq!(report(&one.id).await.invalid(), ("userId", "value"));
}

async fn an_announcement_is_a_durable_message_of_the_house(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.messages_per_minute = 1).await;
    let (person, operator) = (app.person("one").await, app.operator("operator").await);
    person.post("/api/rooms/guoxue_room/join", &json!({})).await.data();
    let path = "/api/admin/rooms/guoxue_room/announcements";
    let body = json!({ "content": "孔子今晚八点开讲" });
    assert_eq!(person.post(path, &body).await.error(), (403, "forbidden"));
    let announce = async || {
        answer(operator.request(Method::POST, path).header("idempotency-key", "k-1").json(&body)).await
    };
    let (first, again) = (announce().await, announce().await);
    assert_eq!(first.data()["messageId"], again.data()["messageId"]);
    assert_eq!(
        (again.header("idempotent-replayed"), &again.data()["duplicate"]),
        (Some("true"), &json!(true))
    );
    // No member, no rate, and nobody is called.
    operator.post(path, &json!({ "content": "再说一句" })).await.data();
    let shown = messages(&person, "guoxue_room").await;
    let from: Vec<_> = shown.iter().map(|message| (&message["fromType"], &message["content"])).collect();
    let system = json!("system");
    assert_eq!(from, [(&system, &json!("孔子今晚八点开讲")), (&system, &json!("再说一句"))]);
    assert!(shown.iter().all(|message| message.get("fromUser").is_none() && message.get("aigc").is_none()));
    let events = person.get("/api/rooms/guoxue_room/events?since=1").await;
    assert_eq!(events.data()["events"][0]["message"]["fromType"], "system");
    assert_eq!(events.data()["head"], 3);
    let turns = operator.get("/api/admin/rooms/guoxue_room/turns").await;
    assert_eq!(turns.data()["turns"], json!([]));
    assert_eq!(operator.get("/api/user/profile").await.data()["totalMessages"], 0);
    assert_eq!(operator.post(path, &json!({ "content": " " })).await.invalid(), ("content", "blank"));
    let nowhere = operator.post("/api/admin/rooms/nowhere/announcements", &body).await;
    assert_eq!(nowhere.error(), (404, "not_found"));
}

async fn an_announcement_reaches_the_socket(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, operator) = (app.person("owner").await, app.operator("operator").await);
    let room = owner.room(&[]).await;
    let mut socket = app.socket(&owner).await;
    socket.ask("room.join", json!({ "roomId": room })).await;
    let path = format!("/api/admin/rooms/{room}/announcements");
    operator.post(&path, &json!({ "content": "大家好" })).await.data();
    let push = socket.until("room.event", "message").await;
    assert_eq!((&push["seq"], &push["message"]["fromType"]), (&json!(1), &json!("system")));
    assert_eq!(push["message"]["content"], "大家好");
}

async fn a_ban_is_listed_and_lifted(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    owner.delete(&format!("/api/rooms/{room}/members/{}?ban=true", guest.id)).await.data();
    let list = owner.get(&format!("/api/rooms/{room}/bans")).await;
    assert_eq!(list.data()["users"][0]["nickName"], "guest");
    assert_eq!(list.data()["pagination"]["total"], 1);
    let code = owner.get(&format!("/api/rooms/{room}/invite")).await.data()["inviteCode"].clone();
    let wish = json!({ "inviteCode": code });
    assert_eq!(guest.post(&format!("/api/rooms/{room}/join"), &wish).await.error(), (403, "forbidden"));
    let lift = format!("/api/rooms/{room}/bans/{}", guest.id);
    assert_eq!(guest.delete(&lift).await.error(), (404, "not_found"), "the room is hidden from them");
    owner.delete(&lift).await.data();
    owner.delete(&lift).await.data();
    assert_eq!(owner.get(&format!("/api/rooms/{room}/bans")).await.data()["users"], json!([]));
    guest.post(&format!("/api/rooms/{room}/join"), &wish).await.data();
    assert_eq!(guest.get(&format!("/api/rooms/{room}/bans")).await.error(), (403, "forbidden"));
}

async fn an_owner_makes_an_admin_and_shows_the_invitation_again(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let invite = format!("/api/rooms/{room}/invite");
    assert_eq!(guest.get(&invite).await.error(), (403, "forbidden"));
    let member = format!("/api/rooms/{room}/members/{}", guest.id);
    assert_eq!(guest.patch(&member, &json!({ "role": "admin" })).await.error(), (403, "forbidden"));
    assert_eq!(owner.patch(&member, &json!({ "role": "owner" })).await.invalid(), ("role", "value"));
    let changed = owner.patch(&member, &json!({ "role": "admin" })).await;
    assert_eq!(changed.data()["member"]["role"], "admin");
    assert_eq!(changed.data()["member"]["nickName"], "guest");
    let (now, later) = (guest.get(&invite).await.data().clone(), owner.get(&invite).await.data().clone());
    assert_eq!(now, later);
    let code = now["inviteCode"].as_str().expect("a code");
    assert_eq!(now["link"], format!("/#/r/{room}?code={code}"));
    let replaced = guest.post(&invite, &json!({})).await.data().clone();
    assert_ne!(replaced["inviteCode"], now["inviteCode"]);
    let late = app.person("late").await;
    let old = json!({ "inviteCode": code });
    assert_eq!(late.post(&format!("/api/rooms/{room}/join"), &old).await.error(), (404, "not_found"));
    owner.patch(&member, &json!({ "role": "member" })).await.data();
    assert_eq!(guest.get(&invite).await.error(), (403, "forbidden"));
    let fresh = owner.room(&[]).await;
    let none = owner.get(&format!("/api/rooms/{fresh}/invite")).await;
    assert_eq!((&none.data()["inviteCode"], &none.data()["link"]), (&Value::Null, &Value::Null));
}

async fn a_room_may_require_a_level(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, operator) = (app.person("one").await, app.operator("operator").await);
    operator.patch("/api/rooms/diary_room", &json!({ "requireLevel": 2 })).await.data();
    assert_eq!(person.get("/api/rooms/diary_room").await.data()["room"]["requireLevel"], 2);
    let refused = person.post("/api/rooms/diary_room/join", &json!({})).await;
    assert_eq!(refused.error(), (403, "level_required"));
    let mut socket = app.socket(&person).await;
    let refused = socket.ask("room.join", json!({ "roomId": "diary_room" })).await;
    assert_eq!((&refused["event"], &refused["error"]), (&json!("error"), &json!("level_required")));
    operator.patch("/api/rooms/diary_room", &json!({ "requireLevel": 1 })).await.data();
    person.post("/api/rooms/diary_room/join", &json!({})).await.data();
    let own = person.room(&[]).await;
    let level = person.patch(&format!("/api/rooms/{own}"), &json!({ "requireLevel": 2 })).await;
    assert_eq!(level.invalid(), ("requireLevel", "value"));
    let high = operator.patch("/api/rooms/diary_room", &json!({ "requireLevel": 1001 })).await;
    assert_eq!(high.invalid(), ("requireLevel", "value"));
}
