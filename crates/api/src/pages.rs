//! The page at `/`, its files, and Swagger UI at `/docs/`: all compiled in, none from elsewhere.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use rust_embed::RustEmbed;

use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "../../web/"]
struct Web;

const INDEX: &str = "index.html";

/// The page loads nothing from other places, and no other page may frame it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; \
connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Swagger UI writes styles into its elements.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the addresses of the page, its files and the documentation.
pub(crate) fn pages(config: &mut ServiceConfig) {
    let docs =
        web::resource(["/docs"]).route(web::get().to(docs_redirect)).route(web::head().to(docs_redirect));
    config.service(docs.default_service(web::to(crate::wrong_method)));
    page(config, "/docs/{file:.*}", docs_file);
    page(config, "/", index);
    for file in Web::iter() {
        let path = format!("/{file}");
        let resource = web::resource([path]);
        let resource = resource.route(web::get().to(web_file)).route(web::head().to(web_file));
        config.service(resource.default_service(web::to(crate::wrong_method)));
    }
}

fn page<F, Args>(config: &mut ServiceConfig, path: &str, handler: F)
where
    F: actix_web::Handler<Args, Output = Result<HttpResponse, Problem>>,
    Args: actix_web::FromRequest + 'static,
{
    let resource = web::resource([path]);
    let resource = resource.route(web::get().to(handler.clone())).route(web::head().to(handler));
    config.service(resource.default_service(web::to(crate::wrong_method)));
}

async fn index(request: HttpRequest) -> Result<HttpResponse, Problem> {
    file(&request, INDEX)
}

async fn web_file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    file(&request, request.path().trim_start_matches('/'))
}

fn file(request: &HttpRequest, path: &str) -> Result<HttpResponse, Problem> {
    let file = Web::get(path).ok_or_else(Problem::not_found)?;
    let etag = etag(&file.metadata.sha256_hash());
    let is_known =
        request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, etag))
        // Files have no version in their names, so a browser asks each time; the answer is mostly 304.
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    let content_type = content_type(path);
    if path == INDEX {
        add_policy(&mut response, PAGE_POLICY);
    }
    if is_known {
        return Ok(response.finish());
    }
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)));
    let body = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Ok(response.body(body))
}

fn etag(hash: &[u8; 32]) -> String {
    let mut head = [0_u8; 8];
    head.copy_from_slice(hash.split_at(8).0);
    format!("\"{:016x}\"", u64::from_be_bytes(head))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn add_policy(response: &mut HttpResponseBuilder, policy: &'static str) {
    let name = HeaderName::from_static("content-security-policy");
    response.insert_header((name, HeaderValue::from_static(policy)));
}

async fn docs_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, HeaderValue::from_static("/docs/"))).finish()
}

static SWAGGER: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> =
    LazyLock::new(|| Arc::new(utoipa_swagger_ui::Config::from("/api-docs/openapi.json")));

async fn docs_file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.match_info().get("file").unwrap_or_default();
    let found = utoipa_swagger_ui::serve(path, Arc::clone(&SWAGGER))
        .map_err(|error| Problem::internal(error.to_string()))?;
    let file = found.ok_or_else(Problem::not_found)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("max-age=3600")));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    add_policy(&mut response, DOCS_POLICY);
    Ok(response.body(file.bytes.into_owned()))
}
