//! The API's description: the OpenAPI document and Swagger UI over it, which we bring along, so
//! that it works without internet.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::Api;
use crate::code::Code;
use crate::home::html;
use crate::problem::Problem;

const PAGE: &str = include_str!("../assets/docs.html");
const SCRIPT: &str = include_str!("../assets/docs.js");

/// The committed one: a server need not keep what it is made from.
const DOCUMENT: &str = include_str!("../openapi.json");

/// Swagger UI sets styles of elements and draws with `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// This description, to be browsed
#[utoipa::path(get, path = "/docs", tag = "docs", operation_id = "docs",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn page() -> Response {
    html(PAGE, POLICY)
}

/// This description, for programs
#[utoipa::path(get, path = "/openapi.json", tag = "docs", operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document", body = serde_json::Value)))]
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

/// What the page loads.
pub(crate) fn assets() -> Router<Api> {
    Router::new()
        .route("/docs/start.js", get(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route("/docs/{file}", get(asset))
}

async fn asset(Path(file): Path<String>) -> Result<Response, Problem> {
    match utoipa_swagger_ui::serve(&file, Arc::new(Config::from("/openapi.json"))) {
        Ok(Some(asset)) => {
            Ok(([(CONTENT_TYPE, asset.content_type)], asset.bytes.into_owned()).into_response())
        }
        Ok(None) => Err(Problem::new(Code::NotFound, format!("the docs have no file {file:?}"))),
        Err(e) => Err(Problem::internal(e.as_ref())),
    }
}
