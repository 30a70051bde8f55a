//! A person's account. `email_key` is the address in lower case, by which it is unique.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: Option<String>,
    #[sea_orm(unique)]
    pub email_key: Option<String>,
    pub password_hash: Option<String>,
    pub nick_name: String,
    pub avatar_url: String,
    pub gender: i16,
    pub country: String,
    pub province: String,
    pub city: String,
    pub level: String,
    pub role: String,
    pub disabled: bool,
    pub mbti_type: Option<String>,
    pub created_at: i64,
    pub last_login_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
