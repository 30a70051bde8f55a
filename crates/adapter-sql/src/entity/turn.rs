//! A turn's row; candidates and steps are JSON.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "turns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversation_id: String,
    pub question: Uuid,
    pub asker: Uuid,
    pub payer: Uuid,
    pub strategy: String,
    pub seed: i64,
    pub candidates: String,
    pub steps: String,
    pub follow_ups_left: i64,
    pub state: String,
    pub owner: Uuid,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
