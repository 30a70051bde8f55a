//! Event streams end with the sign-in of who reads them, in bounded time, and say why.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use reqwest::Method;
use serde_json::json;
use tests::app::{Events, Person, Profile, TestApp};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    a_sign_out_ends_the_streams,
    a_token_that_runs_out_ends_the_stream,
    a_ban_that_no_news_tells_of_ends_the_stream_within_a_minute,
    a_long_poll_ends_with_the_sign_in,
    a_reply_s_stream_ends_with_the_sign_in_and_the_reply_goes_on,
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)))
}

async fn watch(person: &Person, path: &str) -> Events {
    let mut events = Events::of(person.events(person.request(Method::GET, path)).await);
    events.until("recovery").await;
    events
}

/// Nothing but the reason and the end.
async fn ends(mut events: Events, slug: &str) {
    let last = events.next().await.expect("the reason");
    assert_eq!((last.name.as_str(), &last.data["error"]), ("error", &json!(slug)), "{last:?}");
    assert!(last.data["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert_eq!(events.next().await, None);
}

async fn a_sign_out_ends_the_streams(profile: Profile) {
    let clock = clock();
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let (person, other) = (app.person("one").await, app.person("two").await);
    let (room, session) = (person.room(&[]).await, person.session().await);
    let watches = [
        watch(&person, &format!("/api/rooms/{room}/events")).await,
        watch(&person, &format!("/api/conversations/{session}/events")).await,
    ];
    let others = other.room(&[]).await;
    let mut unharmed = watch(&other, &format!("/api/rooms/{others}/events")).await;
    assert_eq!(person.post("/api/auth/logout", &json!({})).await.status, 200);
    clock.advance_millis(1_000);
    for events in watches {
        ends(events, "unauthorized").await;
    }
    other.say(&others, "还在").await;
    assert_eq!(unharmed.next().await.expect("what happens").id, "1");
}

async fn a_token_that_runs_out_ends_the_stream(profile: Profile) {
    let clock = clock();
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let events = watch(&person, &format!("/api/rooms/{room}/events")).await;
    clock.advance_millis(901_000);
    ends(events, "token_expired").await;
}

async fn a_ban_that_no_news_tells_of_ends_the_stream_within_a_minute(profile: Profile) {
    let clock = clock();
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let events = watch(&person, &format!("/api/rooms/{room}/events")).await;
    app.ban_unheard(&person).await;
    clock.advance_millis(59_000);
    ends(events, "unauthorized").await;
}

async fn a_long_poll_ends_with_the_sign_in(profile: Profile) {
    let clock = clock();
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("one").await;
    let room = person.room(&[]).await;
    let path = format!("/api/rooms/{room}/events?since=0&wait=25");
    let sign_out = async {
        assert_eq!(person.post("/api/auth/logout", &json!({})).await.status, 200);
        // Whether the poll has begun is not to be seen from here: once it has, it ends within a second.
        loop {
            clock.advance_millis(1_000);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let poll = person.get(&path);
    futures::pin_mut!(sign_out, poll);
    let answer = match futures::future::select(poll, sign_out).await {
        futures::future::Either::Left((answer, _)) => answer,
        futures::future::Either::Right((never, _)) => never,
    };
    assert_eq!(answer.error(), (401, "unauthorized"));
}

async fn a_reply_s_stream_ends_with_the_sign_in_and_the_reply_goes_on(profile: Profile) {
    let clock = clock();
    let app = TestApp::on_clock_with_model(profile, clock.clone()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).text("爱人").finish("stop").done());
    let mut events = person.stream(&session, "仁是什么？").await;
    let start = events.until("start").await;
    let reply = start.data["messageId"].as_str().expect("an id").to_owned();
    events.until("delta").await;
    let mut elsewhere = person.follow(&reply, "").await;
    elsewhere.until("delta").await;
    assert_eq!(person.post("/api/auth/logout", &json!({})).await.status, 200);
    clock.advance_millis(1_000);
    ends(events, "unauthorized").await;
    ends(elsewhere, "unauthorized").await;
    gate.reached().await;
    gate.open();
}
