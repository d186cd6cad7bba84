//! What a search tells of what it looked through, and the index that is made beside other work.

use tidewire_protocol::{RoomId, SearchRequest, Seq};

use super::scenarios::world_with_room;
use super::world::World;
use crate::engine::{Command, Found, Reply, Request, SearchAsk};
use crate::error::Error;

fn ask(text: &str, room: Option<RoomId>) -> Command {
    let text = text.to_owned();
    Command::Search(Box::new(SearchAsk { text, room, sender: None, limit: 20, before: None }))
}

fn search(world: &mut World, text: &str, room: Option<RoomId>) -> Found {
    let id = world.command(ask(text, room));
    while world.store_step() {}
    match world.replies.remove(&id) {
        Some(Ok(Reply::Found(found))) => *found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_search_says_from_where_on_it_has_looked_at_everything() {
    let (mut world, room) = world_with_room();
    for n in 1..=3 {
        world.server.say(room, &format!("hello {n}"));
    }
    world.settle();
    let all = search(&mut world, "hello", None);
    assert_eq!(all.messages.len(), 3);
    assert!(all.complete, "{all:?}");
    assert_eq!(all.coverage[0].complete_from, Some(Seq::new(1)));

    // A thousand missed ones are a gap: only the newest is here.
    world.cut();
    for n in 4..=200 {
        world.server.say(room, &format!("hello {n}"));
    }
    world.run(30_000);
    let some = search(&mut world, "hello", Some(room));
    assert!(!some.complete);
    let coverage = some.coverage[0];
    assert!(!coverage.complete && coverage.complete_from > Some(Seq::new(4)), "{coverage:?}");
    let newest: Vec<u64> = some.messages.iter().filter_map(|m| Some(m.seq?.get())).collect();
    assert_eq!(newest.first(), Some(&201));
    assert!(newest.contains(&2), "what is held below the gap is found too: {newest:?}");
}

#[test]
fn a_search_in_an_unknown_room_says_so_and_one_without_a_cursor_is_not_complete() {
    let mut world = World::new(3);
    while world.store_step() {}
    let id = world.command(ask("hello", Some(super::model::room_id(77))));
    assert!(matches!(world.replies.remove(&id), Some(Err(Error::UnknownRoom(_)))));
    let found = search(&mut world, "hello", None);
    assert!(!found.complete && found.messages.is_empty());
}

#[test]
fn a_search_on_the_server_is_one_call() {
    let (mut world, room) = world_with_room();
    world.server.say(room, "hello");
    world.settle();
    let request = SearchRequest { q: "hel".into(), ..SearchRequest::default() };
    let id = world.command(Command::SearchServer(request));
    assert!(matches!(world.requests.last(), Some((_, Request::Search(_)))), "{:?}", world.requests);
    world.settle();
    match world.replies.remove(&id) {
        Some(Ok(Reply::FoundOnServer(results))) => assert_eq!(results.messages.len(), 1),
        other => panic!("{other:?}"),
    }
}
