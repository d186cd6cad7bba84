//! The person's friend: reads what is written to him after a moment, and answers. With only two in
//! the room, every step of a message can be seen: sent, delivered, read.

use std::time::Duration;

use tidewire::{Client, Message, Row, UserId};

use crate::demo::Error;

/// How long a friend takes to look, and to answer.
const LOOK: Duration = Duration::from_millis(1_500);
const ANSWER: Duration = Duration::from_millis(2_500);

const ANSWERS: [&str; 5] = [
    "good morning! I am at the pilot boat",
    "thick as soup, but it lifts",
    "I can see you from here 👋",
    "take your time, the tide waits for nobody",
    "see you at four",
];

/// Lives until the client is closed.
pub(super) async fn live(client: Client, you: UserId) -> Result<(), Error> {
    let room = client.direct_room(you.clone()).await?;
    let mut timeline = room.timeline().await?;
    let mut rows: Vec<Row> = Vec::new();
    let mut read = None;
    let mut answers = ANSWERS.iter().cycle();
    loop {
        timeline.next().await?.update.apply(&mut rows);
        let said = |message: &&Message| message.sender == you && message.text().is_some();
        let messages = rows.iter().filter_map(Row::message).map(AsRef::as_ref);
        let newest = messages.filter(said).filter_map(|message| message.seq).max();
        let Some(seq) = newest.filter(|seq| Some(*seq) > read) else { continue };
        read = Some(seq);
        tokio::time::sleep(LOOK).await;
        room.mark_read(seq).await?;
        tokio::time::sleep(ANSWER).await;
        if let Some(answer) = answers.next() {
            room.send(*answer).await?;
        }
    }
}
