//! Every reply ends once, and is charged for what its end says.

use chat::ports::ModelError;
use chat::{ChatError, EndReason, Failure, Message, MessageStatus, Question, StopState};
use futures::future::join_all;
use kernel::{MessageId, TokenUsage};
use tests::backends::Backend;
use tests::house::{House, TARIFF, WELCOME, driven};

const USAGE: TokenUsage = TokenUsage { prompt: 200, cached: 50, completion: 120, reasoning: 20 };

super::on_both_databases!(
    a_whole_reply_costs_exactly_its_usage,
    a_model_that_fails_before_any_text_costs_nothing,
    a_cut_stream_costs_what_was_shown,
    a_stopped_reply_keeps_its_text_and_the_call_is_cancelled,
    a_stop_before_the_first_word_is_heard,
    a_marker_without_a_passage_is_removed_and_a_true_one_cited,
    too_little_credit_stores_nothing_and_calls_nobody,
    a_second_question_waits_for_the_first_reply,
    a_repeated_client_message_id_replays_and_another_text_conflicts,
    twenty_retries_at_once_make_one_exchange,
    a_deleted_session_settles_its_running_reply,
    a_dead_owner_is_closed_once_and_its_late_text_refused,
    an_owner_that_gave_up_is_closed_by_its_own_sweep,
    a_process_that_ends_closes_its_replies_and_begins_none,
    a_nul_of_the_model_reaches_no_store,
);

async fn finished(house: &House, reply: MessageId) -> Message {
    driven(&house.clock, house.chat.finished(house.user, reply)).await.expect("an end")
}

async fn books_are_right(house: &House) {
    let report = house.billing.check().await.expect("a report");
    assert!(report.ok, "{report:?}");
    assert_eq!(house.balance().await.1, 0, "nothing is held any more");
}

async fn a_whole_reply_costs_exactly_its_usage(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "学而时习之是什么意思？").await.unwrap();
    let call = house.call().await;
    call.say("学而");
    call.say("时习之");
    call.finish(USAGE);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.status, message.why), (MessageStatus::Done, Some(EndReason::Done)));
    assert_eq!(message.content, "学而时习之");
    let usage = message.usage.unwrap();
    assert_eq!(usage.tokens, USAGE);
    assert_eq!(usage.credits, TARIFF.cost(USAGE).unwrap());
    assert_eq!(house.balance().await.0, WELCOME - usage.credits.get());
    books_are_right(&house).await;
}

async fn a_model_that_fails_before_any_text_costs_nothing(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    house.call().await.fail(ModelError::Timeout);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.status, message.failure), (MessageStatus::Failed, Some(Failure::ModelTimeout)));
    assert_eq!(message.usage, None);
    assert_eq!(house.balance().await.0, WELCOME);
    books_are_right(&house).await;
}

async fn a_cut_stream_costs_what_was_shown(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学而时习之");
    drop(call);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.status, message.why), (MessageStatus::Failed, Some(EndReason::Error)));
    assert_eq!(message.content, "学而时习之");
    // Three tokens of output, at four credits each.
    assert_eq!(message.usage.unwrap().credits.get(), 12);
    assert_eq!(house.balance().await.0, WELCOME - 12);
    books_are_right(&house).await;
}

async fn a_stopped_reply_keeps_its_text_and_the_call_is_cancelled(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学而时习之");
    // The id may be the question's, too.
    let state = driven(&house.clock, house.chat.stop(house.user, asked.question.id)).await.unwrap();
    assert_eq!(state, StopState::Stopped);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.status, message.content.as_str()), (MessageStatus::Stopped, "学而时习之"));
    assert!(message.usage.unwrap().tokens.prompt > 0, "a stopped reply pays for its prompt");
    assert!(call.is_cancelled());
    let again = house.chat.stop(house.user, asked.reply.id).await.unwrap();
    assert_eq!(again, StopState::Stopped);
    books_are_right(&house).await;
}

