//! What a room or squad has beside its conversation's row.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rooms")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub is_public: bool,
    pub profile: String,
    pub category: String,
    pub settings: String,
    pub characters: String,
    pub invite_code: Option<String>,
    pub closed_at: Option<i64>,
    pub member_count: i64,
    pub message_count: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
