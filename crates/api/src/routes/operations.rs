//! What operators ask: probes, metrics, and the description of the API.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, guard, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::MetricsRenderer;
use crate::context::Context;
use crate::envelope::{Envelope, Reply, json};
use crate::health::{Dependency, Health};
use crate::openapi;
use crate::problem::Slug;
use crate::settings::ApiSettings;

/// 进程状态。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AliveData {
    /// 固定为 `alive`。
    #[schema(example = "alive")]
    status: &'static str,
    /// 版本。
    #[schema(example = "0.1.0")]
    version: String,
}

fn alive(settings: &ApiSettings) -> Reply<AliveData> {
    Reply::new(AliveData { status: "alive", version: settings.version.clone() })
}

#[utoipa::path(tag = "运维", summary = "进程是否活着", security(()),
    responses((status = 200, description = "活着", body = Envelope<AliveData>)))]
#[get("/livez")]
pub(crate) async fn livez(settings: web::Data<ApiSettings>) -> Reply<AliveData> {
    alive(&settings)
}

#[utoipa::path(tag = "运维", summary = "进程是否活着（同 /livez）", security(()),
    responses((status = 200, description = "活着", body = Envelope<AliveData>)))]
#[get("/healthz")]
pub(crate) async fn healthz(settings: web::Data<ApiSettings>) -> Reply<AliveData> {
    alive(&settings)
}

/// Addresses of probes, which some watchers ask by HEAD. Not in the OpenAPI document: a HEAD says what its GET says.
pub(crate) const PROBES: [&str; 3] = ["/livez", "/healthz", "/readyz"];

/// Adds the probes' HEAD.
pub(crate) fn heads(config: &mut web::ServiceConfig) {
    async fn head_alive(settings: web::Data<ApiSettings>) -> Reply<AliveData> {
        alive(&settings)
    }
    for path in ["/livez", "/healthz"] {
        config.service(web::resource(path).guard(guard::Head()).to(head_alive));
    }
    config.service(web::resource("/readyz").guard(guard::Head()).to(answer_readiness));
}

/// 依赖的状态。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DependencyView {
    /// 名称。
    #[schema(example = "store")]
    name: &'static str,
    /// 是否可用。
    up: bool,
    /// 缺了它是否就不能服务。
    required: bool,
}

impl From<Dependency> for DependencyView {
    fn from(dependency: Dependency) -> Self {
        Self { name: dependency.name, up: dependency.is_up, required: dependency.is_required }
    }
}

/// 能否服务。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadyData {
    /// `ready` 或 `not_ready`。
    #[schema(example = "ready")]
    status: &'static str,
    /// 各依赖的状态，只在 `?verbose` 时有。
    #[serde(skip_serializing_if = "Option::is_none")]
    dependencies: Option<Vec<DependencyView>>,
}

#[utoipa::path(tag = "运维", summary = "能否服务", security(()),
    description = "每个依赖都可用时回答 200，否则 503；正在关闭时也是 503。`?verbose` 列出各依赖。",
    params(("verbose" = Option<String>, Query, description = "出现即列出各依赖")),
    responses((status = 200, description = "可以服务", body = Envelope<ReadyData>)))]
#[get("/readyz")]
pub(crate) async fn readyz(
    request: HttpRequest,
    context: Context,
    health: web::Data<dyn Health>,
) -> HttpResponse {
    answer_readiness(request, context, health).await
}

async fn answer_readiness(
    request: HttpRequest,
    context: Context,
    health: web::Data<dyn Health>,
) -> HttpResponse {
    let readiness = health.readiness().await;
    let is_verbose = request.query_string().split('&').any(|part| part.split('=').next() == Some("verbose"));
    let dependencies =
        is_verbose.then(|| readiness.dependencies.into_iter().map(DependencyView::from).collect());
    let status = if readiness.is_ready { "ready" } else { "not_ready" };
    readiness_answer(readiness.is_ready, ReadyData { status, dependencies }, &context)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadinessBody<'a> {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    message: &'static str,
    data: ReadyData,
    request_id: &'a str,
}

/// The one error answer that carries content: a probe wants to know which dependency it is.
fn readiness_answer(is_ready: bool, data: ReadyData, context: &Context) -> HttpResponse {
    let language = context.0.language;
    let (status, error, message) = if is_ready {
        (StatusCode::OK, None, language.choose("成功", "OK"))
    } else {
        let slug = Slug::Unavailable;
        (slug.status(), Some(slug.as_str()), slug.message(language))
    };
    let request_id = context.0.request_id.as_str();
    json(status, &ReadinessBody { code: status.as_u16(), error, message, data, request_id })
}

#[utoipa::path(tag = "运维", summary = "Prometheus 指标", path = "/metrics", security(()), operation_id = "metrics",
    responses((status = 200, description = "文本格式的指标", body = String, content_type = "text/plain")))]
#[get("/metrics")]
pub(crate) async fn render_metrics(render: web::Data<MetricsRenderer>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8")))
        .body(render())
}

#[utoipa::path(tag = "运维", summary = "本文档", security(()),
    responses((status = 200, description = "OpenAPI 3.1 文档", body = Object, content_type = "application/json")))]
#[get("/api-docs/openapi.json")]
pub(crate) async fn openapi_document(request: HttpRequest) -> HttpResponse {
    let document = openapi::document();
    let is_known =
        request.headers().get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == document.etag.as_bytes());
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, document.etag.as_str()))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    if is_known {
        return response.finish();
    }
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(document.json.clone())
}
