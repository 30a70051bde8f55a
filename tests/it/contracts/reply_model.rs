//! ReplyModel: the offline model, and the adapter for OpenAI-compatible endpoints on a fake one.

use std::sync::Arc;

use adapter_memory::OfflineModel;
use kernel::{Clock, ManualClock, Timestamp};
use tests::contract::reply_model::{self as suite, read, request};
use tests::fakes::openai::FakeOpenAi;

use crate::reply_model::adapter_on;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)))
}

macro_rules! contract {
    ($($must:ident),* $(,)?) => {
        mod offline {
            $(#[tokio::test]
            async fn $must() {
                super::suite::$must(&super::OfflineModel::new(super::clock(), 0)).await;
            })*
        }
        mod openai_compatible {
            $(#[tokio::test]
            async fn $must() {
                let endpoint = super::FakeOpenAi::start().await;
                super::suite::$must(&super::adapter_on(&endpoint.url(), super::clock())).await;
            })*
        }
    };
}

contract! {
    an_answer_ends_with_one_finish,
    an_answer_is_counted,
    the_output_limit_ends_an_answer,
    readiness_is_known_in_time,
}

#[tokio::test]
async fn the_offline_model_says_the_same_to_the_same_request() {
    let model = OfflineModel::new(clock(), 0);
    assert_eq!(read(&model, &request("学而？")).await, read(&model, &request("学而？")).await);
}

#[tokio::test]
async fn the_offline_model_speaks_at_its_pace() {
    use chat::ports::ReplyModel;
    use futures::{FutureExt, StreamExt};

    let clock = clock();
    let model = OfflineModel::new(clock.clone(), 15);
    let mut events = model.stream(&request("学而？")).await.unwrap();
    let began = clock.now();
    assert!(events.next().now_or_never().is_some(), "the first piece comes at once");
    for _ in 0..5 {
        assert!(events.next().now_or_never().is_none());
        clock.advance_millis(15);
        assert!(events.next().now_or_never().is_some());
    }
    assert_eq!(clock.now().millis_since(began), 75);
}
