//! The events of conversations over plain HTTP: long polls and event streams.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Events, Person, Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    events_are_read_from_a_place,
    a_poll_waits_for_what_happens,
    a_poll_that_waits_in_vain_says_so,
    a_session_has_events_too,
    another_epoch_begins_anew,
    a_stream_recovers_and_goes_on,
    a_stream_ends_with_the_membership,
    watches_of_a_person_are_limited,
}

async fn stream(person: &Person, path: &str, last: Option<&str>) -> Events {
    let request = person.request(Method::GET, path);
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    Events::of(person.events(request).await)
}

async fn events_are_read_from_a_place(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    for n in 1..=3 {
        person.say(&room, &format!("第{n}句")).await;
    }
    let page = person.get(&format!("/api/conversations/{room}/events?since=1")).await;
    let data = page.data();
    assert_eq!((&data["head"], &data["more"], &data["reset"]), (&json!(3), &json!(false), &json!(false)));
    assert!(data["epoch"].is_string() && data["streams"] == json!([]));
    let events = data["events"].as_array().expect("events");
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["event"], &events[0]["roomId"], &events[0]["seq"]),
        (&json!("message"), &json!(room), &json!(2))
    );
    assert_eq!(events[0]["message"]["fromUser"]["nickName"], "one");
    assert!(events[0].get("op").is_none() && events[0]["message"].get("isLikedByMe").is_none());
    let now = person.get(&format!("/api/rooms/{room}/events")).await;
    assert_eq!((&now.data()["events"], &now.data()["head"]), (&json!([]), &json!(3)));
}

async fn a_poll_waits_for_what_happens(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&["classics_kongzi"]).await;
    let (events, _) =
        tokio::join!(person.events_until(&room, 0, "ai_end"), person.say(&room, "@孔子 仁是什么？"));
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(kinds, ["message", "ai_start", "ai_end"]);
    assert_eq!(events[1]["aiInfo"]["name"], "孔子");
    let (end, text) = (&events[2], events[2]["text"].as_str().expect("the whole text"));
    assert_eq!(end["length"].as_u64(), u64::try_from(text.encode_utf16().count()).ok());
    assert_eq!((&end["why"], &end["status"]), (&json!("done"), &json!("done")));
    assert!(end["aigc"]["label"] == "1" && end["usage"]["credits"].is_i64(), "{end}");
}

async fn a_poll_that_waits_in_vain_says_so(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let page = person.get(&format!("/api/rooms/{room}/events?since=0&wait=1")).await;
    assert_eq!((&page.data()["events"], &page.data()["head"]), (&json!([]), &json!(0)));
}

async fn a_session_has_events_too(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    person.ask(&session, &json!({ "content": "仁是什么？" })).await.data();
    let events = person.events_until(&session, 0, "ai_end").await;
    assert_eq!(events.len(), 3);
}

async fn another_epoch_begins_anew(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    person.say(&room, "甲").await;
    for query in ["since=0&epoch=another", "since=9"] {
        let page = person.get(&format!("/api/rooms/{room}/events?{query}&wait=25")).await;
        let data = page.data();
        assert_eq!((&data["reset"], &data["events"], &data["head"]), (&json!(true), &json!([]), &json!(1)));
    }
}

async fn a_stream_recovers_and_goes_on(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    person.say(&room, "一").await;
    person.say(&room, "二").await;
    let path = format!("/api/rooms/{room}/events");
    let mut events = stream(&person, &path, Some("1")).await;
    let first = events.next().await.expect("the recovery");
    assert_eq!((first.name.as_str(), &first.data["head"]), ("recovery", &json!(2)));
    let second = events.next().await.expect("what was missed");
    assert_eq!((second.id.as_str(), second.name.as_str()), ("2", ""));
    assert_eq!(second.data["message"]["content"], "二");
    person.say(&room, "三").await;
    let third = events.next().await.expect("what happens");
    assert_eq!((third.id.as_str(), &third.data["message"]["content"]), ("3", &json!("三")));
    let mut live = stream(&person, &path, None).await;
    assert_eq!(live.next().await.expect("the recovery").data["head"], 3);
    person.say(&room, "四").await;
    assert_eq!(live.next().await.expect("what happens").id, "4");
}

async fn a_stream_ends_with_the_membership(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    person.post("/api/rooms/diary_room/join", &json!({})).await.data();
    let mut events = stream(&person, "/api/rooms/diary_room/events", None).await;
    events.until("recovery").await;
    person.post("/api/rooms/diary_room/leave", &json!({})).await.data();
    let rest: Vec<Value> = events.all().await.into_iter().map(|event| event.data["action"].clone()).collect();
    assert!(rest.is_empty() || rest == ["left"], "{rest:?}");
}

async fn watches_of_a_person_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.connections_per_user = 1).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let path = format!("/api/rooms/{room}/events");
    let mut open = stream(&person, &path, None).await;
    open.until("recovery").await;
    assert_eq!(person.get(&path).await.error(), (429, "too_many_streams"));
    drop(open);
    // The server notices a closed connection when it next has something to write or to read.
    let again = async {
        while person.get(&path).await.status != 200 {
            person.say(&room, "还在").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("the place is free again");
}
