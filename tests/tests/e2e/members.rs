//! Who comes, goes and is sent away, and what they see of it.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::view::View;
use tidewire_tests::world::World;

async fn join_in_mid_stream(mode: &str) {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.in_mode("real_time").await;
    bob.ceiling(mode).await;
    let room = ada.create_room(&[]).await;
    let before = ada.send_numbers(&room, 1..=80).await;
    ada.sees(&room, &before).await;
    ada.must(json!({"cmd": "add_members", "room": room, "users": ["bob"]})).await;
    let after = ada.send_numbers(&room, 81..=85).await;
    bob.open(&room).await;
    bob.sees(&room, &after).await;
    loop {
        let older = bob.must(json!({"cmd": "history", "room": room, "count": 100})).await;
        if older["more"] == false {
            break;
        }
    }
    bob.sees(&room, &before).await;
    let said = bob.send_numbers(&room, 1..=1).await;
    ada.sees(&room, &said).await;
    world.agree(&room, &[&ada, &bob], 88).await;
}

#[tokio::test]
async fn who_joins_in_mid_stream_gets_the_room_by_push_with_its_history_on_demand() {
    join_in_mid_stream("real_time").await;
}

#[tokio::test]
async fn who_joins_in_mid_stream_gets_the_room_by_poll_with_its_history_on_demand() {
    join_in_mid_stream("polling").await;
}

async fn removed(mode: &str) {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    // A second room tells when what came after has passed Bob.
    let other = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    bob.open(&other).await;
    bob.in_mode("real_time").await;
    bob.ceiling(mode).await;
    let seen = ada.send_numbers(&room, 1..=3).await;
    bob.sees(&room, &seen).await;
    ada.must(json!({"cmd": "remove_member", "room": room, "user": "bob"})).await;
    let unseen = ada.send_numbers(&room, 4..=6).await;
    ada.sees(&room, &unseen).await;
    let marker = ada.send(&other, "after all that").await;
    bob.sees(&other, &[marker]).await;
    bob.until("the removal is shown", |view| {
        let last = view.timeline(&room).messages().last().cloned();
        last.is_some_and(|m| m.kind == "member.left" && m.seq == Some(5))
    })
    .await;
    assert_eq!(bob.view().timeline(&room).texts(), ["ada 1", "ada 2", "ada 3"]);
    assert!(bob.view().timeline(&room).gaps().is_empty());
    let error = bob.ask(json!({"cmd": "send", "room": room, "text": "hello?"})).await.unwrap_err();
    assert_eq!(error["error"], "not_a_member");
    let rooms = bob.must(json!({"cmd": "rooms"})).await;
    let state = rooms["rooms"].as_array().unwrap().iter().find(|r| r["state"]["id"] == *room);
    assert!(state.is_none_or(|room| room["state"]["joined"] == false), "{rooms}");
    // The server tells no more either.
    assert_eq!(world.log(&room, "bob").await.len(), 5);
    world.agree(&room, &[&ada], 8).await;

    // Taken back, everything is there again, and what was missed is history.
    ada.must(json!({"cmd": "add_members", "room": room, "users": ["bob"]})).await;
    let back = ada.send_numbers(&room, 7..=7).await;
    bob.sees(&room, &back).await;
    let said = bob.send_numbers(&room, 1..=1).await;
    ada.sees(&room, &said).await;
}

#[tokio::test]
async fn a_removed_member_sees_the_own_removal_and_nothing_after_by_push() {
    removed("real_time").await;
}

#[tokio::test]
async fn a_removed_member_sees_the_own_removal_and_nothing_after_by_poll() {
    removed("polling").await;
}

#[tokio::test]
async fn a_removed_member_sees_the_own_removal_and_nothing_after_in_hybrid() {
    removed("hybrid").await;
}

#[tokio::test]
async fn who_leaves_sends_no_more_and_the_others_see_it() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let ids = bob.send_numbers(&room, 1..=2).await;
    bob.sees(&room, &ids).await;
    let left = bob.must(json!({"cmd": "leave", "room": room})).await;
    assert_eq!(left["state"]["joined"], false);
    let error = bob.ask(json!({"cmd": "send", "room": room, "text": "?"})).await.unwrap_err();
    assert_eq!(error["error"], "not_a_member");
    ada.until("the leave is shown", |view| {
        view.timeline(&room).messages().any(|m| m.kind == "member.left" && m.sender == "bob")
    })
    .await;
    world.agree(&room, &[&ada], 4).await;
    let members = ada.must(json!({"cmd": "members", "room": room})).await;
    assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
}

