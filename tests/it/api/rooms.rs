//! Rooms over HTTP: finding them, making one, deciding how it goes there.

use serde_json::{Value, json};
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    four_public_rooms_are_there_from_the_start,
    a_public_room_is_shown_to_everybody_and_joined_once,
    a_room_of_ones_own_is_for_those_who_are_in_it,
    a_repeated_key_makes_no_second_room,
    a_room_is_changed_by_who_keeps_order,
    a_public_room_is_changed_by_operators_only,
    a_wrong_setting_is_named,
    a_pool_that_members_fill_pays_for_the_replies,
    a_closed_room_takes_no_more,
    rooms_are_filtered_sorted_and_paged,
    joined_rooms_are_part_of_the_profile,
    operators_see_why_a_character_spoke,
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["rooms"].as_array().expect("rooms").iter().filter_map(|room| room["roomId"].as_str()).collect()
}

async fn four_public_rooms_are_there_from_the_start(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let list = person.get("/api/rooms?sort=newest").await;
    let mut found = ids(list.data());
    found.sort_unstable();
    assert_eq!(found, ["diary_room", "entertainment_room", "finance_room", "guoxue_room"]);
    for room in list.data()["rooms"].as_array().expect("rooms") {
        let characters = room["activeCharacters"].as_array().expect("characters");
        assert!((3..=5).contains(&characters.len()), "{room}");
        assert!(characters.iter().all(|c| c["name"].is_string() && c["level"] == 1), "{room}");
        let factors = room["skillBonusMultiplier"].as_object().expect("factors");
        assert!(factors.values().all(|f| (1.2..=1.5).contains(&f.as_f64().unwrap_or_default())), "{room}");
        assert_eq!(room["relatedSkills"].as_array().map(Vec::len), Some(factors.len()));
        assert_eq!((&room["isJoined"], &room["unreadCount"]), (&json!(false), &json!(0)));
    }
}

async fn a_public_room_is_shown_to_everybody_and_joined_once(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let before = person.get("/api/rooms/guoxue_room").await;
    assert_eq!(before.data()["room"]["name"], "国学书院");
    assert_eq!(before.data()["userStatus"]["isJoined"], false);
    assert_eq!(person.get("/api/rooms/guoxue_room/messages").await.error(), (403, "membership_required"));
    assert_eq!(person.get("/api/rooms/guoxue_room/events").await.error(), (403, "membership_required"));
    let joined = person.post("/api/rooms/guoxue_room/join", &json!({})).await;
    assert_eq!((&joined.data()["userStatus"]["isJoined"], &joined.data()["seq"]), (&json!(true), &json!(1)));
    let again = person.post("/api/rooms/guoxue_room/join", &json!({})).await;
    assert_eq!(again.data()["seq"], Value::Null);
    let after = person.get("/api/rooms/guoxue_room").await;
    let data = after.data();
    assert_eq!((&data["userStatus"]["role"], &data["room"]["isJoined"]), (&json!("member"), &json!(true)));
    assert_eq!(data["room"]["statistics"]["totalMembers"], 1);
    assert!(data["userStatus"]["joinTime"].is_i64() && data["online"] == 0);
    person.post("/api/rooms/guoxue_room/leave", &json!({})).await.data();
    let left = person.get("/api/rooms/guoxue_room").await;
    assert_eq!(left.data()["userStatus"]["isJoined"], false);
}

async fn a_room_of_ones_own_is_for_those_who_are_in_it(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest) = (app.person("owner").await, app.person("guest").await);
    let body = json!({ "name": " 读书会 ", "description": "周末", "characterIds": ["classics_kongzi"],
        "settings": { "turnStrategy": "manual", "payer": "owner" } });
    let created = owner.post("/api/rooms", &body).await;
    let room = &created.data()["room"];
    assert_eq!((&room["name"], &room["isPublic"]), (&json!("读书会"), &json!(false)));
    assert_eq!((&room["ownerId"], &room["isJoined"]), (&json!(owner.id), &json!(true)));
    let settings = &room["settings"];
    assert_eq!((&settings["turnStrategy"], &settings["payer"]), (&json!("manual"), &json!("owner")));
    assert_eq!(created.data()["userStatus"]["role"], "owner");
    let path = format!("/api/rooms/{}", room["roomId"].as_str().expect("an id"));
    assert_eq!(guest.get(&path).await.error(), (404, "not_found"));
    let invited = owner.post(&format!("{path}/invite"), &json!({})).await;
    let code = &invited.data()["inviteCode"];
    let wrong = json!({ "inviteCode": "nonsense" });
    assert_eq!(guest.post(&format!("{path}/join"), &wrong).await.error(), (404, "not_found"));
    guest.post(&format!("{path}/join"), &json!({ "inviteCode": code })).await.data();
    assert_eq!(guest.get(&path).await.data()["userStatus"]["role"], "member");
}

