//! An order; its row is the lock of everything that happens to it.

use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) kind: String,
    pub(crate) product: String,
    pub(crate) product_name: String,
    pub(crate) virtual_id: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
    pub(crate) discount: i64,
    pub(crate) total: i64,
    pub(crate) contents: String,
    pub(crate) coupon: Option<String>,
    pub(crate) channel: String,
    pub(crate) source: Option<String>,
    pub(crate) state: String,
    pub(crate) refunded: i64,
    pub(crate) provider_txn_id: Option<String>,
    pub(crate) client_key: Option<String>,
    pub(crate) body_hash: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) paid_at: Option<i64>,
    pub(crate) queries: i64,
    pub(crate) query_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
