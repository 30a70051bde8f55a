//! A database of the version before there were lots: its balances become lots, and what was running goes on.

use std::sync::Arc;

use adapter_sql::{SqlLedger, SqlStore};
use billing::{Charge, LotSource, Owner, SettleOutcome, Settlement};
use kernel::{Credits, TokenUsage};
use migrations::Migrator;
use sea_orm::{ConnectionTrait, Database};
use sea_orm_migration::MigratorTrait;
use tests::backends::{empty_postgres, empty_sqlite, test_options};
use tests::contract::books::{Books, START, ids};

/// Migrations of that version.
const BEFORE: u32 = 4;
const USER: &str = "01890000-0000-7000-8000-000000000001";
const RUNNING: &str = "01890000-0000-7000-8000-000000000002";
const SETTLED: &str = "01890000-0000-7000-8000-000000000003";

/// A person who was given 150, has spent 50 of a reply that cost 60, and holds 30.
fn rows(id: impl Fn(&str) -> String) -> Vec<String> {
    let hold = |message: &str, end: &str| {
        format!(
            "INSERT INTO holds (message_id, account, alias, miss_price, hit_price, output_price, prompt_tokens_max, \
             output_tokens_wanted, output_tokens_min, output_tokens_max, amount, state, instance_id, created_at, \
             expires_at, resolved_at, settled_credits, prompt_tokens, cached_tokens, completion_tokens, \
             reasoning_tokens) VALUES ({}, 'user:{USER}', 'a', 1000000, 1000000, 1000000, 1, 1, 1, 1, {end})",
            id(message)
        )
    };
    let transfer = |number: u8, text: &str| {
        format!(
            "INSERT INTO transfers (id, debit, credit, amount, kind, hold_id, ref_id, idempotency_key, owner_account, \
             owner_seq, balance_after, created_at) VALUES ({}, {text})",
            id(&format!("01890000-0000-7000-8000-0000000000{number}0"))
        )
    };
    let (settled, instance) = (id(SETTLED), id(USER));
    vec![
        format!("INSERT INTO wallets VALUES ('user:{USER}', 70, 30, 2, 5, 6)"),
        hold(
            RUNNING,
            &format!("30, 'open', {instance}, 5, 9000000000000, NULL, NULL, NULL, NULL, NULL, NULL"),
        ),
        hold(SETTLED, &format!("50, 'settled', {instance}, 5, 6, 6, 50, 0, 0, 60, 0")),
        transfer(
            1,
            &format!("'promo', 'user:{USER}', 150, 'grant', NULL, NULL, 'w', 'user:{USER}', 1, 150, 5"),
        ),
        transfer(
            2,
            &format!(
                "'user:{USER}', 'revenue', 50, 'consume', {settled}, NULL, 's', 'user:{USER}', 2, 100, 6"
            ),
        ),
        transfer(3, &format!("'loss', 'revenue', 10, 'consume', {settled}, NULL, 'l', NULL, NULL, NULL, 6")),
    ]
}

async fn upgrade(url: &str, id: impl Fn(&str) -> String) {
    let store = SqlStore::connect(url, test_options()).await.unwrap();
    let old = Database::connect(url).await.unwrap();
    Migrator::up(&old, Some(BEFORE)).await.unwrap();
    for row in rows(id) {
        old.execute_unprepared(&row).await.unwrap();
    }
    old.close().await.unwrap();
    store.migrate().await.unwrap();
    let books = Books::new(Arc::new(SqlLedger::new(store.clone(), Arc::new(ids(2)))), 1);
    books.assert_sound().await;
    let user = USER.parse().unwrap();
    assert_eq!(books.purse(user).await, (70, 30));
    let lots = books.cashier.lots(&Owner::User(user)).await.unwrap();
    let seen: Vec<_> = lots.iter().map(|l| (l.source, l.remaining.get(), l.held.get())).collect();
    assert_eq!(seen, [(LotSource::Opening, 100, 30)]);
    let tokens = TokenUsage { completion: 20, ..TokenUsage::default() };
    let charge = Charge {
        message_id: RUNNING.parse().unwrap(),
        tokens,
        credits: Credits::new(20),
        is_estimated: false,
        at: START,
    };
    let settlement = Settlement { charge, transfer_id: books.id(), loss_transfer_id: books.id() };
    let settled = books.ledger.settle(&settlement).await.unwrap();
    assert!(matches!(settled, SettleOutcome::Settled { lost: Credits::ZERO, .. }), "{settled:?}");
    assert_eq!(books.purse(user).await, (80, 0));
    books.ledger.ensure_account(&books.opening(user, 1_000)).await.unwrap();
    assert_eq!(books.purse(user).await, (80, 0), "an account that was there gets no welcome again");
    books.assert_sound().await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_of_before_become_lots_on_sqlite() {
    let (url, _folder) = empty_sqlite();
    upgrade(&url, |id| format!("x'{}'", id.replace('-', ""))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_of_before_become_lots_on_postgres() {
    let (url, _database) = empty_postgres().await;
    upgrade(&url, |id| format!("'{id}'")).await;
}
