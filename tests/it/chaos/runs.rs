//! Runs of the chaos suite against the real binary, one for each topology. With `TEST_LONG` they are long, and
//! their faults are drawn from the seed.

use std::path::Path;

use tests::backends;
use tests::chaos::plan::{Plan, Topology};
use tests::chaos::run::run;

const BINARY: &str = env!("CARGO_BIN_EXE_jixia_under_test");
const LONG_CLIENTS: usize = 200;
const LONG_SECONDS: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_on_sqlite_and_memory() {
    survives(Topology::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_on_postgres_and_redis() {
    survives(Topology::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_on_three_instances() {
    survives(Topology::PostgresThree).await;
}

async fn survives(topology: Topology) {
    let seed = backends::seed();
    let plan = if backends::is_long() {
        Plan::long(topology, seed, LONG_CLIENTS, LONG_SECONDS)
    } else {
        Plan::short(topology, seed)
    };
    let report = run(&plan, Path::new(BINARY)).await;
    println!("{}", report.text());
    assert!(report.violations.is_empty(), "seed {seed}: see the records above");
    let most = report.streams_at_kill.iter().max().copied().unwrap_or(0);
    assert!(most >= plan.streams_min, "only {most} streams ran when an instance was killed");
}
