//! What is found, and by whom.

use tidewire::ErrorCode;
use tidewire::engine::{Request, RequestError, Response};
use tidewire_protocol::{SearchRequest, SearchResults};

use super::{Served, code, group, op, remove, room, try_send};

async fn try_search(
    server: &mut impl Served,
    by: &str,
    request: SearchRequest,
) -> Result<SearchResults, RequestError> {
    match server.request(by, Request::Search(request)).await? {
        Response::Search(results) => Ok(results),
        other => panic!("{other:?}"),
    }
}

fn query(q: &str) -> SearchRequest {
    SearchRequest { q: q.into(), ..SearchRequest::default() }
}

async fn found(server: &mut impl Served, by: &str, q: &str) -> Vec<u64> {
    let results = try_search(server, by, query(q)).await.unwrap();
    results.messages.iter().map(|event| event.seq.get()).collect()
}

pub(super) async fn what_is_said_is_found_by_members_alone(server: &mut impl Served) {
    let id = group(server, "ada", &["bob"]).await;
    for text in ["Hello, Wörld", "שלום עולם 👋", "\"hello\" -again*", "東京都"] {
        try_send(server, "bob", id, vec![op(text)]).await.unwrap();
    }
    for (q, seqs) in [
        ("hello", vec![4, 2]),
        ("hello wor", vec![2]),
        ("WORLD hello", vec![2]),
        ("hello NEAR again", vec![]),
        ("-again \"hello", vec![4]),
        ("עול", vec![3]),
        ("👋", vec![3]),
        ("京都", vec![5]),
    ] {
        assert_eq!(found(server, "ada", q).await, seqs, "{q}");
        assert_eq!(found(server, "eve", q).await, [0_u64; 0], "{q}");
    }
    let elsewhere = SearchRequest { room: Some(id), ..query("hello") };
    assert_eq!(code(try_search(server, "eve", elsewhere).await), ErrorCode::NotAMember);
    let of_ada = SearchRequest { sender: Some(super::user("ada")), ..query("hello") };
    assert_eq!(try_search(server, "bob", of_ada).await.unwrap().messages, []);
    remove(server, "ada", id, "bob").await.unwrap();
    try_send(server, "ada", id, vec![op("hello behind the back")]).await.unwrap();
    assert_eq!(found(server, "bob", "hello").await, [4, 2]);
}

pub(super) async fn a_search_comes_in_pages(server: &mut impl Served) {
    let id = group(server, "ada", &["bob"]).await;
    for n in 0..9 {
        try_send(server, "ada", id, vec![op(&format!("hello {n}"))]).await.unwrap();
    }
    let (mut seqs, mut after) = (Vec::new(), None);
    loop {
        let request = SearchRequest { limit: Some(4), after, ..query("hello") };
        let page = try_search(server, "bob", request).await.unwrap();
        seqs.extend(page.messages.iter().map(|event| event.seq.get()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seqs, (2..=10).rev().collect::<Vec<_>>());
}

pub(super) async fn a_search_that_can_find_nothing_is_refused(server: &mut impl Served) {
    for q in ["", "   ", "\"*-()", &"x".repeat(10 * 1024)] {
        assert_eq!(code(try_search(server, "ada", query(q)).await), ErrorCode::InvalidContent);
    }
    let after = Some("no page gave this".into());
    let odd = SearchRequest { after, ..query("hello") };
    assert_eq!(code(try_search(server, "ada", odd).await), ErrorCode::BadRequest);
    let nowhere = SearchRequest { room: Some(room()), ..query("hello") };
    assert_eq!(code(try_search(server, "ada", nowhere).await), ErrorCode::NotAMember);
}
