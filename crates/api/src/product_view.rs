//! What is for sale, as clients see it.

use billing::{Content, Product, ProductKind, Quote};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::order_view::yuan;

/// 商品里的一样东西。
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum ContentView {
    /// 点数。
    #[serde(rename_all = "camelCase")]
    Credits {
        /// 点数。
        credits: i64,
        /// 赠送的点数。
        bonus: i64,
        /// 多少天内有效；没有则不过期。
        #[serde(skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    },
    /// 角色。
    #[serde(rename_all = "camelCase")]
    Character {
        /// 角色编号。
        character_id: String,
    },
    /// 技能。
    #[serde(rename_all = "camelCase")]
    Skill {
        /// 角色编号。
        character_id: String,
        /// 技能编号。
        skill_id: String,
    },
    /// 会员。
    Vip {
        /// 几个月，每月 30 天。
        months: u32,
    },
}

impl From<&Content> for ContentView {
    fn from(content: &Content) -> Self {
        match content {
            Content::Credits { amount, bonus, days } => {
                Self::Credits { credits: amount.get(), bonus: bonus.get(), days: *days }
            }
            Content::Character { id } => Self::Character { character_id: id.clone() },
            Content::Skill { character_id, skill_id } => {
                Self::Skill { character_id: character_id.clone(), skill_id: skill_id.clone() }
            }
            Content::Vip { months } => Self::Vip { months: *months },
        }
    }
}

/// 一件商品。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductView {
    /// 商品编号。
    #[schema(example = "credits_30")]
    product_id: String,
    /// 类型：`credits`、`character`、`skill`、`vip`、`bundle`。
    #[schema(example = "credits")]
    product_type: &'static str,
    /// 名称。
    #[schema(example = "30 元点数包")]
    name: String,
    /// 原价（元）。
    #[schema(example = 30.0)]
    price: f64,
    /// 你的价格（元）：会员买技能八折。
    #[schema(example = 30.0)]
    final_price: f64,
    /// 你的价格（分）。
    #[schema(example = 3000)]
    final_price_fen: i64,
    /// 一次最多买几份。
    #[schema(example = 10)]
    quantity_max: u32,
    /// 里面有什么。
    contents: Vec<ContentView>,
    /// 只卖给会员。
    members_only: bool,
    /// 限量的总数。
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<u32>,
    /// 从何时起，毫秒。
    #[serde(skip_serializing_if = "Option::is_none")]
    sale_from: Option<i64>,
    /// 到何时止，毫秒。
    #[serde(skip_serializing_if = "Option::is_none")]
    sale_until: Option<i64>,
}

impl ProductView {
    pub(crate) fn of(product: &Product, quote: Option<Quote>) -> Self {
        let price = quote.map_or(product.price, |quote| quote.total);
        Self {
            product_id: product.id.to_string(),
            product_type: product.kind.as_str(),
            name: product.name.clone(),
            price: yuan(product.price),
            final_price: yuan(price),
            final_price_fen: price.get(),
            quantity_max: product.quantity_max,
            contents: product.contents.iter().map(Into::into).collect(),
            members_only: product.members_only,
            stock: product.offering.stock,
            sale_from: product.offering.from.map(Timestamp::as_millis),
            sale_until: product.offering.until.map(Timestamp::as_millis),
        }
    }

    pub(crate) fn shelf(word: &str) -> Option<ProductKind> {
        word.parse().ok()
    }
}
