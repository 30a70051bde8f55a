//! Payment: how providers fail, lie and ask. What others make of our signatures is `tests/interop/payment.py`.

mod pay_v3;
mod sandbox;
mod start;
mod virtual_pay;

use std::time::{Duration, Instant};

use billing::payment::{NoticeRefusal, Notified};
use kernel::PortError;
use tests::contract::people::START;
use tests::fakes::sent::Sent;

/// Longest answer of a gateway whose calls end after half a second each.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the failure says, which no secret may be part of.
fn said(error: &PortError) -> String {
    let cause = std::error::Error::source(error).expect("a cause");
    let said = format!("{error:?} {error}: {cause}");
    for secret in [
        "openid-",
        "session-key",
        tests::fakes::wechat::APP_KEY,
        tests::fakes::wechat::APP_SECRET,
        tests::fakes::wechat_pay::API_V3_KEY,
        "token-1",
        "pay_sig",
        "PRIVATE KEY",
    ] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

/// Fails if the work takes longer than a gateway may.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    done
}

/// What became of a message that arrives at [`START`].
async fn refusal(gateway: &dyn billing::PaymentGateway, sent: &Sent) -> Option<NoticeRefusal> {
    match gateway.read(&sent.at(START)).await.unwrap() {
        Notified::Refused(refusal) => Some(refusal),
        Notified::Notice(_) | Notified::Ignored => None,
    }
}
