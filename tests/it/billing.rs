//! Billing's service over a real ledger, and what only the tables can show: a transfer cannot be changed, and a
//! report finds what was tampered with.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use adapter_sql::SqlLedger;
use billing::{
    BillingError, BillingPorts, BillingService, BillingSettings, Calendar, Charge, Check, HoldOutcome,
    HoldRequest, HoldState, Owner, Price, PriceTable, SettleOutcome, VoidOutcome,
};
use futures::future::join_all;
use kernel::{Clock, Credits, Id, Ids, ManualClock, SeededEntropy, Tariff, TokenUsage, UserId};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tests::backends::Backend;
use tests::contract::books::{Books, START, TTL_MS, ids, instance};

fn books(backend: &Backend) -> Books {
    Books::new(Arc::new(SqlLedger::new(backend.store.clone(), Arc::new(ids(2)))), 1)
}

macro_rules! on_both_databases {
    ($($suite:ident :: $name:ident($make:ident))*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let backend = tests::backends::sqlite().await;
                super::$suite::$name(super::$make(&backend)).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let backend = tests::backends::postgres().await;
                super::$suite::$name(super::$make(&backend)).await;
            })*
        }
    };
}

on_both_databases! {
    storage::a_transfer_can_be_neither_changed_nor_deleted(tampering)
    storage::a_report_finds_a_changed_wallet(tampering)
    storage::a_report_finds_a_hold_that_no_wallet_covers(tampering)
    storage::a_report_finds_a_settlement_that_differs_from_its_transfer(tampering)
    storage::a_wallet_can_not_be_made_negative(tampering)
    service::the_first_balance_is_the_welcome_grant(billing)
    service::a_hold_is_as_large_as_the_balance_pays_for(billing)
    service::too_little_for_the_least_answer_is_refused_with_what_is_needed(billing)
    service::a_repeat_finds_its_hold_though_it_took_everything(billing)
    service::a_model_without_a_price_is_unknown(billing)
    service::parallel_reserves_share_a_balance_without_overdraft(billing)
    service::a_sweep_keeps_its_own_holds_and_ends_the_lost_ones(billing)
}

fn tampering(backend: &Backend) -> (Books, String) {
    (books(backend), backend.url.clone())
}

/// Does to the tables what no code of ours does.
mod storage {
    use super::*;

    async fn execute(url: &str, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await?;
            Ok(sqlx::raw_sql(sql).execute(&mut connection).await?.rows_affected())
        } else {
            let mut connection = PgConnection::connect(url).await?;
            Ok(sqlx::raw_sql(sql).execute(&mut connection).await?.rows_affected())
        }
    }

    async fn broken_rules(books: &Books) -> Vec<(Check, String, String)> {
        let report = books.ledger.report().await.unwrap();
        assert_eq!(report.ok, report.rows.is_empty());
        report.rows.into_iter().map(|row| (row.check, row.expected, row.found)).collect()
    }

    fn breach(check: Check, expected: i64, found: i64) -> (Check, String, String) {
        (check, expected.to_string(), found.to_string())
    }

    pub(super) async fn a_transfer_can_be_neither_changed_nor_deleted((books, url): (Books, String)) {
        books.rich(100).await;
        for sql in ["UPDATE transfers SET amount = 1", "DELETE FROM transfers"] {
            let error = execute(&url, sql).await.expect_err(sql);
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        books.assert_sound().await;
    }

    pub(super) async fn a_report_finds_a_changed_wallet((books, url): (Books, String)) {
        books.rich(100).await;
        execute(&url, "UPDATE wallets SET available = available + 5, seq = 3").await.unwrap();
        let expected = [
            breach(Check::SumIsZero, 0, 5),
            breach(Check::WalletIsFold, 0, 105),
            breach(Check::Gapless, 3, 1),
            breach(Check::LotsAreWallet, 100, 105),
        ];
        assert_eq!(broken_rules(&books).await, expected);
    }

    pub(super) async fn a_report_finds_a_hold_that_no_wallet_covers((books, url): (Books, String)) {
        let user = books.rich(100).await;
        books.held(user, 30).await;
        execute(&url, "UPDATE holds SET amount = 31").await.unwrap();
        assert_eq!(
            broken_rules(&books).await,
            [breach(Check::HeldIsHolds, 31, 30), breach(Check::HoldsAreLots, 31, 30)]
        );
    }

    pub(super) async fn a_report_finds_a_settlement_that_differs_from_its_transfer(
        (books, url): (Books, String),
    ) {
        let user = books.rich(100).await;
        let hold = books.held(user, 30).await;
        books.settle(hold.request.message_id, 10).await;
        execute(&url, "UPDATE holds SET settled_credits = 11, cost = 11").await.unwrap();
        assert_eq!(broken_rules(&books).await, [breach(Check::OneSettlement, 11, 10)]);
    }

    pub(super) async fn a_wallet_can_not_be_made_negative((books, url): (Books, String)) {
        books.rich(100).await;
        for sql in ["UPDATE wallets SET available = -1", "UPDATE wallets SET held = -1"] {
            execute(&url, sql).await.expect_err(sql);
        }
        books.assert_sound().await;
    }
}

