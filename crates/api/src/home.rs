//! The front page's cards and pictures: what they are, and whoever keeps them.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// 首页的一张卡片。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"), deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
pub struct HomeCard {
    /// 编号。
    #[schema(example = "guoxue")]
    pub id: String,
    /// 标题。
    #[schema(example = "国学书院")]
    pub title: String,
    /// 图标地址。
    pub icon: String,
    /// 背景，颜色或地址。
    #[schema(example = "#8c3b2f")]
    pub background: String,
    /// 说明。
    pub description: String,
    /// 点了进入的聊天室。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "guoxue_room")]
    pub room_id: Option<String>,
    /// 点了打开的页面。
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

/// 点了轮播图去哪里。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JumpType {
    /// 聊天室。
    Room,
    /// 页面。
    Url,
    /// 哪里也不去。
    None,
}

/// 首页的一张轮播图。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"), deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
pub struct HomeSwiper {
    /// 编号。
    #[schema(example = "welcome")]
    pub id: String,
    /// 图片地址。
    pub image_url: String,
    /// 标题。
    pub title: String,
    /// 点了去哪里。
    pub jump_type: JumpType,
    /// 去的聊天室。
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// 去的页面。
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

/// What the front page shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// Cards, in order.
    #[serde(default)]
    pub cards: Vec<HomeCard>,
    /// Pictures, in order.
    #[serde(default)]
    pub swipers: Vec<HomeSwiper>,
}

/// A picture that jumps nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the swiper {id} jumps to a {kind} and does not say which")]
pub struct NoTarget {
    id: String,
    kind: &'static str,
}

impl Home {
    /// Whether every jump has where to go.
    pub fn check(&self) -> Result<(), NoTarget> {
        for swiper in &self.swipers {
            let missing = match swiper.jump_type {
                JumpType::Room => swiper.room_id.is_none().then_some("room"),
                JumpType::Url => swiper.target_url.is_none().then_some("url"),
                JumpType::None => None,
            };
            if let Some(kind) = missing {
                return Err(NoTarget { id: swiper.id.clone(), kind });
            }
        }
        Ok(())
    }
}

/// Keeps the front page; answered by the composition, which knows where the operator writes it.
#[async_trait]
pub trait FrontPage: Send + Sync {
    /// What to show now. Never fails: what was last good goes on.
    async fn home(&self) -> Arc<Home>;
}
