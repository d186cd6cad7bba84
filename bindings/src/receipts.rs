//! How far the members of a room are, asked of the server.

use std::sync::Arc;

use tidewire::{Seq, UserId};

use crate::cancel::{CancelToken, or_cancelled};
use crate::client::Client;
use crate::error::TidewireError;
use crate::runtime::run;

/// How far one member is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Receipt {
    /// The user.
    pub user: String,
    /// Everything up to here is known to be on a device of the user.
    pub delivered: u64,
    /// Everything up to here is read.
    pub read: u64,
}

/// How far the other members are with a message, and a page of their receipts.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ReceiptPage {
    /// Those whose devices are known to have it; those who read it among them. In a room of more than 100 members
    /// little more than `read_by`.
    pub delivered_to: u32,
    /// Those who have read it.
    pub read_by: u32,
    /// How many others there are.
    pub of: u32,
    /// At most 100, by user id.
    pub receipts: Vec<Receipt>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

#[uniffi::export]
impl Client {
    /// How far the other members are with the message at `seq`, in a room of any size, and a page of their
    /// receipts; `after` is the `next` of the page before it. As of now: nothing more is told of it. Waits for the
    /// network.
    ///
    /// # Errors
    /// `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, `Cancelled`.
    pub async fn receipts(
        &self,
        room: String,
        seq: u64,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ReceiptPage, TidewireError> {
        let room = self.room(&room)?;
        let after = after.map(UserId::new).transpose()?;
        run(async move {
            let page = async { Ok(room.receipts(Seq::new(seq), after).await?.into()) };
            or_cancelled(cancel.as_deref(), page).await
        })
        .await
    }
}

impl From<tidewire::ReceiptPage> for ReceiptPage {
    fn from(page: tidewire::ReceiptPage) -> Self {
        let receipt = |receipt: tidewire::Receipt| Receipt {
            user: receipt.user.to_string(),
            delivered: receipt.delivered.get(),
            read: receipt.read.get(),
        };
        Self {
            delivered_to: page.delivered_to,
            read_by: page.read_by,
            of: page.of,
            receipts: page.receipts.into_iter().map(receipt).collect(),
            next: page.next.map(|next| next.to_string()),
        }
    }
}
