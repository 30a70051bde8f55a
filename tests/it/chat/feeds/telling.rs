//! Watchers are told in time of what was written, though the bus is late or the answer to the write was lost.

use std::sync::Arc;

use adapter_sql::SqlEventLog;
use chat::ports::{EndOutcome, EventLog, ReplyEnd};
use chat::{EndReason, StopState};
use kernel::{ManualClock, Timestamp};
use tests::backends::Backend;
use tests::fakes::forgetful_log::ForgetfulLog;
use tests::fakes::lossy_bus::{LossyBus, Odds};
use tests::fakes::recorder::Recorder;
use tests::house::{House, Live, driven};

use super::{ended, joined};
use crate::chat::on_both_databases;

on_both_databases!(
    a_stop_is_answered_when_the_watchers_here_have_heard_of_the_end,
    a_question_whose_answer_was_lost_is_told_at_once,
    an_end_that_nobody_was_told_of_is_told_by_the_sweep,
);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)))
}

/// Waits for a seq without the regular look at the heads.
async fn hears(house: &House, client: &Recorder, seq: u64) {
    let heard = async {
        while client.seqs().last() != Some(&seq) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    driven(&house.clock, heard).await;
}

async fn a_stop_is_answered_when_the_watchers_here_have_heard_of_the_end(backend: &Backend) {
    // A bus that is as late as can be: it says nothing at all.
    let clock = clock();
    let mut live = Live::in_process(&clock);
    let silent = Odds { lost: 100, twice: 0, late: 0 };
    live.lane.broadcaster = Arc::new(LossyBus::new(live.lane.broadcaster, silent, 1));
    let mut house = House::start(backend, clock, live, 1);
    let session = house.session().await;
    let (_feed, client) = joined(&house, &session.id, Some(0)).await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    call.say("学而");
    let stopped = driven(&house.clock, house.chat.stop(house.user, asked.reply.id)).await.unwrap();
    assert_eq!((stopped, ended(&client)), (StopState::Stopped, 1));
    let stored = house.chat.message(house.user, asked.reply.id).await.unwrap();
    assert_eq!(client.text(asked.reply.id), stored.content);
}

async fn a_question_whose_answer_was_lost_is_told_at_once(backend: &Backend) {
    let clock = clock();
    let log = ForgetfulLog::new(Arc::new(SqlEventLog::new(backend.store.clone())));
    let live = Live::in_process(&clock);
    let house = House::start_with(backend, clock, live, 1, |ports| ports.log = log.clone());
    house.chat.renew_lease().await.unwrap();
    let session = house.session().await;
    let (_feed, client) = joined(&house, &session.id, Some(0)).await;
    log.lose_next();
    house.ask(&session, "问").await.unwrap_err();
    hears(&house, &client, 2).await;
    assert_eq!(house.chat.sweep(10).await.unwrap(), 1);
    hears(&house, &client, 3).await;
    assert_eq!(ended(&client), 1);
}

async fn an_end_that_nobody_was_told_of_is_told_by_the_sweep(backend: &Backend) {
    let house = House::on(backend);
    house.chat.renew_lease().await.unwrap();
    let session = house.session().await;
    let reply = tests::house::orphan(backend, &house, &session).await;
    let (_feed, client) = joined(&house, &session.id, Some(0)).await;
    let end = ReplyEnd {
        message_id: reply,
        generation: 1,
        generation_after: 1,
        why: EndReason::Stopped,
        failure: None,
        content: String::new(),
        citations: Vec::new(),
        usage: None,
        charge: None,
        model: None,
        at: kernel::Clock::now(&*house.clock),
    };
    let log = SqlEventLog::new(backend.store.clone());
    assert_eq!(log.append_end(&end).await.unwrap(), EndOutcome::Ended { seq: 3 });
    assert_eq!(house.chat.sweep(10).await.unwrap(), 1);
    hears(&house, &client, 3).await;
    assert_eq!(ended(&client), 1);
}
