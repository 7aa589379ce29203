//! Previews by path, on our own origin: `/preview/<job>/<port>/…`, where the operator wished it since
//! names below the domain do not lead here. All of them are one origin then, and can do to each other
//! what a page can do to itself; so our own page hands out nothing there.

use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use types::JobId;

use super::Visit;
use crate::origin::{Part, Place};
use crate::view::View;
use crate::{Portal, entry, guard, pages};

const ROOT: &str = "/preview/";

/// Whether it is for a preview by path.
pub(crate) fn leads_here(uri: &Uri) -> bool {
    uri.path().starts_with(ROOT)
}

/// Where a preview is, without a slash at its end.
pub(crate) fn base(job: JobId, port: u16) -> String {
    format!("{ROOT}{job}/{port}")
}

/// Answers below it.
pub(crate) async fn answer(portal: &Portal, request: Request) -> Response {
    let uri = request.uri();
    let Some((job, port)) = parse(uri.path()) else { return pages::nothing("/list") };
    let base = base(job, port);
    match uri.path().strip_prefix(&base) {
        Some("") if request.method() == Method::GET => to_its_root(&base),
        Some(entry::PATH) => portal.enter(job, Part::Port(port), request.method(), uri),
        Some(rest) if rest.starts_with('/') => {
            let visit = Visit { job, view: View::Preview { port }, base: &base };
            super::answer(portal, visit, request).await
        }
        _ => pages::nothing("/list"),
    }
}

/// Each has one spelling, as in the name of an origin.
fn parse(path: &str) -> Option<(JobId, u16)> {
    let mut parts = path.strip_prefix(ROOT)?.split('/');
    let label = [parts.next()?, parts.next()?];
    let [job, port] = label;
    match Place::labelled(&format!("{port}-{job}"))? {
        Place::Job(job, Part::Port(port)) => Some((job, port)),
        Place::Job(_, Part::Desktop | Part::Jupyter) | Place::Own => None,
    }
}

/// Else its relative links would lead elsewhere.
fn to_its_root(base: &str) -> Response {
    let to = [(LOCATION, format!("{base}/"))];
    guard::seal((StatusCode::PERMANENT_REDIRECT, to).into_response(), "default-src 'none'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_has_one_path() {
        let job = JobId::generate();
        for rest in ["", "/", "/index.html", "//x", "/../.."] {
            let path = format!("{}{rest}", base(job, 3000));
            assert_eq!(parse(&path), Some((job, 3000)), "{path}");
        }
        for path in [
            "/preview/",
            "/preview/x/3000/",
            &format!("/preview/{job}"),
            &format!("/preview/{job}/0/"),
            &format!("/preview/{job}/03000/"),
            &format!("/preview/{job}/lab/"),
            &format!("/preview/{job}/65536/"),
            &format!("/preview//{job}/3000/"),
            &format!("/Preview/{job}/3000/"),
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
