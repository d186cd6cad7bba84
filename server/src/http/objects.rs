//! The addresses of parts and files, where they lie in a folder of the server's own. Who holds an address needs no
//! token: its signature says what may be done, and until when.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use serde::Deserialize;
use tidewire_protocol::{ErrorCode, FileKey, WireError};
use tower_http::services::ServeFile;

use super::Refusal;
use super::extract::{Ids, Params};
use crate::app::App;
use crate::files::{self, Folder, PartPermit};

/// The signed address of a part.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartQuery {
    part_number: u32,
    upload_id: String,
    size: u64,
    expires: u64,
    signature: String,
}

/// The signed address of a file.
#[derive(Deserialize, Default)]
pub(super) struct FileQuery {
    expires: Option<u64>,
    signature: Option<String>,
}

fn folder(app: &App) -> Result<&Folder, Refusal> {
    let none = || Refusal::new(ErrorCode::NotFound, "this server keeps files elsewhere");
    app.files.folder().map(AsRef::as_ref).ok_or_else(none)
}

fn ended() -> Refusal {
    Refusal::new(ErrorCode::UrlExpired, "this address has ended, or is none: ask for another")
}

/// Takes a part.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Ids((key,)): Ids<(FileKey,)>,
    Params(query): Params<PartQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    let folder = folder(&app)?;
    let PartQuery { part_number: number, upload_id: token, size: bytes, expires, signature } =
        query;
    let permit = PartPermit { key, token, number, bytes, expires };
    if !folder.permits_part(&permit, &signature) {
        return Err(ended());
    }
    // Before anything is read: an upload that is done with, or was deleted, takes nothing any more.
    still_begun(&app, &permit).await?;
    let (parts, body) = request.into_parts();
    let declared = length(&parts.headers);
    if declared.is_some_and(|length| length != bytes) {
        return Err(wrong_size(bytes));
    }
    let checksum = content_md5(&parts.headers)?;
    // Whatever becomes of the connection: what has come whole need not come again.
    let taken = tokio::spawn(take(app.clone(), permit, body, checksum)).await;
    let gone = |_| Refusal::new(ErrorCode::Internal, "the server failed");
    let md5 = taken.map_err(gone)??;
    let digits: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((StatusCode::OK, [(header::ETAG, format!("\"{digits}\""))]).into_response())
}

/// Takes a part and keeps it, unless it is not what was declared. Gives its MD5.
async fn take(
    app: Arc<App>,
    permit: PartPermit,
    body: Body,
    checksum: Option<[u8; 16]>,
) -> Result<[u8; 16], Refusal> {
    let (folder, bytes) = (folder(&app)?, permit.bytes);
    let mut part = folder.receive().await.map_err(WireError::from)?;
    let mut body = body.into_data_stream();
    let mut got = 0;
    loop {
        // A slow network is no "no", but one that brings nothing keeps a place from others.
        let next = tokio::time::timeout(app.config.body_timeout, body.next()).await;
        let Ok(next) = next else { return Err(too_slow()) };
        match next {
            None => break,
            Some(Err(_)) => {
                return Err(Refusal::new(ErrorCode::BadRequest, "the part broke off"));
            }
            Some(Ok(chunk)) if got + chunk.len() as u64 > bytes => return Err(wrong_size(bytes)),
            Some(Ok(chunk)) => got = part.write(&chunk).await.map_err(WireError::from)?,
        }
    }
    if got != bytes {
        return Err(wrong_size(bytes));
    }
    let received = part.finish().await.map_err(WireError::from)?;
    let md5 = received.md5;
    if checksum.is_some_and(|declared| declared != md5) {
        let text = "the part is not what its Content-MD5 says: send it again";
        return Err(Refusal::new(ErrorCode::ChecksumMismatch, text));
    }
    // Nothing is put together or deleted while a part gets its name.
    let upload = still_begun(&app, &permit).await?;
    let held = app.files.hold(upload).await;
    still_begun(&app, &permit).await?;
    folder.keep(&permit, received).await.map_err(WireError::from)?;
    drop(held);
    Ok(md5)
}

/// The upload that the address is of, while its parts are being put.
async fn still_begun(
    app: &App,
    permit: &PartPermit,
) -> Result<tidewire_protocol::UploadId, Refusal> {
    let upload = app.store.upload_of_key(permit.key.clone()).await?;
    if upload.token.as_deref() == Some(permit.token.as_str()) {
        Ok(upload.request.id)
    } else {
        Err(crate::store::StoreError::UnknownUpload.into())
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Refusal> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let digest = STANDARD.decode(value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let odd = || Refusal::new(ErrorCode::BadRequest, "the Content-MD5 is none");
    digest.map(Some).ok_or_else(odd)
}

fn wrong_size(bytes: u64) -> Refusal {
    Refusal::new(ErrorCode::InvalidContent, format!("this part has exactly {bytes} bytes"))
}

fn too_slow() -> Refusal {
    let text = "the part came too slowly: try again";
    Refusal(WireError::new(ErrorCode::Unavailable, text).retry_after_ms(1_000))
}

/// Gives a file, or a range of it.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Ids((key,)): Ids<(FileKey,)>,
    Params(query): Params<FileQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    let folder = folder(&app)?;
    let permitted = match (query.expires, &query.signature) {
        (Some(expires), Some(signature)) => folder.permits_get(&key, expires, signature),
        (None, None) => app.files.is_open(),
        _ => false,
    };
    if !permitted {
        return Err(ended());
    }
    let file = app.store.file(None, key).await?;
    // The key is the content: whoever has a copy under it has this.
    let etag = HeaderValue::from_str(&format!("\"{}\"", file.key))
        .map_err(|_| Refusal::new(ErrorCode::Internal, "the server failed"))?;
    if request.headers().get(header::IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = request.headers().get(header::RANGE).cloned();
    let mut plain = Request::builder().method(request.method().clone()).uri("/");
    if let Some(range) = range {
        plain = plain.header(header::RANGE, range);
    }
    let plain = plain
        .body(Body::empty())
        .map_err(|_| Refusal::new(ErrorCode::BadRequest, "the request makes no sense"))?;
    let served = ServeFile::new(folder.path_of(&file.key)).try_call(plain).await;
    let served = served.map_err(|error| {
        tracing::warn!(%error, "a file cannot be read");
        Refusal::from(WireError::from(files::ObjectError::from(error)))
    })?;
    match served.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let text = format!("the file has {} bytes", file.request.size);
            let mut refusal = Refusal::new(ErrorCode::BadRequest, text).into_response();
            *refusal.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(refusal);
        }
        // It was deleted this very moment.
        _ => return Err(crate::store::StoreError::UnknownFile.into()),
    }
    let mut response = served.map(Body::new);
    let request = &file.request;
    let headers = response.headers_mut();
    headers.remove(header::LAST_MODIFIED);
    headers.insert(header::ETAG, etag);
    for (name, value) in [
        (header::CONTENT_TYPE, request.content_type.as_str()),
        (header::CONTENT_DISPOSITION, &files::disposition(&request.name, &request.content_type)),
        (header::CACHE_CONTROL, files::IMMUTABLE),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Whatever it is, it runs nothing, and knows nothing of this server.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        // Names and types that were checked at the beginning are fit for a header.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
