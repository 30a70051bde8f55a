//! One movement of money, for ever: triggers refuse to change or delete it.

use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) amount: i64,
    pub(crate) kind: String,
    pub(crate) hold_id: Option<Uuid>,
    pub(crate) ref_id: Option<String>,
    pub(crate) idempotency_key: String,
    pub(crate) owner_account: Option<String>,
    pub(crate) owner_seq: Option<i64>,
    pub(crate) balance_after: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) book: String,
    pub(crate) body_hash: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
