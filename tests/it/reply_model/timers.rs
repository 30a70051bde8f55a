//! Timers: how long an endpoint may be silent, before and between contents, and what counts as life.

use std::sync::Arc;

use async_trait::async_trait;
use chat::ports::{ModelError, ReplyEvent, ReplyModel};
use futures::StreamExt;
use kernel::{Clock, ManualClock, Timestamp};
use tests::contract::reply_model::request;
use tests::fakes::openai::{FakeOpenAi, Gate, Script};
use tokio::sync::watch;

use super::{Bench, adapter_on, is_pending};

fn text(text: &str) -> ReplyEvent {
    ReplyEvent::Text(text.to_owned())
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up_after_120_seconds() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    bench.endpoint.script(Script::silent(&gate));
    let asked = request("学而？");
    let mut call = bench.model.stream(&asked);
    tokio::select! {
        _ = &mut call => panic!("nothing was answered"),
        () = gate.reached() => {}
    }
    bench.clock.advance_millis(119_999);
    assert!(is_pending(&mut call));
    bench.clock.advance_millis(1);
    assert_eq!(call.await.err(), Some(ModelError::Timeout));
    bench.endpoint.hung_up(1).await;
}

#[tokio::test]
async fn a_stream_without_content_is_given_up_after_120_seconds() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    bench.endpoint.script(Script::stream().wait(&gate));
    let mut events = bench.begin().await;
    let mut first = events.next();
    assert!(is_pending(&mut first));
    bench.clock.advance_millis(120_000);
    assert_eq!(first.await, Some(Err(ModelError::Timeout)));
    assert_eq!(events.next().await, None);
    bench.endpoint.hung_up(1).await;
}

#[tokio::test]
async fn between_contents_45_seconds_are_the_limit_and_keep_alives_do_not_count() {
    let bench = Bench::new().await;
    let (more, end) = (Gate::new(), Gate::new());
    let script = Script::stream().text("学").wait(&more).text("而").keep_alive().wait(&end);
    bench.endpoint.script(script);
    let mut events = bench.begin().await;
    assert_eq!(events.next().await, Some(Ok(text("学"))));
    let mut second = events.next();
    assert!(is_pending(&mut second));
    bench.clock.advance_millis(44_999);
    assert!(is_pending(&mut second));
    more.open();
    assert_eq!(second.await, Some(Ok(text("而"))));
    let mut third = events.next();
    assert!(is_pending(&mut third));
    bench.clock.advance_millis(45_000);
    assert_eq!(third.await, Some(Err(ModelError::Timeout)));
}

#[tokio::test]
async fn thinking_counts_as_content() {
    let bench = Bench::new().await;
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let mut script = Script::stream();
    for gate in &gates {
        script = script.wait(gate).thought("嗯");
    }
    bench.endpoint.script(script.text("学").finish("stop").done());
    let mut events = bench.begin().await;
    for gate in &gates {
        let mut thought = events.next();
        assert!(is_pending(&mut thought));
        bench.clock.advance_millis(44_000);
        gate.open();
        assert_eq!(thought.await, Some(Ok(ReplyEvent::Thinking)));
    }
    assert_eq!(events.next().await, Some(Ok(text("学"))));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_after_ten_minutes() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    let mut script = Script::stream().text("学");
    for _ in 0..20 {
        script = script.wait(&gate).text("而");
    }
    bench.endpoint.script(script);
    let mut events = bench.begin().await;
    assert_eq!(events.next().await, Some(Ok(text("学"))));
    for _ in 0..15 {
        let mut next = events.next();
        assert!(is_pending(&mut next));
        bench.clock.advance_millis(39_000);
        gate.open();
        assert_eq!(next.await, Some(Ok(text("而"))));
    }
    let mut last = events.next();
    assert!(is_pending(&mut last));
    bench.clock.advance_millis(15_000);
    assert_eq!(last.await, Some(Err(ModelError::Cut("the answer took too long".to_owned()))));
}

#[tokio::test]
async fn after_the_finish_usage_is_waited_for_only_a_moment() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    bench.endpoint.script(Script::stream().text("学").finish("stop").wait(&gate));
    let mut events = bench.begin().await;
    assert_eq!(events.next().await, Some(Ok(text("学"))));
    assert!(matches!(events.next().await, Some(Ok(ReplyEvent::Finish { .. }))));
    let mut end = events.next();
    assert!(is_pending(&mut end));
    bench.clock.advance_millis(5_000);
    assert_eq!(end.await, None);
    bench.endpoint.hung_up(1).await;
}

/// A clock that tells how often it was asked for the time: whoever notes a sign of life asks it.
struct AskedClock {
    clock: ManualClock,
    asked: watch::Sender<usize>,
}

#[async_trait]
impl Clock for AskedClock {
    fn now(&self) -> Timestamp {
        self.asked.send_modify(|count| *count += 1);
        self.clock.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.clock.sleep_until(at).await;
    }
}

#[tokio::test]
async fn keep_alives_put_the_first_content_off_to_600_seconds_in_total() {
    let endpoint = FakeOpenAi::start().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_790_000_000_000));
    let clock = Arc::new(AskedClock { clock, asked: watch::Sender::new(0) });
    let model = adapter_on(&endpoint.url(), clock.clone());
    let gate = Gate::new();
    let mut script = Script::stream();
    for _ in 0..5 {
        script = script.wait(&gate).keep_alive();
    }
    endpoint.script(script.wait(&gate));
    let mut events = model.stream(&request("学而？")).await.unwrap();
    let mut first = events.next();
    let mut asked = clock.asked.subscribe();
    for _ in 0..5 {
        assert!(is_pending(&mut first));
        clock.clock.advance_millis(110_000);
        asked.mark_unchanged();
        gate.open();
        // The reader of bytes has seen the comment.
        asked.changed().await.unwrap();
    }
    assert!(is_pending(&mut first), "550 seconds are over, and it lives");
    clock.clock.advance_millis(49_999);
    assert!(is_pending(&mut first));
    clock.clock.advance_millis(1);
    assert_eq!(first.await, Some(Err(ModelError::Timeout)));
}
