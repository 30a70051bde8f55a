//! A server that is killed while fifteen copies of each payment's message pour in: each order is credited once, the
//! ledger adds up, and orders, books and provider agree.

use futures::StreamExt;
use kernel::{Entropy, SeededEntropy};
use serde_json::json;
use tests::backends::{self, is_long, seed};
use tests::process::{ServerProcess, ServerSettings};

const BINARY: &str = env!("CARGO_BIN_EXE_jixia_under_test");
const COPIES: usize = 15;
const AT_ONCE: usize = 16;
const KILLS: usize = 3;
const CREDITS: i64 = 6_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_amid_notices_on_sqlite() {
    let backend = backends::sqlite().await;
    scenario(&backend.url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_amid_notices_on_postgres() {
    let backend = backends::postgres().await;
    scenario(&backend.url).await;
}

/// An order's page, whose button sends the payment's message; pressing again sends it again.
type Page = String;

async fn scenario(store_url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = ServerSettings::new(BINARY, folder.path()).set("JIXIA_STORE__URL", store_url);
    let mut server = settings.start().await;
    let person = json!({ "email": "p@example.com", "password": "correct horse 稷下" });
    let token =
        server.post("/api/auth/register", "", &person).await["token"].as_str().expect("a token").to_owned();
    let count = if is_long() { 1_000 } else { 40 };
    let mut presses = Vec::new();
    for _ in 0..count {
        let order = server.post("/api/billing/recharge", &token, &json!({ "productId": "credits_6" })).await;
        let page: Page = order["paymentInfo"]["page"].as_str().expect("a page").to_owned();
        presses.extend(vec![page; COPIES]);
    }
    shuffle(&mut presses);
    let part = presses.len().div_ceil(KILLS + 1);
    for (round, pages) in presses.chunks(part).enumerate() {
        if round < KILLS {
            // The second half of them meets a server that dies.
            let (early, late) = pages.split_at(pages.len() / 2);
            press_all(&server, early).await;
            let pouring = press_all(&server, late);
            let killing = async {
                tokio::task::yield_now().await;
                send_kill(server.id());
            };
            futures::future::join(pouring, killing).await;
            server.kill();
            server = settings.start().await;
        }
        let failed = press_all(&server, pages).await;
        assert_eq!(failed, 0, "whatever came to nothing comes again");
    }
    let balance = server.get("/api/user/balance", &token).await;
    let expected = 1_000_000 + i64::from(count) * CREDITS;
    assert_eq!(balance["available"], expected);
    let paid = server.get("/api/payment/orders?status=paid", &token).await;
    assert_eq!(paid["pagination"]["total"], count);
    drop(server);
    let (clean, report) = settings.ledger_check();
    assert!(clean, "{report}");
    let (agree, report) = settings.payment_reconcile();
    assert!(agree, "{report}");
}

fn send_kill(process: u32) {
    let killed = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
    assert!(killed.expect("kill runs").success());
}

/// Presses each page's button; how many presses came to nothing.
async fn press_all(server: &ServerProcess, pages: &[Page]) -> usize {
    let presses = pages.iter().map(|page| async move {
        let request = server.client().post(server.url(&format!("{page}&choice=pay")));
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    });
    let pressed: Vec<bool> = futures::stream::iter(presses).buffer_unordered(AT_ONCE).collect().await;
    pressed.into_iter().filter(|is_done| !is_done).count()
}

fn shuffle<T>(all: &mut [T]) {
    let dice = SeededEntropy::new(seed());
    for last in (1..all.len()).rev() {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        let place = u64::from_le_bytes(bytes) % u64::try_from(last + 1).unwrap();
        all.swap(last, usize::try_from(place).unwrap());
    }
}