#[tokio::test]
async fn two_who_call_each_other_at_once_meet_in_one_direct_room() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let (ours, theirs) = tokio::join!(
        ada.must(json!({"cmd": "create_room", "peer": "bob"})),
        bob.must(json!({"cmd": "create_room", "peer": "ada"})),
    );
    assert_eq!(ours["room"], theirs["room"]);
    let room = ours["room"].as_str().unwrap();
    ada.open(room).await;
    bob.open(room).await;
    ada.send_numbers(room, 1..=1).await;
    bob.send_numbers(room, 1..=1).await;
    world.agree(room, &[&ada, &bob], 3).await;
    let error =
        ada.ask(json!({"cmd": "add_members", "room": room, "users": ["eve"]})).await.unwrap_err();
    assert_eq!(error["error"], "forbidden");
}

/// Waits until a client's list tells this of a room.
async fn has(agent: &Agent, room: &str, key: &str, value: Value) {
    let has = |row: &Value| row[key] == value;
    let what = format!("{key} is {value}");
    agent.until(&what, |view| view.listed("all", room).is_some_and(has)).await;
}

// scenario: moderation
#[tokio::test]
async fn a_moderator_deletes_sends_away_and_keeps_out_and_all_see_it() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let moe = Agent::start(&world.client("moe")).await;
    let bob = Agent::start(&world.client("bob")).await;
    for agent in [&ada, &moe, &bob] {
        agent.must(json!({"cmd": "open_room_list", "list": "all"})).await;
    }
    let room = ada.create_room(&["moe", "bob"]).await;
    for agent in [&ada, &moe, &bob] {
        agent.open(&room).await;
    }
    let said = bob.send(&room, "rubbish").await;
    moe.sees(&room, std::slice::from_ref(&said)).await;
    let delete = json!({"cmd": "delete", "room": room, "message": said});
    let refused = moe.ask(delete.clone()).await.unwrap_err();
    assert_eq!(refused["error"], "not_yours", "{refused}");
    ada.must(json!({"cmd": "set_role", "room": room, "user": "moe", "role": "moderator"})).await;
    has(&moe, &room, "role", json!("moderator")).await;
    moe.must(delete).await;
    bob.until("it is gone", |view| {
        view.timeline(&room).message(&said).is_some_and(|m| !m.json["deleted"].is_null())
    })
    .await;
    let ban = |name: &str| json!({"cmd": "ban", "room": room, "user": name, "reason": "spam"});
    let refused = moe.ask(ban("ada")).await.unwrap_err();
    assert_eq!(refused["error"], "forbidden", "{refused}");
    moe.must(ban("bob")).await;
    bob.until("he is out", |view| view.listed("all", &room).is_none()).await;
    let kinds = ["member.banned", "member.left"];
    for agent in [&ada, &bob] {
        agent
            .until("the ban is shown", |view| {
                let timeline = view.timeline(&room);
                kinds.iter().all(|kind| timeline.messages().any(|m| m.kind == *kind))
            })
            .await;
    }
    let add = json!({"cmd": "add_members", "room": room, "users": ["bob"]});
    assert_eq!(ada.ask(add.clone()).await.unwrap_err()["error"], "banned");
    let bans = moe.must(json!({"cmd": "bans", "room": room})).await;
    assert_eq!(bans["bans"][0]["user"], "bob", "{bans}");
    assert_eq!(
        (&bans["bans"][0]["by"], &bans["bans"][0]["reason"]),
        (&json!("moe"), &json!("spam"))
    );
    moe.must(json!({"cmd": "unban", "room": room, "user": "bob"})).await;
    moe.must(add).await;
    has(&bob, &room, "role", json!("member")).await;
    let back = bob.send(&room, "thanks").await;
    ada.sees(&room, &[back]).await;
}