async fn a_stop_before_the_first_word_is_heard(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    let state = driven(&house.clock, house.chat.stop(house.user, asked.reply.id)).await.unwrap();
    assert_eq!(state, StopState::Stopped);
    assert_eq!(finished(&house, asked.reply.id).await.content, "");
    assert!(call.is_cancelled());
    books_are_right(&house).await;
}

async fn a_marker_without_a_passage_is_removed_and_a_true_one_cited(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    assert_eq!(call.request.prompt.passages.len(), 1);
    call.say("「学而时习之」[");
    call.say("1]，又见[7]。");
    call.finish(USAGE);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!(message.content, "「学而时习之」[1]，又见。");
    let cited: Vec<(u32, &str)> =
        message.citations.iter().map(|citation| (citation.n, citation.passage_id.as_str())).collect();
    assert_eq!(cited, [(1, "lunyu.1.1")]);
}

async fn too_little_credit_stores_nothing_and_calls_nobody(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    // A held reply and a spent one leave less than the least answer needs.
    let spend = TokenUsage { prompt: 0, cached: 0, completion: 249_900, reasoning: 0 };
    house.billing.ensure_account(house.user).await.unwrap();
    spend_directly(&house, spend).await;
    let refused = house.ask(&session, "问").await;
    assert!(matches!(refused, Err(ChatError::InsufficientBalance { .. })), "{refused:?}");
    assert!(house.calls.try_recv().is_err(), "nobody is called without a hold");
    let newest = chat::ports::HistoryQuery::Newest { limit: 10 };
    assert!(house.chat.history(house.user, session.id.as_str(), newest).await.unwrap().messages.is_empty());
    books_are_right(&house).await;
}

/// Spends by a reply of nobody's, through billing alone.
async fn spend_directly(house: &House, tokens: TokenUsage) {
    let message_id: MessageId = "00000000-0000-7000-8000-00000000beef".parse().unwrap();
    let at = kernel::Clock::now(&*house.clock);
    let request = billing::HoldRequest {
        message_id,
        payer: billing::Owner::User(house.user),
        model_alias: "default".to_owned(),
        prompt_tokens_max: 0,
        output_tokens_wanted: tokens.completion,
        output_tokens_min: tokens.completion,
        at,
    };
    house.billing.reserve(request).await.unwrap();
    let credits = TARIFF.cost(tokens).unwrap();
    house
        .billing
        .settle(billing::Charge { message_id, tokens, credits, is_estimated: false, at })
        .await
        .unwrap();
}

async fn a_second_question_waits_for_the_first_reply(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "一").await.unwrap();
    let refused = house.ask(&session, "二").await;
    assert!(matches!(refused, Err(ChatError::ReplyInProgress)), "{refused:?}");
    house.call().await.finish(USAGE);
    finished(&house, asked.reply.id).await;
    let second = house.ask(&session, "二").await.unwrap();
    house.call().await.finish(USAGE);
    finished(&house, second.reply.id).await;
    assert_eq!(second.question.seq, 4, "question, start, end, question: no hole");
    books_are_right(&house).await;
}

async fn a_repeated_client_message_id_replays_and_another_text_conflicts(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let question = |content: &str| Question {
        content: content.to_owned(),
        client_msg_id: Some("c-1".to_owned()),
        ..Question::default()
    };
    let first = house.chat.ask(house.user, session.id.as_str(), question("一")).await.unwrap();
    house.call().await.finish(USAGE);
    finished(&house, first.reply.id).await;
    let again = house.chat.ask(house.user, session.id.as_str(), question("一")).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.question.id, again.reply.id), (first.question.id, first.reply.id));
    let other = house.chat.ask(house.user, session.id.as_str(), question("二")).await;
    assert!(matches!(other, Err(ChatError::ClientMsgIdConflict)), "{other:?}");
    books_are_right(&house).await;
}

