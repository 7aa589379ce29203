//! The body that makes a job, in its two forms: JSON alone, or `multipart/form-data` with files for
//! the workspace beside it.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use jobs::{Idempotency, InvalidPath, Staged, Staging, WorkspacePath};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use crate::code::Code;
use crate::disposition::Head;
use crate::multipart::Multipart;
use crate::problem::Problem;
use crate::{Api, body, extract, files};

/// The most files that come with a job; a project of more is better fetched or packed.
const MAX_FILES: usize = 1000;

const KEY: &str = "idempotency-key";

/// The header that names a request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the description; `key` reads the header")]
pub(crate) struct IdempotencyKey {
    /// A name of your own for this request: sent again, it is the same job; another request of the
    /// same name is refused.
    #[param(rename = "Idempotency-Key", required = false, value_type = String, min_length = 1,
        max_length = 255, pattern = "^[ -~]+$")]
    key: (),
}

/// The JSON of a job, by either name of its task.
pub(crate) trait Order: DeserializeOwned {
    /// The shortest one, for who sent something else.
    const EXAMPLE: &str;
}

/// What a client sent to have a job done; `T` is the JSON.
#[derive(Debug)]
pub(crate) struct Submission<T> {
    pub(crate) body: T,
    pub(crate) inputs: Option<Staged>,
    pub(crate) idempotency: Option<Idempotency>,
}

impl<T: Order> FromRequest<Api> for Submission<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let path = request.uri().path().to_owned();
        let (json, inputs, content) = match form(request.headers()) {
            Some(media_type) => {
                let body = body::bounded(request.into_body(), crate::MAX_UPLOAD_BYTES)?;
                let form = Form::read(api, Multipart::new(&media_type, body)?).await?;
                let content = form.digest();
                (form.job, form.inputs, content)
            }
            None => {
                extract::expect_json(request.headers())?;
                let json = body::whole(request).await?.to_vec();
                let content = Sha256::digest(&json).into();
                (json, None, content)
            }
        };
        let body = extract::parse(&json, T::EXAMPLE)?;
        let fingerprint = fingerprint(&path, content);
        Ok(Self { body, inputs, idempotency: key.map(|key| Idempotency { key, fingerprint }) })
    }
}

/// What a request is, so that a repeat is known: where it went, and what it said.
fn fingerprint(path: &str, content: [u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(content).chain_update(path).finalize().into()
}

/// `jobs` says what a key may look like.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let bad = || Problem::field(Code::BadKey, "Idempotency-Key", Code::BadKey.advice());
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => Ok(Some(key.to_str().map_err(|_| bad())?.to_owned())),
        (Some(_), Some(_)) => Err(bad()),
    }
}

/// The media type, if it is that of a form with files.
fn form(headers: &HeaderMap) -> Option<String> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = media_type.split(';').next()?.trim();
    essence.eq_ignore_ascii_case("multipart/form-data").then(|| media_type.to_owned())
}

/// What a form had.
struct Form {
    job: Vec<u8>,
    inputs: Option<Staged>,
    /// The files' names, and SHA-256 of what is in them.
    files: BTreeMap<String, [u8; 32]>,
}

impl Form {
    /// Reads the parts in whatever order they come; the files go to the disk as they do.
    async fn read(api: &Api, mut parts: Multipart) -> Result<Self, Problem> {
        let (mut job, mut staging, mut files) = (None, None, BTreeMap::new());
        while let Some(head) = parts.next().await? {
            match head {
                Head { name, .. } if name == "job" && job.is_none() => {
                    job = Some(whole(&mut parts).await?);
                }
                Head { name, filename: Some(path) }
                    if name == "file" && !files.contains_key(&path) =>
                {
                    if files.len() == MAX_FILES {
                        let detail = format!("a job takes at most {MAX_FILES} files; pack them");
                        return Err(Problem::new(Code::TooLarge, detail));
                    }
                    if let Some(other) = clash(&files, &path) {
                        let why = format!("{path:?} and {other:?} cannot both be files");
                        return Err(files::bad_path(&why));
                    }
                    let staging = match &mut staging {
                        Some(staging) => staging,
                        none => {
                            none.insert(api.jobs.stage().await.map_err(|e| files::refused(&e))?)
                        }
                    };
                    let digest = keep(staging, &path, &mut parts).await?;
                    files.insert(path, digest);
                }
                other => return Err(unwanted(&other)),
            }
        }
        let missing = || Problem::field(Code::BadMultipart, "job", Code::BadMultipart.advice());
        let inputs = staging.map(Staging::finish);
        Ok(Self { job: job.ok_or_else(missing)?, inputs, files })
    }

    /// One for all ways to send the same: neither boundary nor order count.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new().chain_update(Sha256::digest(&self.job));
        for (name, content) in &self.files {
            digest.update(Sha256::digest(name));
            digest.update(content);
        }
        digest.finalize().into()
    }
}

/// A file that has this path as a directory, or that would lie beneath it.
fn clash<'a>(files: &'a BTreeMap<String, [u8; 32]>, path: &str) -> Option<&'a String> {
    let beneath = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    files.keys().find(|other| beneath(path, other) || beneath(other, path))
}

fn unwanted(head: &Head) -> Problem {
    let Head { name, filename } = head;
    let what = match (name.as_str(), filename) {
        ("job", _) => "the part `job` is there twice".into(),
        ("file", None) => "a part `file` has no filename: that is its path in the workspace".into(),
        ("file", Some(path)) => format!("the file {path:?} is there twice"),
        (other, _) => format!("there is a part {other:?}"),
    };
    Problem::new(Code::BadMultipart, format!("{what}; {}", Code::BadMultipart.advice()))
}

async fn whole(part: &mut Multipart) -> Result<Vec<u8>, Problem> {
    let mut all = Vec::new();
    while let Some(piece) = part.chunk().await? {
        if all.len() + piece.len() > crate::MAX_BODY_BYTES {
            return Err(Problem::field(Code::TooLarge, "job", Code::TooLarge.advice()));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Writes a file to where it waits for its job.
async fn keep(
    staging: &mut Staging,
    path: &str,
    part: &mut Multipart,
) -> Result<[u8; 32], Problem> {
    let path: WorkspacePath = path.parse().map_err(|e: InvalidPath| files::bad_path(&e))?;
    let mut file = staging.file(&path).await.map_err(|e| files::refused(&e))?;
    let mut digest = Sha256::new();
    while let Some(piece) = part.chunk().await? {
        digest.update(&piece);
        file.write(piece).await.map_err(|e| files::refused(&e))?;
    }
    file.finish().await.map_err(|e| files::refused(&e))?;
    Ok(digest.finalize().into())
}
