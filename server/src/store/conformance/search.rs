//! Promises about search.

use tidewire_protocol::{RoomId, SearchTerms, Seq, UserId};

use super::{Fixture, delete, edit, events, message, reaction, user};
use crate::store::{Found, SearchQuery, StoreError};

fn query(text: &str) -> SearchQuery {
    let terms = SearchTerms::parse(text).unwrap();
    SearchQuery { terms, room: None, sender: None, limit: 50, below: None }
}

impl Fixture<'_> {
    async fn look(&self, name: &str, query: SearchQuery) -> Result<Found, StoreError> {
        self.store.search(user(name), query).await
    }

    /// Where what is found stands.
    async fn finds(&self, name: &str, text: &str) -> Vec<(RoomId, u64)> {
        let found = self.look(name, query(text)).await.unwrap();
        events(&found.messages).iter().map(|event| (event.room, event.seq.get())).collect()
    }
}

pub(super) async fn what_is_said_is_found_the_newest_first_by_members_alone(f: &Fixture<'_>) {
    let here = f.group("ada", &["bob"]).await;
    let there = f.group("bob", &[]).await;
    f.append(here, "ada", vec![message("Hello, Wörld"), message("nothing")]).await;
    f.append(there, "bob", vec![message("hello from here")]).await;
    f.append(here, "bob", vec![message("and HELLO again")]).await;
    assert_eq!(f.finds("ada", "hello").await, [(here, 4), (here, 2)]);
    assert_eq!(f.finds("bob", "hello").await, [(here, 4), (there, 2), (here, 2)]);
    assert_eq!(f.finds("eve", "hello").await, []);
    assert_eq!(f.finds("ada", "hello world").await, [(here, 2)]);
    assert_eq!(f.finds("ada", "hello wor").await, [(here, 2)]);
    assert_eq!(f.finds("ada", "wor hello").await, []);
    let of_bob = SearchQuery { sender: Some(user("bob")), ..query("hello") };
    assert_eq!(f.look("ada", of_bob).await.unwrap().messages.len(), 1);
    let in_room = SearchQuery { room: Some(there), ..query("hello") };
    assert_eq!(f.look("bob", in_room.clone()).await.unwrap().messages.len(), 1);
    assert_eq!(f.look("ada", in_room).await.unwrap_err(), StoreError::NotAMember);
    assert!(!f.store.index_more().await.unwrap(), "nothing is left to be taken in");
}

pub(super) async fn what_is_found_is_folded_and_what_is_deleted_is_not_found(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let first = f.send(room, "ada", message("first words")).await;
    let second = f.send(room, "ada", message("second words")).await;
    f.send(room, "ada", edit(first, "other things")).await;
    f.send(room, "bob", reaction(first, "👍", false)).await;
    f.send(room, "ada", delete(second)).await;
    assert_eq!(f.finds("bob", "words").await, []);
    let found = events(&f.look("bob", query("things")).await.unwrap().messages);
    assert_eq!((found.len(), found[0].seq), (1, Seq::new(2)));
    let fold = found[0].fold.as_ref().unwrap();
    assert!(fold.edited.is_some() && fold.reactions[0].mine);
    f.send(room, "ada", edit(first, "first words after all")).await;
    assert_eq!(f.finds("bob", "words").await, [(room, 2)]);
    assert_eq!(f.finds("bob", "things").await, []);
}

pub(super) async fn a_former_member_finds_what_was_there_at_the_leave(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let kept = f.send(room, "ada", message("hello then")).await;
    let edited = f.send(room, "ada", message("hello too")).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    f.send(room, "ada", message("hello later")).await;
    f.send(room, "ada", edit(edited, "a secret")).await;
    let _ = kept;
    assert_eq!(f.finds("ada", "hello").await, [(room, 5), (room, 2)]);
    assert_eq!(f.finds("bob", "later").await, []);
    assert_eq!(f.finds("bob", "secret").await, [], "what it became is not his to know");
    assert_eq!(f.finds("bob", "then").await, [(room, 2)]);
}

pub(super) async fn pages_together_are_all_that_is_found(f: &Fixture<'_>) {
    let mut all = Vec::new();
    for group in 0..3 {
        let room = f.group("ada", &["bob"]).await;
        for n in 0..20_u64 {
            f.append(room, "ada", vec![message(&format!("hello {group} {n}"))]).await;
            all.push((room, n + 2));
        }
    }
    all.reverse();
    let (mut seen, mut below) = (Vec::new(), None);
    loop {
        let page = SearchQuery { limit: 7, below, ..query("hello") };
        let page = f.look("bob", page).await.unwrap();
        assert!(page.messages.len() == 7 || page.next.is_none());
        seen.extend(events(&page.messages).iter().map(|event| (event.room, event.seq.get())));
        below = page.next;
        if below.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

pub(super) async fn any_text_is_a_query_and_none_is_an_operator(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let texts = [
        "say \"hello\" NEAR me",
        "-x AND (y OR z)* ^w:v",
        "שלום עולם",
        "مرحبا بالعالم",
        "明日は東京都へ行きます",
        "👩‍👩‍👧 came 👍🏽",
        "it's a {column} : test",
        "\u{e000}1 \u{e001}2 private",
    ];
    for (text, seq) in texts.iter().zip(2..) {
        f.append(room, "ada", vec![message(text)]).await;
        assert_eq!(f.finds("bob", text).await, [(room, seq)], "{text}");
    }
    for (text, seq) in [("\"hello", 2), ("x* AND (y", 3), ("עול", 4), ("東京", 6), ("👍", 7)]
    {
        assert_eq!(f.finds("bob", text).await, [(room, seq)], "{text}");
    }
    assert_eq!(f.finds("bob", "hello OR x").await, []);
    // However many rooms somebody is in.
    let many: UserId = user("many");
    let mut last = room;
    for _ in 0..310 {
        last = f.group("many", &[]).await;
    }
    f.append(last, "many", vec![message("hello")]).await;
    let found = f.store.search(many, query("hello")).await.unwrap();
    assert_eq!(events(&found.messages)[0].room, last);
}
