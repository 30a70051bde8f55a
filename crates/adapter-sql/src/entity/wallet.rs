//! One balance, and what is set for it: the row that is locked before anything of its money changes.

use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallets")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) account: String,
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) seq: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) opened_at: Option<i64>,
    pub(crate) next_expiry: Option<i64>,
    pub(crate) free_day: Option<i64>,
    pub(crate) frozen: Option<String>,
    pub(crate) day_max: Option<i64>,
    pub(crate) spent_day: i64,
    pub(crate) spent: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
