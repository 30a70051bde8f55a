//! Streams: what is read from them, however they are framed, and how they end too early.

use chat::ports::{FinishReason, ModelError, ReplyEvent, ReplyModel};
use futures::StreamExt;
use kernel::TokenUsage;
use serde_json::{Value, json};
use tests::contract::reply_model::{Read, read, request};
use tests::fakes::openai::{Gate, Script};

use super::{Bench, KEY};

async fn played(script: Script) -> (Read, Bench) {
    let bench = Bench::new().await;
    bench.endpoint.script(script);
    let read = read(&*bench.model, &request("学而？")).await;
    (read, bench)
}

fn cut(read: &Read) -> &str {
    match &read.error {
        Some(ModelError::Cut(why)) => why,
        other => panic!("expected a cut: {other:?}"),
    }
}

#[tokio::test]
async fn text_thinking_finish_and_usage_are_read() {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 50, "prompt_cache_hit_tokens": 40,
        "prompt_cache_miss_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 10}});
    let script = Script::stream().thought("嗯").thought("好").text("学而").text("时习之").finish("stop");
    let (read, _) = played(script.usage(&usage).done()).await;
    assert_eq!(read.text, "学而时习之");
    assert_eq!(read.thoughts, 2);
    assert_eq!(read.usage, Some(TokenUsage { prompt: 100, cached: 40, completion: 50, reasoning: 10 }));
    assert_eq!(read.finish, Some((FinishReason::Stop, Some("fake-model-1".to_owned()))));
}

#[tokio::test]
async fn a_request_always_streams_and_says_who_asks_and_how_much_is_wanted() {
    let (_, bench) = played(Script::stream().finish("stop").done()).await;
    let recorded = bench.endpoint.requests().remove(0);
    assert_eq!(recorded.path, "/v1/chat/completions");
    assert_eq!(recorded.authorization, Some(format!("Bearer {KEY}")));
    let body = &recorded.body;
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    assert_eq!(body["model"], "provider-model");
    assert_eq!(body["max_tokens"], 4_000);
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    assert_eq!((&body["user_id"], &body["user"]), (&json!("tag-1"), &json!("tag-1")));
    let roles: Vec<&Value> = body["messages"].as_array().unwrap().iter().map(|said| &said["role"]).collect();
    assert_eq!(roles, ["system", "user"]);
}

#[tokio::test]
async fn the_last_usage_wins_wherever_it_stands() {
    let early = json!({"prompt_tokens": 1, "completion_tokens": 1});
    let late =
        json!({"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}});
    let script = Script::stream().usage(&early).text("学").data(&json!({
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": late,
    }));
    let (read, _) = played(script.done()).await;
    assert_eq!(read.usage, Some(TokenUsage { prompt: 9, cached: 3, completion: 7, reasoning: 0 }));
}

#[tokio::test]
async fn usage_may_be_missing() {
    let (read, _) = played(Script::stream().text("学").finish("length").done()).await;
    assert_eq!((read.usage, read.finish.unwrap().0), (None, FinishReason::Length));
}

#[tokio::test]
async fn unknown_reasons_for_a_finish_survive() {
    let (read, _) = played(Script::stream().text("学").finish("insufficient_system_resource").done()).await;
    assert_eq!(read.finish.unwrap().0, FinishReason::Other("insufficient_system_resource".to_owned()));
    let (read, _) = played(Script::stream().text("学").finish("content_filter").done()).await;
    assert_eq!(read.finish.unwrap().0, FinishReason::ContentFilter);
}

#[tokio::test]
async fn characters_and_lines_may_be_split_anywhere() {
    let whole = format!("data: {}\r\n\r\n", json!({"choices": [{"delta": {"content": "𠀀学而👨‍👩‍👧"}}]}));
    let mut script = Script::stream();
    for byte in whole.as_bytes() {
        script = script.raw(&[*byte]);
    }
    let (read, _) = played(script.finish("stop").done()).await;
    assert_eq!(read.text, "𠀀学而👨‍👩‍👧");
}

#[tokio::test]
async fn comments_and_strange_fields_are_no_content() {
    let script = Script::stream().keep_alive().raw(b"\r\n\nretry: 5\nid: 7\nevent: ping\n\n");
    let strange = json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [{"x": 1}]}, "logprobs": 3}],
        "service_tier": "gold", "created": "yesterday"});
    let (read, _) = played(script.data(&strange).text("学").keep_alive().finish("stop").done()).await;
    assert_eq!(read.text, "学");
}

#[tokio::test]
async fn an_end_without_done_is_whole_after_the_finish() {
    for script in
        [Script::stream().text("学").finish("stop").end(), Script::stream().text("学").finish("stop")]
    {
        let (read, _) = played(script).await;
        assert_eq!((read.text.as_str(), read.finish.unwrap().0), ("学", FinishReason::Stop));
    }
}

#[tokio::test]
async fn an_end_without_a_finish_is_a_cut_and_never_a_whole_answer() {
    let endings: [fn(Script) -> Script; 4] =
        [Script::done, Script::end, |script| script, |script| script.raw(b"data: {\"choi")];
    for ending in endings {
        let (read, _) = played(ending(Script::stream().text("学而"))).await;
        assert_eq!(read.text, "学而");
        cut(&read);
    }
}

#[tokio::test]
async fn garbage_is_a_cut_that_repeats_nothing_of_it() {
    for garbage in
        ["data: {\"secret prompt\n\n", "data: 学而时习之\n\n", "data: [1,2]\n\n", "data: \u{0}\n\n"]
    {
        let (read, _) =
            played(Script::stream().text("学").raw(garbage.as_bytes()).finish("stop").done()).await;
        assert_eq!(read.text, "学");
        assert!(!cut(&read).contains("prompt") && !cut(&read).contains("学"), "{garbage}");
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_the_endpoint_left() {
    let (read, bench) = played(Script::stream().text("学").raw(b"data: ").flood(1_024).done()).await;
    assert_eq!(cut(&read), "a line of the stream is too long");
    bench.endpoint.hung_up(1).await;
}

#[tokio::test]
async fn an_error_inside_the_stream_ends_it_without_the_vendors_words() {
    let error =
        json!({"error": {"message": "your prompt 学而", "type": "server_error", "code": "overloaded"}});
    let (read, _) = played(Script::stream().text("学").data(&error).done()).await;
    assert_eq!(cut(&read), "the endpoint reported an error: server_error, overloaded");
    let (read, _) = played(Script::stream().data(&error).done()).await;
    assert!(matches!(read.error, Some(ModelError::Unavailable(_))), "{read:?}");
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_call() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    bench.endpoint.script(Script::stream().text("学").wait(&gate));
    let mut events = bench.begin().await;
    assert_eq!(events.next().await, Some(Ok(ReplyEvent::Text("学".to_owned()))));
    drop(events);
    bench.endpoint.hung_up(1).await;
}

#[tokio::test]
async fn dropping_the_call_before_the_answer_cancels_it_too() {
    let bench = Bench::new().await;
    let gate = Gate::new();
    bench.endpoint.script(Script::silent(&gate));
    let asked = request("学而？");
    let call = bench.model.stream(&asked);
    tokio::select! {
        _ = call => panic!("nothing was answered"),
        () = gate.reached() => {}
    }
    bench.endpoint.hung_up(1).await;
}
