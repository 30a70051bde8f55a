//! The envelope around every JSON answer, and pages of lists.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use kernel::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::language::Language;
use crate::settings::ApiSettings;

/// 成功回复的外壳；`data` 是各接口自己的内容。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a, T> {
    /// 与 HTTP 状态码相同。
    #[schema(example = 200)]
    code: u16,
    /// 给人看的话，语言随 `Accept-Language`。
    #[schema(example = "成功")]
    message: &'a str,
    /// 内容。
    data: T,
    /// 请求编号，与 `x-request-id` 相同。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    request_id: &'a str,
}

/// 没有内容的 `data`。
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Nothing {}

/// A successful answer.
#[derive(Debug)]
pub struct Reply<T> {
    data: T,
    replayed: bool,
}

impl<T: Serialize> Reply<T> {
    /// An answer with this content.
    pub const fn new(data: T) -> Self {
        Self { data, replayed: false }
    }

    /// Says whether this is the answer to an earlier request, repeated.
    #[must_use]
    pub const fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }
}

impl Reply<Nothing> {
    /// An answer that says only that it was done.
    pub const fn done() -> Self {
        Self::new(Nothing {})
    }
}

/// Most answers fit in so much, so that their buffer grows never or once.
const BODY_BYTES_USUAL: usize = 1_024;

impl<T: Serialize> Responder for Reply<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let context = Context::of(request);
        let (request_id, language) = match &context {
            Some(Context(context)) => (context.request_id.as_str(), context.language),
            None => ("", Language::default()),
        };
        let message = language.choose("成功", "OK");
        let envelope = Envelope { code: 200, message, data: &self.data, request_id };
        let mut response = json(StatusCode::OK, &envelope);
        if self.replayed {
            mark_replayed(response.headers_mut());
        }
        response
    }
}

/// Says that an answer is that of an earlier request, repeated.
pub(crate) fn mark_replayed(headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
}

/// A JSON answer, serialised once.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let mut bytes = Vec::with_capacity(BODY_BYTES_USUAL);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        // Our own types always serialise; a map with keys that are no text would be a defect.
        tracing::error!(%error, "an answer could not be serialised");
        return HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let mut response = HttpResponse::with_body(status, BoxBody::new(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Which page of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    pub page: Option<u32>,
    /// 每页多少条，最多 100。
    #[param(minimum = 1, example = 20)]
    pub page_size: Option<u32>,
}

const PAGE_SIZE_DEFAULT: u32 = 20;

impl PageQuery {
    /// The page, within the operator's limit.
    pub fn request(&self, settings: &ApiSettings) -> PageRequest {
        page_request(self.page, self.page_size, settings)
    }
}

/// The page that a query means, within the operator's limit.
pub fn page_request(page: Option<u32>, size: Option<u32>, settings: &ApiSettings) -> PageRequest {
    PageRequest::new(page.unwrap_or(1), size.unwrap_or(PAGE_SIZE_DEFAULT), settings.page_size_max)
}

/// 列表的分页信息。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// 第几页，从 1 开始。
    #[schema(example = 1)]
    page: u32,
    /// 每页多少条。
    #[schema(example = 20)]
    page_size: u32,
    /// 总条数。
    #[schema(example = 1)]
    total: u64,
    /// 后面是否还有。
    has_more: bool,
}

impl Pagination {
    /// Of a page that was asked for so.
    pub fn of<T>(page: &Page<T>, request: PageRequest) -> Self {
        Self {
            page: request.page(),
            page_size: request.size(),
            total: page.total,
            has_more: page.has_more(request),
        }
    }
}
