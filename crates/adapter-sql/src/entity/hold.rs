//! One reply's hold with the prices it was made by and, once settled, its usage record.

use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "holds")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) message_id: Uuid,
    pub(crate) account: String,
    pub(crate) alias: String,
    pub(crate) miss_price: i64,
    pub(crate) hit_price: i64,
    pub(crate) output_price: i64,
    pub(crate) prompt_tokens_max: i64,
    pub(crate) output_tokens_wanted: i64,
    pub(crate) output_tokens_min: i64,
    pub(crate) output_tokens_max: i64,
    pub(crate) amount: i64,
    pub(crate) state: String,
    pub(crate) instance_id: Uuid,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) resolved_at: Option<i64>,
    pub(crate) settled_credits: Option<i64>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) cached_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
    pub(crate) reasoning_tokens: Option<i64>,
    pub(crate) price_id: String,
    pub(crate) cost: Option<i64>,
    pub(crate) is_estimated: Option<bool>,
    pub(crate) received_prompt: i64,
    pub(crate) received_completion: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
