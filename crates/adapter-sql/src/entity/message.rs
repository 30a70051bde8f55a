//! A message's row: its present state.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversation_id: String,
    pub seq: i64,
    pub last_seq: i64,
    pub author_user: Option<Uuid>,
    pub character_id: Option<String>,
    pub content: String,
    pub status: String,
    pub why: Option<String>,
    pub failure: Option<String>,
    pub reply_to: Option<Uuid>,
    pub client_msg_id: Option<String>,
    pub body_hash: Option<String>,
    pub citations: Option<String>,
    pub usage: Option<String>,
    pub generation: i64,
    #[sea_orm(column_name = "model")]
    pub upstream: Option<String>,
    pub mentions: Option<String>,
    pub likes: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
