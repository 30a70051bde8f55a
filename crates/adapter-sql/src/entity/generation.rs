//! The saga of a reply. `checkpoint` is the text so far, only while it streams.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "generations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: Uuid,
    pub conversation_id: String,
    pub generation: i64,
    pub owner: Uuid,
    pub payer: Uuid,
    #[sea_orm(column_name = "model_alias")]
    pub alias: String,
    pub tariff_miss: i64,
    pub tariff_hit: i64,
    pub tariff_output: i64,
    pub held: i64,
    pub prompt_tokens_estimate: i64,
    pub state: String,
    pub checkpoint: String,
    pub charge: Option<String>,
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
