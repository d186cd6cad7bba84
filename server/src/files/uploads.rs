//! How a file gets into the store: begun, its parts told, put together, checked; and how it gets out.

use std::sync::Arc;
use std::time::Instant;

use tidewire_protocol::{
    ErrorCode, ErrorDetail, FileAccess, FileKey, Upload, UploadId, UploadRequest, UserId,
    WireError, limits,
};

use super::locks::Held;
use super::{Files, StoredPart, URL_LASTS};
use crate::app::App;
use crate::store::{NewUpload, Store, StoreError, UploadRow, UploadState};

/// Does something that counts as one operation, unless it is refused.
async fn rated<T>(
    app: &App,
    user: &UserId,
    call: impl Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    app.limiter.take(user, 1, Instant::now())?;
    let answer = call.await;
    if answer.is_err() {
        app.limiter.give_back(user, 1);
    }
    answer
}

/// Begins an upload or goes on with it.
pub(crate) async fn begin(
    app: &App,
    user: &UserId,
    request: UploadRequest,
) -> Result<Upload, WireError> {
    rated(app, user, try_begin(app, user, request)).await
}

async fn try_begin(app: &App, user: &UserId, request: UploadRequest) -> Result<Upload, WireError> {
    let files = &app.files;
    let invalid = |error: tidewire_protocol::InvalidFile| {
        WireError::new(ErrorCode::InvalidContent, error.to_string())
    };
    request.validate().map_err(invalid)?;
    if request.size > files.max_bytes {
        let text = format!("a file has at most {} bytes", files.max_bytes);
        let detail = ErrorDetail { max_bytes: Some(files.max_bytes), ..ErrorDetail::default() };
        return Err(WireError::new(ErrorCode::TooLarge, text).detail(detail));
    }
    let held = files.locks.hold(request.id).await;
    let mut upload = known_or_new(app, user, request).await?;
    if upload.state == UploadState::Outgoing {
        remove(app.store.as_ref(), &app.files, &upload, &held).await?;
        upload = app.store.begin_upload(user.clone(), new(app, user, upload.request)).await?;
    }
    if upload.state == UploadState::Complete {
        return Ok(completed(&upload));
    }
    let (token, stored) = stored(app, &upload).await?;
    let stored: Vec<u32> = whole(&upload, &stored).map(|part| part.number).collect();
    let missing = (1..=count(&upload)).filter(|number| !stored.contains(number));
    let url = |number| {
        let bytes = part_bytes(&upload, number);
        files.objects.part_url(&upload.key, &token, number, bytes)
    };
    let parts: Vec<_> = missing.take(limits::UPLOAD_PARTS_PER_ANSWER).map(url).collect();
    let lasts = u64::try_from(URL_LASTS.as_millis()).unwrap_or(u64::MAX);
    Ok(Upload {
        id: upload.request.id,
        key: upload.key.clone(),
        complete: false,
        part_size: upload.part_size,
        stored,
        expires_in_ms: if parts.is_empty() { 0 } else { lasts },
        parts,
    })
}

/// The upload of this request. A new one costs its bytes of the user's rate.
async fn known_or_new(
    app: &App,
    user: &UserId,
    request: UploadRequest,
) -> Result<UploadRow, WireError> {
    let fresh = match app.store.upload(user.clone(), request.id).await {
        Ok(_) => 0,
        Err(StoreError::UnknownUpload) => usize::try_from(request.size).unwrap_or(usize::MAX),
        Err(error) => return Err(error.into()),
    };
    if fresh > 0 {
        app.files.limiter.take(user, fresh, Instant::now())?;
    }
    let begun = app.store.begin_upload(user.clone(), new(app, user, request)).await;
    if begun.is_err() {
        app.files.limiter.give_back(user, fresh);
    }
    Ok(begun?)
}

fn new(app: &App, user: &UserId, request: UploadRequest) -> NewUpload {
    let files = &app.files;
    let key = files.key(user, &request);
    let least = files.part_bytes.unwrap_or(0).max(files.objects.least_part()).max(1);
    // A large file has larger parts rather than more of them.
    let part_size = request.size.div_ceil(u64::from(limits::UPLOAD_PARTS)).max(least);
    NewUpload { request, key, part_size }
}

fn completed(upload: &UploadRow) -> Upload {
    Upload {
        id: upload.request.id,
        key: upload.key.clone(),
        complete: true,
        part_size: upload.part_size,
        stored: Vec::new(),
        parts: Vec::new(),
        expires_in_ms: 0,
    }
}

/// How many parts an upload has.
fn count(upload: &UploadRow) -> u32 {
    let parts = upload.request.size.div_ceil(upload.part_size.max(1));
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// How many bytes a part has.
fn part_bytes(upload: &UploadRow, number: u32) -> u64 {
    let before = u64::from(number.saturating_sub(1)) * upload.part_size;
    upload.part_size.min(upload.request.size.saturating_sub(before))
}

/// Those that are the size that they have to be: a part of another size is none.
fn whole<'a>(upload: &UploadRow, stored: &'a [StoredPart]) -> impl Iterator<Item = &'a StoredPart> {
    let count = count(upload);
    let size = move |part: &StoredPart, upload: &UploadRow| part_bytes(upload, part.number);
    let upload = upload.clone();
    stored
        .iter()
        .filter(move |part| (1..=count).contains(&part.number) && part.size == size(part, &upload))
}

