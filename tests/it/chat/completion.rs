//! Answers for other programs: nothing is stored but what they cost.

use chat::ports::ModelError;
use chat::prompt::PromptRole;
use chat::{ChatError, Completion, CompletionEvent, Failure};
use futures::StreamExt;
use futures::stream::BoxStream;
use kernel::TokenUsage;
use tests::backends::Backend;
use tests::house::{House, TARIFF, WELCOME, driven};

const USAGE: TokenUsage = TokenUsage { prompt: 200, cached: 50, completion: 120, reasoning: 20 };

super::on_both_databases!(
    a_whole_answer_costs_exactly_its_usage,
    a_caller_that_goes_away_stops_the_answer_and_pays_for_what_it_got,
    a_model_that_fails_before_any_text_costs_nothing,
    too_little_credit_calls_nobody,
    a_program_has_so_many_answers_at_once,
    a_character_answers_by_its_id_or_its_name,
    a_slow_caller_makes_the_model_wait,
);

fn asking(text: &str) -> Completion {
    Completion { messages: vec![(PromptRole::User, text.to_owned())], ..Completion::default() }
}

async fn asked(house: &House, completion: Completion) -> BoxStream<'static, CompletionEvent> {
    house.chat.complete(house.user, completion).await.expect("an answer begins").1
}

async fn books_are_right(house: &House) {
    let report = house.billing.check().await.expect("a report");
    assert!(report.ok, "{report:?}");
    assert_eq!(house.balance().await.1, 0, "nothing is held any more");
}

async fn nothing_is_held(house: &House) {
    driven(&house.clock, async {
        while house.balance().await.1 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_whole_answer_costs_exactly_its_usage(backend: &Backend) {
    let mut house = House::on(backend);
    let answer = asked(&house, asking("学而时习之是什么意思？")).await;
    let call = house.call().await;
    assert!(!call.request.prompt.system.contains("学而"));
    call.say("学而");
    call.say("时习之");
    call.finish(USAGE);
    let events: Vec<CompletionEvent> = driven(&house.clock, answer.collect()).await;
    let [
        CompletionEvent::Text(one),
        CompletionEvent::Text(two),
        CompletionEvent::Done { text, model, usage },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((format!("{one}{two}").as_str(), text.as_str()), ("学而时习之", "学而时习之"));
    let usage = usage.unwrap();
    assert_eq!((model.as_str(), usage.tokens), ("scripted", USAGE));
    assert_eq!(usage.credits, TARIFF.cost(USAGE).unwrap());
    // Paid before it is said to be done.
    assert_eq!(house.balance().await, (WELCOME - usage.credits.get(), 0));
    assert_eq!(house.chat.running_count(), 0);
    books_are_right(&house).await;
}

async fn a_caller_that_goes_away_stops_the_answer_and_pays_for_what_it_got(backend: &Backend) {
    let mut house = House::on(backend);
    let mut answer = asked(&house, asking("问")).await;
    let call = house.call().await;
    call.say("学而时习之");
    let first = driven(&house.clock, answer.next()).await;
    assert_eq!(first, Some(CompletionEvent::Text("学而时习之".to_owned())));
    let prompt = chat::prompt::tokens_estimate(&call.request.prompt);
    drop(answer);
    nothing_is_held(&house).await;
    assert!(call.is_cancelled());
    // The prompt at one credit a token, and three tokens of output at four.
    assert_eq!(house.balance().await.0, WELCOME - i64::from(prompt) - 12);
    books_are_right(&house).await;
}

async fn a_model_that_fails_before_any_text_costs_nothing(backend: &Backend) {
    let mut house = House::on(backend);
    let answer = asked(&house, asking("问")).await;
    house.call().await.fail(ModelError::Timeout);
    let events: Vec<CompletionEvent> = driven(&house.clock, answer.collect()).await;
    let expected = CompletionEvent::Failed { text: String::new(), failure: Failure::ModelTimeout };
    assert_eq!(events, [expected]);
    assert_eq!(house.balance().await, (WELCOME, 0));
    books_are_right(&house).await;
}

async fn too_little_credit_calls_nobody(backend: &Backend) {
    let mut house = House::on(backend);
    house.leave_only(500).await;
    let refused = house.chat.complete(house.user, asking("问")).await.err();
    assert!(matches!(refused, Some(ChatError::InsufficientBalance { .. })), "{refused:?}");
    let endless = house.chat.complete(house.user, asking(&"学".repeat(200_000))).await.err();
    assert!(matches!(endless, Some(ChatError::Invalid { .. })), "{endless:?}");
    assert!(house.calls.try_recv().is_err(), "nobody is called without a hold");
    assert_eq!((house.balance().await.0, house.chat.running_count()), (500, 0));
}

async fn a_program_has_so_many_answers_at_once(backend: &Backend) {
    let mut house = House::on(backend);
    let first = asked(&house, asking("一")).await;
    let second = asked(&house, asking("二")).await;
    let third = house.chat.complete(house.user, asking("三")).await.err();
    assert!(matches!(third, Some(ChatError::TooManyStreams { limit: 2 })), "{third:?}");
    for _ in 0..2 {
        house.call().await.finish(USAGE);
    }
    driven(&house.clock, first.collect::<Vec<_>>()).await;
    driven(&house.clock, second.collect::<Vec<_>>()).await;
    let fourth = asked(&house, asking("四")).await;
    house.call().await.finish(USAGE);
    driven(&house.clock, fourth.collect::<Vec<_>>()).await;
    books_are_right(&house).await;
}

async fn a_character_answers_by_its_id_or_its_name(backend: &Backend) {
    let mut house = House::on(backend);
    for (wanted, instructions) in
        [("classics_laozi", "你是老子。"), ("孟子", "你是孟子。"), ("小美", "你是一位乐于助人的助手")]
    {
        let completion = Completion { character: Some(wanted.to_owned()), ..asking("问") };
        let answer = asked(&house, completion).await;
        let call = house.call().await;
        assert!(call.request.prompt.system.starts_with(instructions), "{wanted}");
        call.finish(USAGE);
        driven(&house.clock, answer.collect::<Vec<_>>()).await;
    }
}

async fn a_slow_caller_makes_the_model_wait(backend: &Backend) {
    let mut house = House::on(backend);
    let answer = asked(&house, asking("问")).await;
    let call = house.call().await;
    let pieces = 100;
    for n in 0..pieces {
        call.say(&format!("{n},"));
    }
    call.finish(USAGE);
    let events: Vec<CompletionEvent> = driven(&house.clock, answer.collect()).await;
    assert_eq!(events.len(), pieces + 1);
    let Some(CompletionEvent::Done { text, .. }) = events.last() else { panic!("{events:?}") };
    assert!(text.starts_with("0,1,") && text.ends_with("98,99,"));
}