// scenario: mute
#[tokio::test]
async fn a_muted_member_reads_on_hears_until_when_and_writes_again_once_it_ends() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.must(json!({"cmd": "open_room_list", "list": "all"})).await;
    let room = ada.create_room(&["bob"]).await;
    ada.open(&room).await;
    bob.open(&room).await;
    let mute = |ms: Value| json!({"cmd": "mute_member", "room": room, "user": "bob", "for_ms": ms, "reason": "noise"});
    assert_eq!(bob.ask(mute(Value::Null)).await.unwrap_err()["error"], "forbidden");
    ada.must(mute(json!(3_600_000))).await;
    let muted = |row: &Value| row["mute"]["until"].is_i64();
    bob.until("he sees until when", |view| view.listed("all", &room).is_some_and(muted)).await;
    let listed = ada.must(json!({"cmd": "muted_members", "room": room})).await;
    assert_eq!(
        (&listed["mutes"][0]["user"], &listed["mutes"][0]["reason"]),
        (&json!("bob"), &json!("noise"))
    );
    let until = &listed["mutes"][0]["until"];
    let id = bob.send(&room, "may I?").await;
    bob.until("it has failed, and says until when", |view| {
        view.timeline(&room).message(&id).is_some_and(|message| {
            let json = &message.json;
            message.state == "failed" && json["code"] == "muted" && json["until"] == *until
        })
    })
    .await;
    let hush = ada.send(&room, "hush").await;
    bob.sees(&room, &[hush]).await;
    ada.must(json!({"cmd": "unmute_member", "room": room, "user": "bob"})).await;
    has(&bob, &room, "mute", Value::Null).await;
    bob.must(json!({"cmd": "retry", "room": room, "message": id})).await;
    ada.sees(&room, &[id]).await;
}

// scenario: block
#[tokio::test]
async fn a_block_shows_at_once_offline_too_and_ends_a_direct_room_until_it_is_ended() {
    let world = World::start().await;
    let phone = Agent::start(&world.client("ada")).await;
    let laptop = world.client("ada").data(world.folder().join("client-ada-laptop"));
    let laptop = Agent::start(&laptop).await;
    let bob = Agent::start(&world.client("bob")).await;
    let made = phone.must(json!({"cmd": "create_room", "peer": "bob"})).await;
    let direct = made["room"].as_str().unwrap().to_owned();
    let group = phone.create_room(&["bob"]).await;
    for agent in [&phone, &laptop, &bob] {
        agent.open(&direct).await;
        agent.open(&group).await;
        agent.in_mode("real_time").await;
    }
    let said = bob.send(&group, "hello, all").await;
    phone.sees(&group, std::slice::from_ref(&said)).await;
    laptop.sees(&group, std::slice::from_ref(&said)).await;
    // Without a network it shows at once, on this device.
    phone.ceiling("offline").await;
    phone.must(json!({"cmd": "block", "user": "bob"})).await;
    let is_marked = |view: &View| {
        let message = view.timeline(&group).message(&said).map(|one| one.json["blocked"].clone());
        message == Some(true.into())
    };
    phone.until("it is marked", is_marked).await;
    assert_eq!(laptop.must(json!({"cmd": "blocked"})).await["users"], json!([]));
    phone.ceiling("real_time").await;
    // The other device hears of it, and he does not: what he sends cannot be delivered.
    laptop.until("it is marked there too", is_marked).await;
    assert_eq!(laptop.must(json!({"cmd": "blocked"})).await["users"], json!(["bob"]));
    assert_eq!(bob.must(json!({"cmd": "blocked"})).await["users"], json!([]));
    for (agent, code) in [(&bob, "blocked"), (&laptop, "unblock_first")] {
        let id = agent.send(&direct, "to the two of us").await;
        agent
            .until("it has failed, and says why", |view| {
                view.timeline(&direct).message(&id).is_some_and(|message| {
                    message.state == "failed" && message.json["code"] == code
                })
            })
            .await;
    }
    let refused = bob.ask(json!({"cmd": "create_room", "members": ["ada"]})).await.unwrap_err();
    assert_eq!(refused["error"], "blocked", "{refused}");
    // In the group all goes on.
    let more = bob.send(&group, "still here").await;
    laptop.sees(&group, std::slice::from_ref(&more)).await;
    // And it ends.
    laptop.must(json!({"cmd": "unblock", "user": "bob"})).await;
    phone
        .until("it is not marked any more", |view| {
            view.timeline(&group).message(&said).is_some_and(|one| one.json["blocked"].is_null())
        })
        .await;
    let again = bob.send(&group, "thanks").await;
    phone.sees(&group, &[again]).await;
}

