//! The object store in a bucket of S3, R2, MinIO or whatever else speaks their language. `rusty-s3` signs, reqwest
//! carries.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use rusty_s3::actions::{
    AbortMultipartUpload, CompleteMultipartUpload, CompleteMultipartUploadResponse,
    CreateMultipartUpload, DeleteObject, GetObject, HeadObject, ListParts, S3Action,
    UploadPart as PutPart,
};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use sha2::{Digest, Sha256};
use tidewire_protocol::{Checksum, FileKey, UploadPart};

use super::{IMMUTABLE, ObjectError, ObjectStore, StoredPart, URL_LASTS, disposition};
use crate::config::S3;
use crate::store::UploadRow;

/// The least that S3 takes, but for the last part.
const PART_BYTES: u64 = 5 * 1024 * 1024;
/// How long an address holds that this server uses itself, at once.
const OWN: Duration = Duration::from_secs(300);
/// Time for a connection to the store.
const CONNECT: Duration = Duration::from_secs(5);
/// Time in which the store has to say something more.
const SILENCE: Duration = Duration::from_secs(30);
/// Most bytes of an answer that is not a file: a thousand parts take 300 KB.
const ANSWER: usize = 4 * 1024 * 1024;

/// A bucket.
pub(super) struct S3Store {
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    client: Client,
}

type Answer<T> = Result<T, ObjectError>;

impl S3Store {
    pub(super) fn new(settings: &S3) -> Result<Self, String> {
        let endpoint: Url =
            settings.endpoint.parse().map_err(|error| format!("the S3 endpoint: {error}"))?;
        let style = if settings.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let (name, region) = (settings.bucket.clone(), settings.region.clone());
        let bucket = Bucket::new(endpoint, style, name, region)
            .map_err(|error| format!("the S3 bucket: {error}"))?;
        let credentials =
            Credentials::new(settings.access_key_id.clone(), settings.secret_access_key.clone());
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_/".contains(&b);
        if !settings.prefix.bytes().all(plain) || settings.prefix.starts_with('/') {
            return Err("the S3 prefix: letters, digits, `-`, `_` and `/`, not first".into());
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { bucket, credentials, prefix: settings.prefix.clone(), client })
    }

    fn name(&self, key: &FileKey) -> String {
        format!("{}{key}", self.prefix)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// Sends a request. `None` is the store's 404; any other "no" is an error.
async fn ask(request: RequestBuilder) -> Answer<Option<Response>> {
    let answer = request.send().await.map_err(unreachable)?;
    match answer.status() {
        status if status.is_success() => Ok(Some(answer)),
        StatusCode::NOT_FOUND => Ok(None),
        status
            if status.is_server_error()
                || matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::REQUEST_TIMEOUT
                        | StatusCode::CONFLICT
                        | StatusCode::INSUFFICIENT_STORAGE
                ) =>
        {
            Err(ObjectError::Unavailable(format!("it answers {status}")))
        }
        status => Err(ObjectError::Failed(format!("it answers {status}{}", why(answer).await))),
    }
}

/// The code in an error of S3, for the log: the rest may name keys.
async fn why(answer: Response) -> String {
    let text = text(answer).await.unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or(String::new(), |(code, _)| {
        format!(" ({})", code.chars().take(64).collect::<String>())
    })
}

/// Without the address: it is signed.
fn unreachable(error: reqwest::Error) -> ObjectError {
    ObjectError::Unavailable(error.without_url().to_string())
}

async fn text(mut answer: Response) -> Answer<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > ANSWER {
            return Err(ObjectError::Failed("its answer has no end".into()));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| ObjectError::Failed("its answer is no text".into()))
}

fn odd(error: impl std::fmt::Display) -> ObjectError {
    ObjectError::Failed(format!("its answer makes no sense: {error}"))
}

#[async_trait]
impl ObjectStore for S3Store {
    fn least_part(&self) -> u64 {
        PART_BYTES
    }

    async fn begin(&self, upload: &UploadRow) -> Answer<String> {
        let (name, request) = (self.name(&upload.key), &upload.request);
        let saved = disposition(&request.name, &request.content_type);
        let headers = [
            (header::CACHE_CONTROL, IMMUTABLE),
            (header::CONTENT_DISPOSITION, saved.as_str()),
            (header::CONTENT_TYPE, request.content_type.as_str()),
        ];
        let mut action = CreateMultipartUpload::new(&self.bucket, Some(&self.credentials), &name);
        for (header, value) in &headers {
            action.headers_mut().insert(header.as_str(), *value);
        }
        let mut asked = self.request(Method::POST, action.sign(OWN));
        for (header, value) in headers {
            asked = asked.header(header, value);
        }
        let answer = ask(asked).await?.ok_or_else(|| odd("there is no such bucket"))?;
        let begun = CreateMultipartUpload::parse_response(&text(answer).await?).map_err(odd)?;
        Ok(begun.upload_id().to_owned())
    }