struct Billing {
    service: BillingService,
    /// The same books, for another instance.
    other: BillingService,
    clock: Arc<ManualClock>,
    ids: Ids,
}

const WELCOME: i64 = 1_000;
const FLASH: Tariff = Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 };

fn billing(backend: &Backend) -> Billing {
    let clock = Arc::new(ManualClock::at(START));
    let make = |number| {
        let ids = Arc::new(Ids::new(clock.clone(), Arc::new(SeededEntropy::new(number))));
        let ledger = Arc::new(SqlLedger::new(backend.store.clone(), Arc::clone(&ids)));
        BillingService::new(
            BillingPorts { ledger: Arc::<SqlLedger>::clone(&ledger), cashier: ledger },
            PriceTable::new([Price::always("flash", FLASH)], Calendar::default()).unwrap(),
            clock.clone(),
            ids,
            BillingSettings::new(Credits::new(WELCOME), instance(number.into())),
        )
    };
    let (service, other) = (make(1), make(2));
    let ids = Ids::new(clock.clone(), Arc::new(SeededEntropy::new(3)));
    Billing { service, other, clock, ids }
}

/// The service's own promises, over a real ledger.
mod service {
    use super::*;

    impl Billing {
        fn request(&self, user: UserId, prompt: u32, wanted: u32, min: u32) -> HoldRequest {
            HoldRequest {
                message_id: self.ids.next(),
                payer: Owner::User(user),
                model_alias: "flash".to_owned(),
                prompt_tokens_max: prompt,
                output_tokens_wanted: wanted,
                output_tokens_min: min,
                at: self.clock.now(),
            }
        }

        async fn purse(&self, user: UserId) -> (i64, i64) {
            let balance = self.service.balance(user).await.unwrap();
            (balance.available.get(), balance.held.get())
        }
    }

    pub(super) async fn the_first_balance_is_the_welcome_grant(billing: Billing) {
        let user = billing.ids.next();
        billing.service.ensure_account(user).await.unwrap();
        assert_eq!(billing.purse(user).await, (WELCOME, 0));
        let report = billing.service.check().await.unwrap();
        assert_eq!((report.ok, report.transfers), (true, 1));
    }

    pub(super) async fn a_hold_is_as_large_as_the_balance_pays_for(billing: Billing) {
        let user = billing.ids.next();
        let request = billing.request(user, 100, 500, 50);
        let HoldOutcome::Held(hold) = billing.service.reserve(request).await.unwrap() else {
            panic!("the balance pays for more than the least answer");
        };
        assert_eq!((hold.amount.get(), hold.output_tokens_max, hold.tariff), (1_000, 225, FLASH));
        let tokens = TokenUsage { prompt: 100, cached: 50, completion: 20, reasoning: 5 };
        let credits = hold.tariff.cost(tokens).unwrap();
        let charge =
            Charge { message_id: hold.request.message_id, tokens, credits, is_estimated: false, at: START };
        let (balance, charged) = (Credits::new(WELCOME - 131), Credits::new(131));
        let settled = SettleOutcome::Settled { balance, charged, lost: Credits::ZERO };
        assert_eq!(billing.service.settle(charge).await.unwrap(), settled);
        assert_eq!(billing.service.settle(charge).await.unwrap(), SettleOutcome::AlreadyResolved);
        assert_eq!(billing.purse(user).await, (WELCOME - 131, 0));
    }