async fn a_repeated_key_makes_no_second_room(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let post = async |name: &str| {
        let request = person.request(reqwest::Method::POST, "/api/rooms").header("idempotency-key", "k-1");
        tests::app::answer(request.json(&json!({ "name": name }))).await
    };
    let (first, second, other) = (post("甲").await, post("甲").await, post("乙").await);
    assert_eq!(first.data()["room"]["roomId"], second.data()["room"]["roomId"]);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(other.error(), (409, "idempotency_conflict"));
}

async fn a_room_is_changed_by_who_keeps_order(profile: Profile) {
    let app = TestApp::start(profile).await;
    let owner = app.person("owner").await;
    let path = format!("/api/rooms/{}", owner.room(&["classics_kongzi"]).await);
    let change = json!({ "name": "新名字", "characterIds": ["classics_laozi", "classics_kongzi"] });
    let changed = owner.patch(&path, &change).await;
    assert_eq!(changed.data()["room"]["name"], "新名字");
    assert_eq!(changed.data()["room"]["activeCharacters"][0]["name"], "老子");
    let settings = json!({ "turnStrategy": "list", "mutedCharacters": ["classics_laozi"] });
    owner.patch(&format!("{path}/settings"), &settings).await.data();
    let read = owner.get(&path).await;
    let settings = &read.data()["room"]["settings"];
    assert_eq!((&settings["turnStrategy"], &settings["maxMembers"]), (&json!("list"), &json!(500)));
    assert_eq!(settings["mutedCharacters"], json!(["classics_laozi"]));
    assert_eq!(read.data()["room"]["name"], "新名字");
    let unknown = json!({ "characterIds": ["nobody"] });
    assert_eq!(owner.patch(&path, &unknown).await.error(), (404, "not_found"));
}

async fn a_public_room_is_changed_by_operators_only(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, operator) = (app.person("one").await, app.operator("operator").await);
    let change = json!({ "description": "新的介绍" });
    assert_eq!(person.patch("/api/rooms/diary_room", &change).await.error(), (403, "forbidden"));
    operator.patch("/api/rooms/diary_room", &change).await.data();
    let settings = json!({ "turnStrategy": "pooled" });
    operator.patch("/api/rooms/diary_room/settings", &settings).await.data();
    let read = person.get("/api/rooms/diary_room").await;
    let room = &read.data()["room"];
    assert_eq!(
        (&room["description"], &room["settings"]["turnStrategy"]),
        (&json!("新的介绍"), &json!("pooled"))
    );
}

async fn a_wrong_setting_is_named(profile: Profile) {
    let app = TestApp::start(profile).await;
    let owner = app.person("owner").await;
    let path = format!("/api/rooms/{}/settings", owner.room(&[]).await);
    for (body, field, rule) in [
        (json!({ "payer": "nobody" }), "payer", "value"),
        (json!({ "turnStrategy": 3 }), "turnStrategy", "type"),
        (json!({ "mutedCharacters": ["孔子"] }), "mutedCharacters", "format"),
    ] {
        assert_eq!(owner.patch(&path, &body).await.invalid(), (field, rule), "{body}");
    }
    assert_eq!(owner.post("/api/rooms", &json!({ "name": " " })).await.invalid(), ("name", "blank"));
    assert_eq!(owner.get("/api/rooms?sort=best").await.invalid(), ("sort", "value"));
    assert_eq!(owner.get("/api/rooms?scope=mine").await.invalid(), ("scope", "value"));
}

