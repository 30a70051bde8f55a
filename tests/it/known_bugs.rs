//! Billing bugs that other gateways had, each as a test that would have found it. They come in pairs: free answers and
//! full charges for nothing, checks that others overtake, and money that moves twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use adapter_sql::SqlLedger;
use billing::{
    BillingPorts, BillingService, BillingSettings, Calendar, Charge, DebitOutcome, HoldOutcome, HoldRequest,
    Owner, Price, PriceTable, SettleOutcome, Spending, VoidOutcome,
};
use futures::future::join_all;
use kernel::{Clock, Credits, Ids, ManualClock, Tariff, TokenUsage, UserId};
use tests::backends::Backend;
use tests::contract::books::{START, TTL_MS, ids, instance};

const FLASH: Tariff = Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 };

struct Shop {
    billing: BillingService,
    clock: Arc<ManualClock>,
    ids: Ids,
    user: UserId,
}

impl Shop {
    /// A person with so many credits.
    fn with(backend: &Backend, credits: i64) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let of_ledger = Arc::new(ids(1));
        let ledger = Arc::new(SqlLedger::new(backend.store.clone(), Arc::clone(&of_ledger)));
        let ports = BillingPorts { ledger: Arc::<SqlLedger>::clone(&ledger), cashier: ledger };
        let prices = PriceTable::new([Price::always("flash", FLASH)], Calendar::default()).unwrap();
        let settings = BillingSettings::new(Credits::new(credits), instance(1));
        let billing = BillingService::new(ports, prices, clock.clone(), of_ledger, settings);
        let ids = ids(2);
        let user = ids.next();
        Self { billing, clock, ids, user }
    }

    fn request(&self, prompt: u32, wanted: u32, min: u32) -> HoldRequest {
        HoldRequest {
            message_id: self.ids.next(),
            payer: Owner::User(self.user),
            model_alias: "flash".to_owned(),
            prompt_tokens_max: prompt,
            output_tokens_wanted: wanted,
            output_tokens_min: min,
            at: self.clock.now(),
        }
    }

    async fn purse(&self) -> (i64, i64) {
        let balance = self.billing.balance(self.user).await.unwrap();
        (balance.available.get(), balance.held.get())
    }

    async fn assert_sound(&self) {
        let report = self.billing.check().await.unwrap();
        assert!(report.ok, "{report:#?}");
    }

    fn charge(&self, hold: &HoldRequest, completion: u32) -> Charge {
        let tokens = TokenUsage { completion, ..TokenUsage::default() };
        let credits = FLASH.cost(tokens).unwrap();
        let at = self.clock.now();
        Charge { message_id: hold.message_id, tokens, credits, is_estimated: false, at }
    }
}