    pub(super) async fn too_little_for_the_least_answer_is_refused_with_what_is_needed(billing: Billing) {
        let user = billing.ids.next();
        let outcome = billing.service.reserve(billing.request(user, 801, 500, 50)).await.unwrap();
        let (available, needed) = (Credits::new(WELCOME), Credits::new(1_001));
        assert_eq!(outcome, HoldOutcome::Insufficient { available, needed });
        assert_eq!(billing.purse(user).await, (WELCOME, 0));
        assert_eq!(billing.service.check().await.unwrap().open_holds, 0);
    }

    pub(super) async fn a_repeat_finds_its_hold_though_it_took_everything(billing: Billing) {
        let user = billing.ids.next();
        let request = billing.request(user, 100, 500, 200);
        let HoldOutcome::Held(hold) = billing.service.reserve(request.clone()).await.unwrap() else {
            panic!("the balance pays for the least answer");
        };
        let again = billing.service.reserve(request.clone()).await.unwrap();
        assert_eq!(again, HoldOutcome::Replayed(hold.clone()));
        assert_eq!(billing.service.void(hold.request.message_id, START).await.unwrap(), VoidOutcome::Voided);
        let HoldOutcome::Replayed(voided) = billing.service.reserve(request).await.unwrap() else {
            panic!("the hold is known");
        };
        assert_eq!(voided.state, HoldState::Voided);
    }

    pub(super) async fn a_model_without_a_price_is_unknown(billing: Billing) {
        let mut request = billing.request(Id::from_uuid(uuid::Uuid::from_u128(1)), 1, 1, 1);
        "nobody".clone_into(&mut request.model_alias);
        let refused = billing.service.reserve(request).await;
        assert!(matches!(refused, Err(BillingError::UnknownModel)), "{refused:?}");
    }

    pub(super) async fn parallel_reserves_share_a_balance_without_overdraft(billing: Billing) {
        let user = billing.ids.next();
        // The least is 20 credits: fifty of them fit, or fewer that got more.
        let requests: Vec<_> = (0..80).map(|_| billing.request(user, 0, 20, 5)).collect();
        let outcomes = join_all(requests.into_iter().map(|request| billing.service.reserve(request))).await;
        let held: Vec<_> = outcomes
            .into_iter()
            .filter_map(|outcome| match outcome.unwrap() {
                HoldOutcome::Held(hold) => Some(hold.amount.get()),
                HoldOutcome::Insufficient { available, needed } => {
                    assert!(available < needed, "refused at {available} of {needed}");
                    None
                }
                HoldOutcome::Replayed(_) | HoldOutcome::Conflict => panic!("every id is fresh"),
                HoldOutcome::Frozen { .. } | HoldOutcome::CapReached { .. } => panic!("nothing is set"),
            })
            .collect();
        assert!(held.iter().all(|amount| (20..=80).contains(amount)), "{held:?}");
        let total = held.iter().sum::<i64>();
        assert_eq!(billing.purse(user).await, (WELCOME - total, total));
        assert!(WELCOME - total < 20, "what is left pays for no answer: {}", WELCOME - total);
        assert!(billing.service.check().await.unwrap().ok);
    }

    pub(super) async fn a_sweep_keeps_its_own_holds_and_ends_the_lost_ones(billing: Billing) {
        let user = billing.ids.next();
        for service in [&billing.service, &billing.other] {
            service.reserve(billing.request(user, 100, 0, 0)).await.unwrap();
        }
        // The first instance sweeps on; the second has died.
        let mut ended = 0;
        for _ in 0..30 {
            billing.clock.advance_millis(5_000);
            billing.service.renew_holds(billing.clock.now()).await.unwrap();
            ended += billing.service.sweep(billing.clock.now(), 10).await.unwrap();
        }
        assert_eq!((ended, billing.purse(user).await), (1, (WELCOME - 100, 100)));
        // A hold that outlives every reply belongs to none.
        billing.clock.advance_millis(1_800_000);
        assert_eq!(billing.service.sweep(billing.clock.now(), 10).await.unwrap(), 1);
        billing.clock.advance_millis(TTL_MS);
        assert_eq!(billing.purse(user).await, (WELCOME, 0));
    }
}