async fn twenty_retries_at_once_make_one_exchange(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let question =
        Question { content: "一".to_owned(), client_msg_id: Some("c-1".to_owned()), ..Question::default() };
    let retries = (0..20).map(|_| house.chat.ask(house.user, session.id.as_str(), question.clone()));
    let outcomes = join_all(retries).await;
    let mut replies = std::collections::BTreeSet::new();
    for outcome in outcomes {
        match outcome {
            Ok(asked) => {
                replies.insert(asked.reply.id);
            }
            // A retry beyond the person's streams is told so; it stores nothing either.
            Err(ChatError::TooManyStreams { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(replies.len(), 1);
    house.call().await.finish(USAGE);
    finished(&house, *replies.first().unwrap()).await;
    books_are_right(&house).await;
}

async fn a_deleted_session_settles_its_running_reply(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学而时习之");
    house.chat.delete(house.user, session.id.as_str()).await.unwrap();
    let (chat, clock) = (house.chat.clone(), house.clock.clone());
    driven(&clock, async move {
        while chat.running_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(matches!(house.chat.session(house.user, session.id.as_str()).await, Err(ChatError::NotFound)));
    books_are_right(&house).await;
}

async fn a_dead_owner_is_closed_once_and_its_late_text_refused(backend: &Backend) {
    let mut dead = House::on(backend);
    let heir = dead.second(backend);
    dead.chat.renew_lease().await.unwrap();
    let session = dead.session().await;
    let asked = dead.ask(&session, "问").await.unwrap();
    let call = dead.call().await;
    call.say("学而时习之");
    let mut watched = heir.chat.follow(heir.user, asked.reply.id, None, None).await.unwrap();
    let mut seen = String::new();
    while seen.is_empty() {
        let frame = driven(&heir.clock, futures::StreamExt::next(&mut watched)).await.unwrap();
        seen = tests::house::text_of(&[frame]);
    }
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 0, "a lease that lives is respected");
    heir.clock.advance_millis(20_000);
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 1);
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 0);
    let message = heir.chat.message(heir.user, asked.reply.id).await.unwrap();
    assert_eq!((message.why, message.generation), (Some(EndReason::Lost), 2));
    assert_eq!(message.content, seen, "what was received is what is stored");
    call.say("迟到");
    let (chat, clock) = (dead.chat.clone(), dead.clock.clone());
    driven(&clock, async move {
        while chat.running_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(heir.chat.message(heir.user, asked.reply.id).await.unwrap(), message);
    books_are_right(&heir).await;
}

async fn an_owner_that_gave_up_is_closed_by_its_own_sweep(backend: &Backend) {
    let house = House::on(backend);
    house.chat.renew_lease().await.unwrap();
    let session = house.session().await;
    // A saga in the log that no task is at work on: what a lost answer of the database leaves behind.
    let orphan = tests::house::orphan(backend, &house, &session).await;
    assert_eq!(house.chat.sweep(10).await.unwrap(), 1);
    let message = house.chat.message(house.user, orphan).await.unwrap();
    assert_eq!(message.why, Some(EndReason::Lost));
    books_are_right(&house).await;
}

async fn a_process_that_ends_closes_its_replies_and_begins_none(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学而时习之");
    house.chat.hand_over();
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.why, message.content.as_str()), (Some(EndReason::Lost), "学而时习之"));
    assert!(call.is_cancelled());
    let refused = house.ask(&session, "再问").await;
    assert!(matches!(refused, Err(ChatError::Port(_))), "{refused:?}");
    books_are_right(&house).await;
}

async fn a_nul_of_the_model_reaches_no_store(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学\0而");
    call.finish(USAGE);
    let message = finished(&house, asked.reply.id).await;
    assert_eq!((message.status, message.content.as_str()), (MessageStatus::Done, "学而"));
    books_are_right(&house).await;
}