async fn a_pool_that_members_fill_pays_for_the_replies(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, stranger) = (app.person("owner").await, app.person("stranger").await);
    let room = owner.room(&["classics_kongzi"]).await;
    let path = format!("/api/rooms/{room}/pool");
    owner.patch(&format!("/api/rooms/{room}/settings"), &json!({ "payer": "pool" })).await.data();
    let fill = json!({ "amount": 200_000, "idempotencyKey": "first" });
    let filled = owner.post(&path, &fill).await;
    assert_eq!(
        (&filled.data()["balanceAfter"], &filled.data()["poolBalance"]),
        (&json!(800_000), &json!(200_000))
    );
    let again = owner.post(&path, &fill).await;
    assert_eq!(again.data()["transactionId"], filled.data()["transactionId"]);
    let other = json!({ "amount": 1, "idempotencyKey": "first" });
    assert_eq!(owner.post(&path, &other).await.error(), (409, "idempotency_conflict"));
    assert_eq!(owner.post(&path, &json!({ "amount": 1 })).await.invalid(), ("idempotencyKey", "required"));
    for amount in [json!(0), json!(-1)] {
        let body = json!({ "amount": amount, "idempotencyKey": "k" });
        assert_eq!(owner.post(&path, &body).await.invalid(), ("amount", "value"));
    }
    let much = json!({ "amount": 800_001, "idempotencyKey": "much" });
    assert_eq!(owner.post(&path, &much).await.error(), (402, "insufficient_balance"));
    assert_eq!(stranger.get(&path).await.error().0, 404);
    owner.say(&room, "夫子，仁是什么？").await;
    owner.events_until(&room, 0, "ai_end").await;
    assert_eq!(owner.balance().await, (800_000, 0), "the pool pays");
    let left = owner.get(&path).await.data()["poolBalance"].as_i64().expect("a balance");
    assert!((1..200_000).contains(&left), "{left}");
}

async fn a_closed_room_takes_no_more(profile: Profile) {
    let app = TestApp::start(profile).await;
    let owner = app.person("owner").await;
    let room = owner.room(&[]).await;
    let path = format!("/api/rooms/{room}");
    owner.say(&room, "再会").await;
    owner.delete(&path).await.data();
    let refused = owner.post(&format!("{path}/messages"), &json!({ "content": "还在吗？" })).await;
    assert!([403, 404].contains(&refused.status), "{}", refused.text);
    let list = owner.get("/api/rooms?pageSize=100").await;
    assert!(!ids(list.data()).contains(&room.as_str()));
    assert_eq!(owner.get("/api/user/profile").await.data()["joinedRooms"], json!([]));
}

async fn rooms_are_filtered_sorted_and_paged(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    person.post("/api/rooms/finance_room/join", &json!({})).await.data();
    let popular = person.get("/api/rooms?category=all&page=1&pageSize=2&sort=popularity").await;
    assert_eq!(ids(popular.data())[0], "finance_room");
    let pagination = &popular.data()["pagination"];
    assert_eq!((&pagination["total"], &pagination["hasMore"]), (&json!(4), &json!(true)));
    let guoxue = person.get("/api/rooms?category=guoxue").await;
    assert_eq!(ids(guoxue.data()), ["guoxue_room"]);
    let joined = person.get("/api/rooms?scope=joined").await;
    assert_eq!(ids(joined.data()), ["finance_room"]);
}

async fn joined_rooms_are_part_of_the_profile(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    assert_eq!(person.get("/api/user/profile").await.data()["joinedRooms"], json!([]));
    person.post("/api/rooms/guoxue_room/join", &json!({})).await.data();
    assert_eq!(person.get("/api/user/profile").await.data()["joinedRooms"], json!(["guoxue_room"]));
    person.post("/api/rooms/guoxue_room/leave", &json!({})).await.data();
    assert_eq!(person.get("/api/user/profile").await.data()["joinedRooms"], json!([]));
}

async fn operators_see_why_a_character_spoke(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, operator) = (app.person("one").await, app.operator("operator").await);
    let room = person.room(&["classics_kongzi", "classics_laozi"]).await;
    let said = person.say(&room, "@孔子 仁是什么？").await;
    person.events_until(&room, 0, "ai_end").await;
    let path = format!("/api/admin/rooms/{room}/turns");
    assert_eq!(person.get(&path).await.error(), (403, "forbidden"));
    let turns = operator.get(&path).await;
    let turn = &turns.data()["turns"][0];
    assert_eq!((&turn["question"], &turn["asker"]), (&said["messageId"], &json!(person.id)));
    assert_eq!(turn["steps"][0]["characterId"], "classics_kongzi");
    assert_eq!(turn["steps"][0]["reason"], "mentioned_by_name");
    assert!(turn["seed"].as_str().is_some_and(|seed| seed.parse::<u64>().is_ok()), "{turn}");
    assert_eq!(turns.data()["pagination"]["total"], 1);
}