/// QuantumNous/new-api#5235: the client leaves before the final usage, everything is refunded, the answer was free.
async fn an_answer_whose_client_left_is_not_free(backend: Backend) {
    let shop = Shop::with(&backend, 10_000);
    let request = shop.request(100, 500, 1);
    shop.billing.reserve(request.clone()).await.unwrap();
    let received = TokenUsage { completion: 40, ..TokenUsage::default() };
    shop.billing.progress(request.message_id, received);
    shop.billing.renew_holds(shop.clock.now()).await.unwrap();
    shop.clock.advance_millis(2 * TTL_MS);
    assert_eq!(shop.billing.sweep(shop.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(shop.purse().await, (10_000 - 160, 0));
    shop.assert_sound().await;
}

/// QuantumNous/new-api#5288, #5290: text of an upstream error is billed as output.
async fn a_reply_that_failed_before_its_first_token_costs_nothing(backend: Backend) {
    let shop = Shop::with(&backend, 10_000);
    let request = shop.request(100, 500, 1);
    shop.billing.reserve(request.clone()).await.unwrap();
    let voided = shop.billing.void(request.message_id, shop.clock.now()).await.unwrap();
    assert_eq!(voided, VoidOutcome::Voided);
    let late = shop.billing.settle(shop.charge(&request, 50)).await.unwrap();
    assert_eq!(late, SettleOutcome::AlreadyResolved);
    assert_eq!(shop.purse().await, (10_000, 0));
    shop.assert_sound().await;
}

/// QuantumNous/new-api#6609: the balance is looked at, then reduced; whoever looks at the same time overdraws it.
async fn parallel_requests_do_not_overdraw(backend: Backend) {
    let shop = Shop::with(&backend, 50 * 2_400);
    let requests: Vec<_> = (0..200).map(|_| shop.request(400, 500, 500)).collect();
    let outcomes = join_all(requests.into_iter().map(|request| shop.billing.reserve(request))).await;
    let held = outcomes.iter().filter(|outcome| matches!(outcome, Ok(HoldOutcome::Held(_))));
    assert_eq!(held.count(), 50);
    assert_eq!(shop.purse().await, (0, 50 * 2_400));
    shop.assert_sound().await;
}

/// QuantumNous/new-api#6911: a settlement beyond the hold fails, only the hold is kept, and the log says otherwise.
async fn a_charge_beyond_its_hold_is_settled_and_the_rest_is_the_houses(backend: Backend) {
    let shop = Shop::with(&backend, 10_000);
    let request = shop.request(0, 10, 1);
    shop.billing.reserve(request.clone()).await.unwrap();
    let settled = shop.billing.settle(shop.charge(&request, 25)).await.unwrap();
    let credits = Credits::new;
    let expected =
        SettleOutcome::Settled { balance: credits(9_960), charged: credits(40), lost: credits(60) };
    assert_eq!(settled, expected);
    shop.assert_sound().await;
}

/// QuantumNous/new-api#5556: amount and state of a refund are two transactions, and a retry pays again.
async fn what_is_given_back_is_given_back_once(backend: Backend) {
    let shop = Shop::with(&backend, 10_000);
    let request = shop.request(100, 500, 1);
    shop.billing.reserve(request.clone()).await.unwrap();
    let voids = (0..20).map(|_| shop.billing.void(request.message_id, shop.clock.now()));
    let outcomes = join_all(voids).await;
    let voided = outcomes.iter().filter(|outcome| matches!(outcome, Ok(VoidOutcome::Voided)));
    assert_eq!(voided.count(), 1);
    assert_eq!(shop.purse().await, (10_000, 0));
    shop.assert_sound().await;
}

/// songquanpeng/one-api#1312: without `max_tokens` the hold forgets the prompt.
async fn a_hold_counts_the_prompt_too(backend: Backend) {
    let shop = Shop::with(&backend, 10_000);
    let outcome = shop.billing.reserve(shop.request(2_000, 0, 0)).await.unwrap();
    assert!(matches!(outcome, HoldOutcome::Held(hold) if hold.amount == Credits::new(2_000)));
    let beyond = shop.billing.reserve(shop.request(8_001, 0, 0)).await.unwrap();
    assert!(matches!(beyond, HoldOutcome::Insufficient { .. }));
    shop.assert_sound().await;
}

/// Wei-Shaw/sub2api#3384, #7002: a balance above nothing admits a long stream, which drives it far below.
async fn a_long_stream_cannot_cost_more_than_there_is(backend: Backend) {
    let shop = Shop::with(&backend, 1_000);
    let request = shop.request(100, 1_000_000, 1);
    let HoldOutcome::Held(hold) = shop.billing.reserve(request.clone()).await.unwrap() else {
        panic!("a short answer is affordable");
    };
    assert_eq!((hold.amount.get(), hold.output_tokens_max), (1_000, 225));
    shop.billing.settle(shop.charge(&request, 1_000_000)).await.unwrap();
    assert_eq!(shop.purse().await, (0, 0));
    shop.assert_sound().await;
}

/// elizaOS/eliza#10930, #11539: the commit succeeded, its answer was lost, and the retry charges again.
async fn a_retry_after_a_lost_answer_charges_nothing_more(backend: Backend) {
    let shop = Shop::with(&backend, 1_000);
    let spending = Spending {
        user: shop.user,
        amount: Credits::new(300),
        reason: "upgrade".to_owned(),
        key: "k".to_owned(),
    };
    let outcomes = join_all((0..15).map(|_| shop.billing.consume(&spending))).await;
    let applied = outcomes.iter().filter(|outcome| matches!(outcome, Ok(DebitOutcome::Applied(_))));
    assert_eq!(applied.count(), 1);
    let other = Spending { amount: Credits::new(301), ..spending };
    assert_eq!(shop.billing.consume(&other).await.unwrap(), DebitOutcome::Conflict);
    assert_eq!(shop.purse().await, (700, 0));
    shop.assert_sound().await;
}

/// Significant-Gravitas/AutoGPT#10672: a top-up's webhook is applied twice, since the check stands outside the lock.
async fn a_top_up_that_is_told_fifteen_times_is_credited_once(backend: Backend) {
    let shop = Shop::with(&backend, 0);
    let top_up = Spending {
        user: shop.user,
        amount: Credits::new(500),
        reason: "order".to_owned(),
        key: "notice".to_owned(),
    };
    for outcome in join_all((0..15).map(|_| shop.billing.adjust_up(&top_up))).await {
        outcome.unwrap();
    }
    assert_eq!(shop.purse().await, (500, 0));
    shop.assert_sound().await;
}

macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(tests::backends::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(tests::backends::postgres().await).await;
            })*
        }
    };
}

on_both_databases! {
    an_answer_whose_client_left_is_not_free
    a_reply_that_failed_before_its_first_token_costs_nothing
    parallel_requests_do_not_overdraw
    a_charge_beyond_its_hold_is_settled_and_the_rest_is_the_houses
    what_is_given_back_is_given_back_once
    a_hold_counts_the_prompt_too
    a_long_stream_cannot_cost_more_than_there_is
    a_retry_after_a_lost_answer_charges_nothing_more
    a_top_up_that_is_told_fifteen_times_is_credited_once
}
