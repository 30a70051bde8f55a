//! What every `auth::AuditLog` must do.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use auth::AuditEntry;
use auth::ports::AuditLog;
use kernel::{Id, PageRequest, Timestamp};
use uuid::Uuid;

/// MUST return entries unchanged, the newest first.
pub async fn entries_come_back_the_newest_first(log: &impl AuditLog) {
    let entry = |n: u32| AuditEntry {
        id: Id::from_uuid(Uuid::from_u128(n.into())),
        actor: (n > 1).then(|| Id::from_uuid(Uuid::from_u128(99))),
        action: "ledger.adjust".to_owned(),
        subject: format!("user:{n}"),
        detail: "{\"amount\":5}".to_owned(),
        at: Timestamp::from_millis(n.into()),
    };
    for n in 1..=3 {
        log.append(&entry(n)).await.unwrap();
    }
    let page = log.list(PageRequest::new(1, 2, 10)).await.unwrap();
    assert_eq!((page.items, page.total), (vec![entry(3), entry(2)], 3));
    assert!(log.append(&entry(1)).await.is_err(), "an entry is there once");
}
