//! Many orders, fifteen copies of each notice in any order, and callers that vanish in the middle: each order is credited
//! once. `TEST_SEED` repeats a run.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use adapter_sql::{SqlEntitlements, SqlLedger, SqlOrders};
use async_trait::async_trait;
use billing::payment::{RawNotice, WechatPayer};
use billing::{
    Catalog, Channel, Ledger, OrderPorts, OrderRequest, OrderService, OrderSettings, OrderStore, Payers,
    PaymentGateway, Wanted,
};
use futures::StreamExt;
use kernel::{Clock, Entropy, Fen, Ids, ManualClock, PortError, SeededEntropy, Timestamp, UserId};
use tests::backends::{self, Backend, is_long, seed, test_options};
use tests::fakes::provider::{FakeProvider, GOOD, SIGNATURE};

const COPIES: usize = 15;
const AT_ONCE: usize = 32;
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const FEN: i64 = 700;

struct NoPayers;

#[async_trait]
impl Payers for NoPayers {
    async fn wechat(&self, _user: UserId, _now: Timestamp) -> Result<Option<WechatPayer>, PortError> {
        Ok(None)
    }
}

/// A process on the database; another one is the same after a crash.
struct Process {
    service: OrderService,
    orders: Arc<SqlOrders>,
    ledger: Arc<SqlLedger>,
    ids: Arc<Ids>,
}

async fn process(backend: &Backend, clock: &Arc<ManualClock>, provider: &FakeProvider, seed: u64) -> Process {
    let store = adapter_sql::SqlStore::connect(&backend.url, test_options()).await.expect("it opens");
    let clock: Arc<dyn Clock> = clock.clone();
    let ids = Arc::new(Ids::new(Arc::clone(&clock), Arc::new(SeededEntropy::new(seed))));
    let orders = Arc::new(SqlOrders::new(store.clone(), Arc::clone(&ids)));
    let ledger = Arc::new(SqlLedger::new(store.clone(), Arc::clone(&ids)));
    let gateway: Arc<dyn PaymentGateway> = Arc::new(provider.clone());
    let ports = OrderPorts {
        orders: Arc::<SqlOrders>::clone(&orders),
        refunds: Arc::<SqlOrders>::clone(&orders),
        rights: Arc::new(SqlEntitlements::new(store)),
        cashier: Arc::<SqlLedger>::clone(&ledger),
        gateways: [(Channel::WechatPay, gateway)].into(),
        payers: Arc::new(NoPayers),
    };
    let (catalog, settings) = (Catalog::default(), OrderSettings::default());
    let service = OrderService::new(ports, catalog, clock, Arc::clone(&ids), settings);
    Process { service, orders, ledger, ids }
}

/// Polls a future at most so many times, then drops it, as a killed caller does.
async fn dropped_after(polls: u64, work: impl Future) {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        left = if work.as_mut().poll(context).is_pending() { left.saturating_sub(1) } else { 0 };
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn shuffle<T>(&self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

async fn place(process: &Process, provider: &FakeProvider, user: UserId) -> String {
    let request = OrderRequest {
        user,
        wanted: Wanted::Amount(Fen::new(FEN)),
        quantity: 1,
        coupon: None,
        channel: Channel::WechatPay,
        source: None,
        key: None,
    };
    let order = process.service.place(&request).await.expect("an order").order;
    provider.pay(order.trade_no(), START);
    order.trade_no().to_string()
}

async fn told(process: &Process, number: &str, kill_after: Option<u64>) {
    let body = FakeProvider::paid_notice(number, FEN).to_string();
    let headers = [(SIGNATURE.to_owned(), GOOD.to_owned())];
    let raw = RawNotice { headers: &headers, query: &[], body: body.as_bytes(), at: START };
    let notice = process.service.notice(Channel::WechatPay, &raw);
    match kill_after {
        Some(polls) => dropped_after(polls, notice).await,
        None => assert_eq!(notice.await.expect("an answer").reply.status, 204),
    }
}

async fn storm(backend: Backend) {
    let (seed, clock) = (seed(), Arc::new(ManualClock::at(START)));
    let (dice, provider) = (Dice(SeededEntropy::new(seed)), FakeProvider::new(Channel::WechatPay));
    let count = if is_long() { 1_000 } else { 60 };
    let mut process = process(&backend, &clock, &provider, seed).await;
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(place(&process, &provider, process.ids.next()).await);
    }
    // A tenth of the orders is told of by nobody whose word arrives whole.
    let mut notices: Vec<_> = numbers.iter().flat_map(|number| [number].repeat(COPIES)).collect();
    dice.shuffle(&mut notices);
    let size = notices.len().div_ceil(4);
    for (round, part) in notices.chunks(size).enumerate() {
        let plans: Vec<_> = part
            .iter()
            .map(|number| {
                let is_silent = number.ends_with('0');
                let is_killed = is_silent || dice.below(3) == 0;
                (number.as_str(), is_killed.then(|| 1 + u64::try_from(dice.below(12)).unwrap()))
            })
            .collect();
        let calls = plans.iter().map(|(number, kill)| told(&process, number, *kill));
        futures::stream::iter(calls).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        let next = u64::try_from(round).unwrap() + 1;
        process = self::process(&backend, &clock, &provider, seed.wrapping_add(next)).await;
    }
    clock.advance_millis(10_000);
    while process.service.reconcile(clock.now(), 100).await.expect("it asks") > 0 {}
    let report = process.ledger.report().await.expect("a report");
    assert!(report.ok, "{report:?}");
    assert_eq!(process.orders.discrepancies(10).await.expect("a look"), []);
    assert_eq!(process.orders.unpaid_since(START, None, 10).await.expect("a look"), []);
    assert_eq!(report.transfers, u64::try_from(2 * count).unwrap(), "credits and cash of each order, once");
    assert_eq!(process.service.audit(clock.now(), 10, false).await.expect("an audit"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_orders_is_credited_once_on_sqlite() {
    storm(backends::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_orders_is_credited_once_on_postgres() {
    storm(backends::postgres().await).await;
}
