//! A person's transactions, page by page.

use billing::{Transaction, TransferKind};
use kernel::{Credits, Page, PageRequest, PortError};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{lines, read, sweep};
use crate::entity::{hold, transfer};
use crate::error::{corrupt, port_error};

/// All transfers. Their numbers have no gap, so a page is a range of numbers and no row is skipped to reach it.
pub(super) async fn all(
    db: &impl ConnectionTrait,
    account: &str,
    page: PageRequest,
) -> Result<Page<Transaction>, PortError> {
    let newest = read::wallet(db, account).await?.map_or(0, |wallet| wallet.seq);
    let total = u64::try_from(newest).map_err(|_negative| corrupt("wallets.seq"))?;
    let before = i64::try_from(page.offset()).unwrap_or(i64::MAX);
    let last = newest.saturating_sub(before);
    let found = transfer::Entity::find()
        .filter(transfer::Column::OwnerAccount.eq(account))
        .filter(transfer::Column::OwnerSeq.lte(last))
        .filter(transfer::Column::OwnerSeq.gt(last.saturating_sub(i64::from(page.size()))))
        .order_by_desc(transfer::Column::OwnerSeq)
        .all(db)
        .await
        .map_err(port_error)?;
    let items = found.into_iter().map(lines::posted).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

/// Transfers of one kind.
pub(super) async fn of_kind(
    db: &impl ConnectionTrait,
    account: &str,
    kind: TransferKind,
    page: PageRequest,
) -> Result<Page<Transaction>, PortError> {
    let wanted = transfer::Entity::find()
        .filter(transfer::Column::OwnerAccount.eq(account))
        .filter(transfer::Column::Kind.eq(kind.as_str()));
    let total = wanted.clone().count(db).await.map_err(port_error)?;
    let found = wanted
        .order_by_desc(transfer::Column::OwnerSeq)
        .offset(page.offset())
        .limit(u64::from(page.size()))
        .all(db)
        .await
        .map_err(port_error)?;
    let items = found.into_iter().map(lines::posted).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

/// Holds that are open.
pub(super) async fn open_holds(
    db: &impl ConnectionTrait,
    account: &str,
    page: PageRequest,
) -> Result<Page<Transaction>, PortError> {
    let balance = read::wallet(db, account).await?.map_or(0, |wallet| wallet.available + wallet.held);
    let wanted = hold::Entity::find().filter(hold::Column::Account.eq(account)).filter(sweep::is_open());
    let total = wanted.clone().count(db).await.map_err(port_error)?;
    let found = wanted
        .order_by_desc(hold::Column::CreatedAt)
        .order_by_desc(hold::Column::MessageId)
        .offset(page.offset())
        .limit(u64::from(page.size()))
        .all(db)
        .await
        .map_err(port_error)?;
    let balance = Credits::new(balance);
    Ok(Page { items: found.iter().map(|row| lines::set_aside(row, balance)).collect(), total })
}
