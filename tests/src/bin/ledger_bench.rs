//! How many times a second the books are changed: `ledger_bench URL [consume|pair] [USERS] [CALLERS] [SECONDS]`.
//!
//! `consume` takes credits at once, `pair` sets a hold aside and settles it. Each caller waits for its answer before it
//! asks again. At the end the ledger is checked. One line of JSON.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_sql::{SqlLedger, SqlOptions, SqlStore};
use anyhow::{Context, bail, ensure};
use billing::{
    Cashier, Charge, Credit, Debit, DebitOutcome, Hold, HoldRequest, HoldState, Ledger, LotSource, Owner,
    ReserveOutcome, SettleOutcome, Settlement, SystemAccount, TransferKind,
};
use futures::future::try_join_all;
use kernel::{Clock, Credits, Ids, Tariff, TokenUsage, UserId};
use server::system::{OsEntropy, SystemClock};

const BALANCE: i64 = 1_000_000_000_000;
const TARIFF: Tariff = Tariff { miss: 1_000_000, hit: 1_000_000, output: 1_000_000 };

struct Bench {
    ledger: Arc<SqlLedger>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let text = |at: usize, default: &str| arguments.get(at).map_or(default, String::as_str).to_owned();
    let url = arguments.first().context("a database URL")?;
    let (users, callers): (usize, usize) = (text(2, "100").parse()?, text(3, "32").parse()?);
    let seconds: u64 = text(4, "5").parse()?;
    let is_pair = match text(1, "consume").as_str() {
        "consume" => false,
        "pair" => true,
        other => bail!("{other} is neither consume nor pair"),
    };
    let store = SqlStore::connect(url, SqlOptions::default()).await?;
    store.migrate().await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let ids = Arc::new(Ids::new(Arc::clone(&clock), Arc::new(OsEntropy)));
    let bench = Bench { ledger: Arc::new(SqlLedger::new(store, Arc::clone(&ids))), clock, ids };
    let owners = bench.owners(users).await?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let work = (0..callers).map(|caller| {
        let (bench, owners) = (&bench, &owners);
        async move { bench.call_until(end, is_pair, caller, owners).await }
    });
    let mut times: Vec<Duration> = try_join_all(work).await?.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1_000).map_or(0, Duration::as_micros);
    let report = bench.ledger.report().await?;
    println!(
        "{{\"mode\":\"{}\",\"users\":{users},\"callers\":{callers},\"per_second\":{},\"p50_us\":{},\"p99_us\":{},\
         \"ledger_ok\":{}}}",
        if is_pair { "pair" } else { "consume" },
        times.len() / usize::try_from(seconds)?.max(1),
        at(500),
        at(990),
        report.ok
    );
    ensure!(report.ok, "{report:#?}");
    Ok(())
}

impl Bench {
    async fn owners(&self, users: usize) -> anyhow::Result<Vec<UserId>> {
        let owners: Vec<UserId> = (0..users).map(|_| self.ids.next()).collect();
        for some in owners.chunks(256) {
            try_join_all(some.iter().map(|user| self.fill(*user))).await?;
        }
        Ok(owners)
    }

    async fn fill(&self, user: UserId) -> anyhow::Result<()> {
        let credit = Credit {
            owner: Owner::User(user),
            amount: Credits::new(BALANCE),
            source: LotSource::Purchase,
            from: SystemAccount::Issued,
            kind: TransferKind::Recharge,
            expires_at: None,
            key: format!("bench:{user}"),
            ref_id: None,
            lot_id: self.ids.next(),
            transfer_id: self.ids.next(),
            at: self.clock.now(),
        };
        self.ledger.credit(&credit).await?;
        Ok(())
    }

    async fn call_until(
        &self,
        end: Instant,
        is_pair: bool,
        caller: usize,
        owners: &[UserId],
    ) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::new();
        let mut turn = caller;
        while Instant::now() < end {
            turn = turn.wrapping_mul(7).wrapping_add(13);
            let user = *owners.get(turn % owners.len()).context("an owner")?;
            let began = Instant::now();
            let done = if is_pair { self.pair(user).await } else { self.consume(user).await };
            done?;
            times.push(began.elapsed());
        }
        Ok(times)
    }

    async fn consume(&self, user: UserId) -> anyhow::Result<()> {
        let id = self.ids.next();
        let debit = Debit {
            owner: Owner::User(user),
            amount: Credits::new(1),
            to: SystemAccount::Revenue,
            kind: TransferKind::Consume,
            key: format!("consume:{user}:{id}"),
            body_hash: "1".to_owned(),
            ref_id: Some("bench".to_owned()),
            day_max: None,
            transfer_id: id,
            at: self.clock.now(),
        };
        let outcome = self.ledger.debit(&debit).await?;
        ensure!(matches!(outcome, DebitOutcome::Applied(_)), "{outcome:?}");
        Ok(())
    }

    async fn pair(&self, user: UserId) -> anyhow::Result<()> {
        let (message_id, at) = (self.ids.next(), self.clock.now());
        let request = HoldRequest {
            message_id,
            payer: Owner::User(user),
            model_alias: "bench".to_owned(),
            prompt_tokens_max: 10,
            output_tokens_wanted: 10,
            output_tokens_min: 1,
            at,
        };
        let hold = Hold {
            request,
            tariff: TARIFF,
            price_id: "always@0".to_owned(),
            amount: Credits::new(20),
            output_tokens_max: 10,
            state: HoldState::Open,
            instance: self.ids.next(),
            expires_at: at.plus_seconds(120),
        };
        let held = self.ledger.reserve(&hold, None).await?;
        ensure!(held == ReserveOutcome::Held, "{held:?}");
        let tokens = TokenUsage { prompt: 10, completion: 5, ..TokenUsage::default() };
        let credits = TARIFF.cost(tokens)?;
        let charge = Charge { message_id, tokens, credits, is_estimated: false, at };
        let (transfer_id, loss_transfer_id) = (self.ids.next(), self.ids.next());
        let settled = self.ledger.settle(&Settlement { charge, transfer_id, loss_transfer_id }).await?;
        ensure!(matches!(settled, SettleOutcome::Settled { .. }), "{settled:?}");
        Ok(())
    }
}