// scenario: report
#[tokio::test]
async fn a_report_keeps_what_was_said_and_is_seen_by_those_who_keep_order_alone() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    bob.in_mode("real_time").await;
    let said = ada.send(&room, "rubbish").await;
    bob.sees(&room, std::slice::from_ref(&said)).await;
    let report = json!({
        "cmd": "report", "room": room, "message": said, "reason": "abuse", "note": "rude",
    });
    let taken = bob.must(report.clone()).await;
    assert_eq!(bob.must(report.clone()).await["id"], taken["id"], "it is one report");
    bob.must(json!({"cmd": "report_user", "room": room, "user": "ada", "reason": "spam"})).await;
    let list = json!({"cmd": "reports", "room": room});
    assert_eq!(bob.ask(list.clone()).await.unwrap_err()["error"], "forbidden");
    ada.must(json!({"cmd": "delete", "room": room, "message": said})).await;
    bob.until("it is gone", |view| {
        view.timeline(&room).message(&said).is_some_and(|one| !one.json["deleted"].is_null())
    })
    .await;
    let reports = ada.must(list.clone()).await["reports"].clone();
    let first = &reports[0];
    assert_eq!((first["by"].as_str(), first["note"].as_str()), (Some("bob"), Some("rude")));
    assert_eq!(first["event"]["content"]["text"], "rubbish");
    assert_eq!((&reports[1]["user"], &reports[1]["reason"]), (&json!("ada"), &json!("spam")));
    let done = json!({"cmd": "resolve_report", "room": room, "report": taken["id"]});
    assert_eq!(ada.must(done).await["resolved"]["by"], "ada");
    assert_eq!(ada.must(list).await["reports"].as_array().unwrap().len(), 1);
    bob.ceiling("offline").await;
    assert_eq!(bob.ask(report).await.unwrap_err()["error"], "offline");
}

// scenario: slow-mode
#[tokio::test]
async fn in_slow_mode_messages_wait_for_their_turn_and_hold_no_other_room_up() {
    for mode in ["real_time", "polling"] {
        let world = World::start().await;
        let ada = Agent::start(&world.client("ada")).await;
        let bob = Agent::start(&world.client("bob")).await;
        bob.must(json!({"cmd": "open_room_list", "list": "all"})).await;
        let room = ada.create_room(&["bob"]).await;
        let other = ada.create_room(&["bob"]).await;
        for agent in [&ada, &bob] {
            agent.open(&room).await;
            agent.open(&other).await;
        }
        bob.in_mode("real_time").await;
        let slow = |ms: Value| json!({"cmd": "set_slow_mode", "room": room, "interval_ms": ms});
        assert_eq!(bob.ask(slow(json!(5))).await.unwrap_err()["error"], "forbidden");
        ada.must(slow(json!(3_600_000))).await;
        has(&bob, &room, "slow_mode_ms", json!(3_600_000)).await;
        bob.ceiling(mode).await;
        let mut sent = Vec::new();
        for n in 1..=3 {
            sent.push(bob.send(&room, &n.to_string()).await);
        }
        ada.sees(&room, &sent[..1]).await;
        // The rest waits, and nothing else does.
        let elsewhere = bob.send_numbers(&other, 1..=3).await;
        ada.sees(&other, &elsewhere).await;
        let why = bob.must(json!({"cmd": "why", "room": room, "message": sent[1]})).await;
        assert!(why["sentence"].as_str().unwrap().contains("slow mode"), "{why}");
        let unslowed = ada.send_numbers(&room, 1..=2).await;
        bob.sees(&room, &unslowed).await;
        bob.until("nothing has failed", |view| {
            let timeline = view.timeline(&room);
            let waits = |id| timeline.message(id).is_some_and(|one| one.state == "sending");
            sent[1..].iter().all(|id| waits(id))
        })
        .await;
        ada.must(slow(json!(200))).await;
        ada.sees(&room, &sent).await;
    }
}

// scenario: members
#[tokio::test]
async fn who_is_given_a_role_may_what_it_allows_and_all_see_it() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    for agent in [&ada, &bob] {
        agent.must(json!({"cmd": "open_room_list", "list": "all"})).await;
    }
    let room = ada.create_room(&[]).await;
    ada.must(json!({"cmd": "add_members", "room": room, "users": ["bob"]})).await;
    has(&bob, &room, "role", json!("member")).await;
    has(&ada, &room, "members", json!(2)).await;
    let rename = json!({"cmd": "update_room", "room": room, "name": "Bob's"});
    let refused = bob.ask(rename.clone()).await.unwrap_err();
    assert_eq!(refused["error"], "forbidden", "{refused}");
    ada.must(json!({"cmd": "set_role", "room": room, "user": "bob", "role": "owner"})).await;
    has(&bob, &room, "role", json!("owner")).await;
    bob.must(rename).await;
    has(&ada, &room, "name", json!("Bob's")).await;
    bob.must(json!({"cmd": "remove_member", "room": room, "user": "ada"})).await;
    ada.until("she is out", |view| view.listed("all", &room).is_none()).await;
    has(&bob, &room, "members", json!(1)).await;
}
