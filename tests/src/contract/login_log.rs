//! What every [`auth::ports::LoginLog`] must do.

use auth::LoginRecord;
use auth::ports::LoginLog;
use kernel::{PageRequest, UserId};

use super::people::{START, ids, record};

fn page(number: u32, size: u32) -> PageRequest {
    PageRequest::new(number, size, 100)
}

/// MUST return it unchanged.
pub async fn a_record_comes_back_unchanged(log: &dyn LoginLog) {
    let ids = ids();
    let user = ids.next();
    let record = record(&ids, Some(user), START);
    log.append(&record).await.unwrap();
    assert_eq!(log.list(user, page(1, 10)).await.unwrap().items, [record]);
}

/// The newest first, page by page; ties by id.
pub async fn records_are_listed_newest_first(log: &dyn LoginLog) {
    let ids = ids();
    let user: UserId = ids.next();
    let mut made: Vec<LoginRecord> = Vec::new();
    for seconds in [3, 1, 2, 2] {
        let record = record(&ids, Some(user), START.plus_seconds(seconds));
        log.append(&record).await.unwrap();
        made.push(record);
    }
    let first = log.list(user, page(1, 3)).await.unwrap();
    let second = log.list(user, page(2, 3)).await.unwrap();
    assert_eq!((first.total, second.total), (4, 4));
    let listed: Vec<_> = first.items.iter().chain(&second.items).map(|record| record.id).collect();
    assert_eq!(listed, [made[0].id, made[3].id, made[2].id, made[1].id]);
}

/// MUST leave out other people's records, and those of nobody.
pub async fn a_user_sees_only_their_own_records(log: &dyn LoginLog) {
    let ids = ids();
    let user = ids.next();
    log.append(&record(&ids, Some(ids.next()), START)).await.unwrap();
    log.append(&record(&ids, None, START)).await.unwrap();
    let page = log.list(user, page(1, 10)).await.unwrap();
    assert_eq!((page.items, page.total), (Vec::new(), 0));
}

/// Old records go, at most `limit` at a time.
pub async fn old_records_are_swept(log: &dyn LoginLog) {
    let ids = ids();
    let user = ids.next();
    for seconds in 0..4 {
        log.append(&record(&ids, Some(user), START.plus_seconds(seconds))).await.unwrap();
    }
    let before = START.plus_seconds(3);
    assert_eq!(log.sweep(before, 2).await.unwrap(), 2);
    assert_eq!(log.sweep(before, 2).await.unwrap(), 1);
    assert_eq!(log.sweep(before, 2).await.unwrap(), 0);
    assert_eq!(log.list(user, page(1, 10)).await.unwrap().total, 1);
}
