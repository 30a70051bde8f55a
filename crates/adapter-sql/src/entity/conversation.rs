//! A conversation's row; `head` is the seq of its newest event.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub kind: String,
    pub owner: Option<Uuid>,
    pub character_id: Option<String>,
    pub title: String,
    pub epoch: String,
    pub head: i64,
    pub created_at: i64,
    pub last_active_at: i64,
    pub idempotency_key: Option<String>,
    pub body_hash: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
