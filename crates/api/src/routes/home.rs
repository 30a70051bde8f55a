//! The front page's cards and pictures, for anybody.

use actix_web::{HttpRequest, HttpResponse, Responder, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::envelope::{Envelope, Reply};
use crate::home::{FrontPage, HomeCard, HomeSwiper};

/// 首页的卡片。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardsData<'a> {
    /// 卡片。
    cards: &'a [HomeCard],
}

#[utoipa::path(tag = "首页", summary = "首页的卡片", security(()),
    responses((status = 200, description = "卡片", body = Envelope<CardsData>)))]
#[get("/home/cards")]
pub(crate) async fn list_cards(request: HttpRequest, page: web::Data<dyn FrontPage>) -> HttpResponse {
    let home = page.home().await;
    Reply::new(CardsData { cards: &home.cards }).respond_to(&request)
}

/// 首页的轮播图。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SwipersData<'a> {
    /// 轮播图。
    swipers: &'a [HomeSwiper],
}

#[utoipa::path(tag = "首页", summary = "首页的轮播图", security(()),
    responses((status = 200, description = "轮播图", body = Envelope<SwipersData>)))]
#[get("/home/swipers")]
pub(crate) async fn list_swipers(request: HttpRequest, page: web::Data<dyn FrontPage>) -> HttpResponse {
    let home = page.home().await;
    Reply::new(SwipersData { swipers: &home.swipers }).respond_to(&request)
}
