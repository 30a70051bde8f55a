//! Refusals: what is tried again, how often and after how long, and what is not.

use std::sync::Arc;

use chat::ports::{ModelError, ReplyModel};
use kernel::{ManualClock, Timestamp};
use serde_json::{Value, json};
use tests::contract::reply_model::{Read, read, request};
use tests::fakes::openai::{FakeOpenAi, Script};
use tokio::task::JoinHandle;

use super::{Bench, adapter_on};

/// With the first content's timer, the wait before another attempt is the second.
const TIMERS_WHILE_WAITING: usize = 2;
const LONGEST_DELAY_MS: i64 = 10_000;

fn error(status: u16, headers: &[(&str, &str)]) -> Script {
    let error: Value = json!({"message": "prompt 学而 key sk-1", "type": "some_error", "code": "some_code"});
    Script::error(status, headers, &error)
}

impl Bench {
    /// Reads an answer in the background, so that the test can move the clock.
    fn reading(&self) -> JoinHandle<Read> {
        let model = Arc::clone(&self.model);
        #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
        tokio::spawn(async move { read(&*model, &request("学而？")).await })
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_twice_and_then_given_up() {
    for status in [429, 500, 502, 503] {
        let bench = Bench::new().await;
        for _ in 0..3 {
            bench.endpoint.script(error(status, &[]));
        }
        let reading = bench.reading();
        for _ in 0..2 {
            bench.timers(TIMERS_WHILE_WAITING).await;
            bench.clock.advance_millis(LONGEST_DELAY_MS);
        }
        let read = reading.await.unwrap();
        let Some(ModelError::Unavailable(why)) = read.error else { panic!("{status}: {read:?}") };
        assert!(why.contains(&status.to_string()) && why.ends_with(": some_error, some_code"), "{why}");
        assert_eq!(bench.endpoint.requests().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn an_attempt_that_succeeds_is_the_answer() {
    let bench = Bench::new().await;
    bench.endpoint.script(error(503, &[]));
    bench.endpoint.script(Script::stream().text("学").finish("stop").done());
    let reading = bench.reading();
    bench.timers(TIMERS_WHILE_WAITING).await;
    bench.clock.advance_millis(LONGEST_DELAY_MS);
    assert_eq!(reading.await.unwrap().text, "学");
}

#[tokio::test]
async fn retry_after_is_honoured_to_the_millisecond_and_capped() {
    for (asked, waited_ms) in [("3", 3_000), ("86400", 10_000)] {
        let bench = Bench::new().await;
        bench.endpoint.script(error(429, &[("retry-after", asked)]));
        let reading = bench.reading();
        bench.timers(TIMERS_WHILE_WAITING).await;
        bench.clock.advance_millis(waited_ms - 1);
        assert_eq!(bench.clock.sleeper_count(), TIMERS_WHILE_WAITING, "it still waits");
        bench.clock.advance_millis(1);
        assert!(reading.await.unwrap().finish.is_some());
        assert_eq!(bench.endpoint.requests().len(), 2);
    }
}

#[tokio::test]
async fn what_a_repetition_cannot_change_is_not_repeated() {
    for status in [400, 401, 402, 403, 404, 422, 501] {
        let bench = Bench::new().await;
        bench.endpoint.script(error(status, &[("retry-after", "0")]));
        let read = read(&*bench.model, &request("学而？")).await;
        let Some(ModelError::Unavailable(why)) = read.error else { panic!("{status}: {read:?}") };
        assert!(!why.contains("学而") && !why.contains("sk-1"), "{why}");
        assert_eq!(bench.endpoint.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_of_another_kind_is_refused() {
    let bodies = [
        Script::head(200, &[("content-type", "application/json")]).raw(b"{\"choices\":[]}").end(),
        Script::head(200, &[("content-type", "text/html")]).raw(b"<html>").end(),
        Script::head(200, &[("content-type", "text/event-stream"), ("content-encoding", "gzip")])
            .flood(64)
            .end(),
        Script::head(302, &[("location", "http://169.254.169.254/")]).end(),
    ];
    for body in bodies {
        let bench = Bench::new().await;
        bench.endpoint.script(body);
        let read = read(&*bench.model, &request("学而？")).await;
        assert!(matches!(read.error, Some(ModelError::Unavailable(_))), "{read:?}");
        assert_eq!(bench.endpoint.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_tried_again_and_then_unavailable() {
    let bench = Bench::new().await;
    let model = Arc::new(adapter_on("http://127.0.0.1:1/v1", bench.clock.clone()));
    let bench = Bench { model, ..bench };
    let reading = bench.reading();
    for _ in 0..2 {
        bench.timers(TIMERS_WHILE_WAITING).await;
        bench.clock.advance_millis(LONGEST_DELAY_MS);
    }
    let error = reading.await.unwrap().error;
    assert_eq!(error, Some(ModelError::Unavailable("the endpoint cannot be reached".to_owned())));
    assert!(!bench.model.is_ready().await);
}

#[tokio::test]
async fn an_unknown_alias_asks_nobody() {
    let bench = Bench::new().await;
    let mut asked = request("学而？");
    asked.model_alias = "unheard-of".to_owned();
    let read = read(&*bench.model, &asked).await;
    assert!(matches!(read.error, Some(ModelError::Unavailable(_))));
    assert!(bench.endpoint.requests().is_empty());
}

#[tokio::test]
async fn readiness_is_asked_once_in_a_while() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let endpoint = FakeOpenAi::start().await;
    let model = adapter_on(&endpoint.url(), clock.clone());
    assert!(model.is_ready().await);
    drop(endpoint);
    assert!(model.is_ready().await, "a fresh answer is believed");
    clock.advance_millis(5_000);
    while model.is_ready().await {
        // The listener closes when its task has been ended, which takes a moment.
        clock.advance_millis(5_000);
        tokio::task::yield_now().await;
    }
}
