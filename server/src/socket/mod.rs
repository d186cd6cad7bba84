//! The socket: one task a connection, which owns it. Frames in, frames out, and no state that a
//! client could not set anew with a single `hello`.

mod ephemeral;
mod live;
mod peer;
mod session;
mod signals;

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use tidewire_protocol::{ErrorCode, WireError, limits};

use crate::app::App;
use crate::connection::{self, Open};
use crate::http::Refusal;
use crate::origin;
use crate::visitor::Visitor;

/// The one subprotocol that this server speaks.
const SUBPROTOCOL: &str = "tidewire.v1.json";

/// Bytes read at once. Each connection keeps that much: with the library's default of 128 KiB it would be nearly
/// all of what one costs. What clients say is shorter, but for a first `hello` of many rooms and many messages
/// at once, which are read in several goes.
const READ_BUFFER: usize = 2 * 1024;

/// Frames up to twice the limit are read, so that whoever is a little over it hears why. Beyond
/// that the rest is never taken into memory.
const READ_MAX: usize = 2 * limits::FRAME_BYTES;

/// Bytes that may wait to be written: a frame at its limit with the largest event on top, and as
/// much again for what JSON adds.
const WRITE_MAX: usize = 4 * limits::PAGE_BYTES;

/// `GET /v1/socket`. The token comes in `hello`, never here.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let refuse = |text: &str| Refusal(WireError::new(ErrorCode::BadRequest, text));
    let upgrade = upgrade.map_err(|_| refuse("this call is a WebSocket: ask for the upgrade"))?;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX)
        .max_message_size(READ_MAX)
        .max_frame_size(READ_MAX);
    if upgrade.selected_protocol().is_none() {
        return Err(refuse("ask for the subprotocol `tidewire.v1.json`"));
    }
    origin::check(&app.config.allowed_origins, &headers)?;
    connection::admit(&app)?;
    Ok(upgrade.on_upgrade(move |socket| async move {
        let open = Open::count(app.clone());
        session::run(app, visitor, socket).await;
        drop(open);
    }))
}