/// What the store calls the upload, and the parts that it has. Begins it there if it is not.
async fn stored(app: &App, upload: &UploadRow) -> Result<(String, Vec<StoredPart>), WireError> {
    let objects = &app.files.objects;
    if let Some(token) = &upload.token {
        // The parts may be one object already, whose check was cut short, or the clearing away of its parts.
        if objects.size(&upload.key).await? == Some(upload.request.size) {
            let parts = 1..=count(upload);
            let part = |number| StoredPart {
                number,
                size: part_bytes(upload, number),
                etag: String::new(),
            };
            return Ok((token.clone(), parts.map(part).collect()));
        }
        if let Some(found) = objects.parts(&upload.key, token).await? {
            return Ok((token.clone(), found));
        }
    }
    let token = objects.begin(upload).await?;
    app.store.set_upload_token(upload.request.id, Some(token.clone())).await?;
    Ok((token, Vec::new()))
}

/// All parts are there, says the client. Goes on to its end also when nobody waits for it any more.
pub(crate) async fn complete(
    app: Arc<App>,
    user: UserId,
    id: UploadId,
) -> Result<Upload, WireError> {
    let judged = tokio::spawn(async move {
        let judged = async {
            let held = app.files.locks.hold(id).await;
            judge(&app, user.clone(), id, &held).await
        };
        rated(&app, &user, judged).await
    });
    match judged.await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "the completion of an upload was cut short");
            Err(WireError::new(ErrorCode::Internal, "the server failed: try again later"))
        }
    }
}

async fn judge(app: &App, user: UserId, id: UploadId, _: &Held) -> Result<Upload, WireError> {
    let upload = app.store.upload(user, id).await?;
    if upload.state == UploadState::Complete {
        return Ok(completed(&upload));
    }
    let objects = &app.files.objects;
    let (key, size) = (&upload.key, upload.request.size);
    let token = upload.token.clone();
    if objects.size(key).await? == Some(size) {
        // Put together before, when somebody was cut short. What may be left of the parts goes.
        if let Some(token) = &token {
            objects.abort(key, token).await?;
        }
    } else {
        let found = match &token {
            Some(token) => objects.parts(key, token).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut parts: Vec<StoredPart> = whole(&upload, &found).cloned().collect();
        parts.sort_by_key(|part| part.number);
        parts.dedup_by_key(|part| part.number);
        let has = |number| parts.iter().any(|part| part.number == number);
        let missing: Vec<u32> = (1..=count(&upload)).filter(|number| !has(*number)).collect();
        if !missing.is_empty() {
            return Err(incomplete(missing));
        }
        objects.assemble(key, token.as_deref().unwrap_or_default(), &parts).await?;
    }
    let same = objects.size(key).await? == Some(size)
        && objects.checksum(key).await? == Some(upload.request.sha256);
    if !same {
        tracing::info!(upload = %id, "an upload is not what was declared");
        objects.delete(key).await?;
        app.store.set_upload_token(id, None).await?;
        return Err(WireError::new(
            ErrorCode::ChecksumMismatch,
            "what arrived is not the file that was declared: begin the upload anew",
        ));
    }
    app.store.complete_upload(id).await?;
    Ok(completed(&upload))
}

fn incomplete(mut missing: Vec<u32>) -> WireError {
    let text = match missing.len() {
        1 => "1 part is missing".to_owned(),
        count => format!("{count} parts are missing"),
    };
    missing.truncate(limits::UPLOAD_PARTS_PER_ANSWER);
    let detail = ErrorDetail { missing_parts: missing, ..ErrorDetail::default() };
    WireError::new(ErrorCode::UploadIncomplete, text).detail(detail)
}

/// Gives an upload up.
pub(crate) async fn cancel(app: &App, user: &UserId, id: UploadId) -> Result<(), WireError> {
    let cancelled = async {
        let held = app.files.locks.hold(id).await;
        match app.store.cancel_upload(user.clone(), id).await? {
            Some(upload) => remove(app.store.as_ref(), &app.files, &upload, &held).await,
            None => Ok(()),
        }
    };
    rated(app, user, cancelled).await
}

/// Deletes what is on its way out, first from the object store and then from the database: cut short in
/// between, it is still known, and deleted at the next turn.
pub(super) async fn remove(
    store: &dyn Store,
    files: &Files,
    upload: &UploadRow,
    _: &Held,
) -> Result<(), WireError> {
    let objects = &files.objects;
    if let Some(token) = &upload.token {
        objects.abort(&upload.key, token).await?;
    }
    objects.delete(&upload.key).await?;
    Ok(store.forget_upload(upload.request.id).await?)
}

/// Where a file is got from, for somebody who may see it.
pub(crate) async fn access(app: &App, user: UserId, key: FileKey) -> Result<FileAccess, WireError> {
    let upload = app.store.file(Some(user), key).await?;
    let lasts = u64::try_from(URL_LASTS.as_millis()).unwrap_or(u64::MAX);
    Ok(match &app.files.cdn_url {
        Some(base) => FileAccess {
            url: format!("{base}{}", upload.key),
            expires_in_ms: None,
            base_url: Some(base.clone()),
        },
        None => FileAccess {
            url: app.files.objects.url(&upload),
            expires_in_ms: Some(lasts),
            base_url: None,
        },
    })
}