    fn part_url(&self, key: &FileKey, token: &str, number: u32, bytes: u64) -> UploadPart {
        let (name, length) = (self.name(key), bytes.to_string());
        let place = u16::try_from(number).unwrap_or(u16::MAX);
        let credentials = Some(&self.credentials);
        let mut action = PutPart::new(&self.bucket, credentials, &name, place, token);
        // Signed, so that nobody puts more than was declared.
        action.headers_mut().insert("content-length", length.as_str());
        UploadPart { number, url: action.sign(URL_LASTS).into(), headers: Default::default() }
    }

    async fn parts(&self, key: &FileKey, token: &str) -> Answer<Option<Vec<StoredPart>>> {
        let name = self.name(key);
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let mut action = ListParts::new(&self.bucket, Some(&self.credentials), &name, token);
            if let Some(after) = after {
                action.set_part_number_marker(after);
            }
            let asked = self.request(Method::GET, action.sign(OWN));
            let Some(answer) = ask(asked).await? else { return Ok(None) };
            let page = ListParts::parse_response(&text(answer).await?).map_err(odd)?;
            parts.extend(page.parts.into_iter().map(|part| StoredPart {
                number: u32::from(part.number),
                size: part.size,
                etag: part.etag,
            }));
            match page.next_part_number_marker {
                Some(next) if after.is_none_or(|after| next > after) && next > 0 => {
                    after = Some(next);
                }
                _ => return Ok(Some(parts)),
            }
        }
    }

    async fn assemble(&self, key: &FileKey, token: &str, parts: &[StoredPart]) -> Answer<()> {
        let name = self.name(key);
        let etags = parts.iter().map(|part| part.etag.as_str());
        let credentials = Some(&self.credentials);
        let action = CompleteMultipartUpload::new(&self.bucket, credentials, &name, token, etags);
        let asked = self.request(Method::POST, action.sign(OWN)).body(action.body());
        let gone = || ObjectError::Unavailable("the upload is gone".into());
        let answer = ask(asked).await?.ok_or_else(gone)?;
        // It may say 200 before it knows.
        let said = text(answer).await?;
        CompleteMultipartUploadResponse::parse(&said).map_err(odd).map(drop)
    }

    async fn size(&self, key: &FileKey) -> Answer<Option<u64>> {
        let name = self.name(key);
        let action = HeadObject::new(&self.bucket, Some(&self.credentials), &name);
        let Some(answer) = ask(self.request(Method::HEAD, action.sign(OWN))).await? else {
            return Ok(None);
        };
        let length = answer.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        length.map(Some).ok_or_else(|| odd("no size"))
    }

    async fn checksum(&self, key: &FileKey) -> Answer<Option<Checksum>> {
        let name = self.name(key);
        let action = GetObject::new(&self.bucket, Some(&self.credentials), &name);
        let asked = self.request(Method::GET, action.sign(OWN));
        let Some(mut answer) = ask(asked).await? else { return Ok(None) };
        let mut hash = Sha256::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            hash.update(&chunk);
        }
        Ok(Some(Checksum::new(hash.finalize().into())))
    }

    fn url(&self, upload: &UploadRow) -> String {
        let (name, request) = (self.name(&upload.key), &upload.request);
        let saved = disposition(&request.name, &request.content_type);
        let mut action = GetObject::new(&self.bucket, Some(&self.credentials), &name);
        let query = action.query_mut();
        query.insert("response-cache-control", IMMUTABLE);
        query.insert("response-content-disposition", saved);
        query.insert("response-content-type", request.content_type.clone());
        action.sign(URL_LASTS).into()
    }

    async fn abort(&self, key: &FileKey, token: &str) -> Answer<()> {
        let name = self.name(key);
        let action = AbortMultipartUpload::new(&self.bucket, Some(&self.credentials), &name, token);
        ask(self.request(Method::DELETE, action.sign(OWN))).await.map(drop)
    }

    async fn delete(&self, key: &FileKey) -> Answer<()> {
        let name = self.name(key);
        let action = DeleteObject::new(&self.bucket, Some(&self.credentials), &name);
        ask(self.request(Method::DELETE, action.sign(OWN))).await.map(drop)
    }
}
