//! Wallets, and the one statement that changes them.

use billing::{Opening, Wallet};
use kernel::{PortError, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, Statement};

use super::{rows, transfers};
use crate::entity::wallet;
use crate::error::{corrupt, port_error};
use crate::store::{SqlStore, Write};

pub(super) async fn find(
    db: &impl ConnectionTrait,
    account: &str,
) -> Result<Option<wallet::Model>, PortError> {
    wallet::Entity::find_by_id(account).one(db).await.map_err(port_error)
}

pub(super) async fn open(store: &SqlStore, account: &str, opening: &Opening) -> Result<Wallet, PortError> {
    let (grant, at) = (opening.grant.get(), opening.at.as_millis());
    let row = wallet::Model {
        account: account.to_owned(),
        available: grant,
        held: 0,
        seq: i64::from(grant > 0),
        created_at: at,
        updated_at: at,
    };
    let tx = store.begin().await?;
    let insert = wallet::Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::column(wallet::Column::Account).do_nothing().to_owned());
    let is_new = insert.exec_without_returning(&tx).await.map_err(port_error)? > 0;
    if is_new && grant > 0 {
        transfers::post(&tx, transfers::welcome(account, opening)).await?;
    }
    let row = find(&tx, account).await?.ok_or_else(|| corrupt("wallets: a new row is missing"))?;
    tx.commit().await.map_err(port_error)?;
    rows::wallet_of(&row)
}

/// What is added to a wallet; negative is taken away.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) available: i64,
    pub(super) held: i64,
    /// How many transfers of the owner this change posts.
    pub(super) posted: i64,
    pub(super) at: Timestamp,
}

/// Changes a wallet and locks it until the transaction ends. `None`, and no change, if there is no such wallet
/// or a part of it would become negative.
pub(super) async fn change(
    tx: &Write,
    account: &str,
    change: Change,
) -> Result<Option<wallet::Model>, PortError> {
    let statement = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE wallets SET available = available + $1, held = held + $2, seq = seq + $3, updated_at = $4 \
         WHERE account = $5 AND available + $1 >= 0 AND held + $2 >= 0 RETURNING *",
        [
            change.available.into(),
            change.held.into(),
            change.posted.into(),
            change.at.as_millis().into(),
            account.into(),
        ],
    );
    wallet::Entity::find().from_raw_sql(statement).one(tx).await.map_err(port_error)
}
