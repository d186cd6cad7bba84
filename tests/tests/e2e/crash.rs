//! Real processes, killed at every step of every operation, with real files and sockets; the server too.
//! `cargo xtask bench crash` has the same under a virtual clock, with power failures and harmed answers.

use serde_json::{Value, json};
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// What of each operation is killed: itself, and a message behind it, until that is in the log.
struct Scene {
    world: World,
    setup: Setup,
    ada: Agent,
    bob: Agent,
    room: String,
    mode: &'static str,
    said: u32,
}

/// More steps than any operation has: then something goes on for ever.
const MOST_STEPS: u64 = 120;

impl Scene {
    async fn begin(mode: &'static str) -> Self {
        let world = World::start().await;
        let network = world.network().await;
        let setup = world.client_over(&network, "ada");
        let ada = Agent::start(&setup).await;
        let bob = Agent::start(&world.client("bob")).await;
        let room = bob.create_room(&["ada"]).await;
        ada.open(&room).await;
        ada.ceiling(mode).await;
        Self { world, setup, ada, bob, room, mode, said: 0 }
    }

    fn text(&mut self, what: &str) -> String {
        self.said += 1;
        format!("{what} {}", self.said)
    }

    async fn say(&mut self, what: &str) -> String {
        let text = self.text(what);
        let id = self.ada.send(&self.room, &text).await;
        self.ada.sees(&self.room, std::slice::from_ref(&id)).await;
        id
    }

    /// Does something that kills Ada's client at this step of it. Gives whether it was answered with
    /// success, and whether the client has died.
    async fn killed_at(&mut self, step: u64, question: Value) -> (bool, bool) {
        self.ada.must(json!({"cmd": "die_at", "step": step})).await;
        let answer = self.ada.ask_or_die(question).await;
        let text = self.text("behind");
        let (room, behind) =
            (self.room.clone(), json!({"cmd": "send", "room": self.room, "text": text}));
        self.ada.ask_or_die(behind).await;
        let sent = |view: &tidewire_tests::view::View| {
            let is_it =
                |m: &&tidewire_tests::view::Message| m.text.as_deref() == Some(text.as_str());
            view.timeline(&room).messages().find(is_it).is_some_and(|message| message.is_sent())
        };
        let sent = self.ada.lives_until("what is behind is sent", sent).await;
        let lives = sent && self.lives_on().await;
        (answer.is_some_and(|answer| answer.is_ok()), !lives)
    }

    /// Ada's client dies at no step any more. Gives whether it lives.
    async fn lives_on(&self) -> bool {
        self.ada.ask_or_die(json!({"cmd": "die_at", "step": 0})).await.is_some()
    }

    /// Ada's client starts again, and everything that it has kept leaves.
    async fn rise(&mut self) {
        self.ada = Agent::start(&self.setup).await;
        self.ada.open(&self.room).await;
        self.ada.ceiling(self.mode).await;
        // What is sent now leaves behind everything else.
        self.say("again").await;
    }

    /// What has become of a message, as the server tells.
    async fn message(&self, id: &str) -> Value {
        let path = format!("/v1/rooms/{}/messages/{id}", self.room);
        let answer = self.world.call("bob", "GET", &path, None).await;
        let history = answer.ok();
        history["messages"][0].clone()
    }

    async fn times(&self, text: &str) -> usize {
        let log = self.world.log(&self.room, "bob").await;
        log.iter().filter(|event| event["content"]["text"] == text).count()
    }

    async fn operation(&mut self, kind: &str, step: u64) -> bool {
        let (room, target) = (self.room.clone(), self.say("said").await);
        let text = self.text(kind);
        let question = match kind {
            "send" => json!({"cmd": "send", "room": room, "text": text}),
            "reply" => json!({"cmd": "send", "room": room, "text": text, "reply_to": target}),
            "send_files" => {
                let path = self.world.folder().join("a file.txt");
                std::fs::write(&path, text.as_bytes()).unwrap();
                let files = json!([{ "path": path }]);
                // What is behind it tells that it is done.
                json!({
                    "cmd": "send_files", "room": room, "text": text, "files": files, "ordered": true,
                })
            }
            "edit" => json!({"cmd": "edit", "room": room, "message": target, "text": text}),
            "delete" | "cancel" => json!({"cmd": kind, "room": room, "message": target}),
            "react" => json!({"cmd": "react", "room": room, "message": target, "key": "+1"}),
            "mark_read" => {
                self.bob.send(&room, &text).await;
                self.ada.sees_text(&room, &text).await;
                json!({"cmd": "mark_read", "room": room})
            }
            "set_draft" => json!({"cmd": "set_draft", "room": room, "text": text}),
            "settings" => json!({"cmd": "settings", "room": room, "muted": step % 2 == 1}),
            other => panic!("{other}"),
        };
        let (done, died) = self.killed_at(step, question).await;
        if died {
            self.rise().await;
        }
        let what = format!("{kind} killed at step {step} in {}", self.mode);
        match kind {
            "send" | "reply" | "send_files" => {
                let times = self.times(&text).await;
                assert!(times <= 1 && (!done || times == 1), "{what}: {times} times in the log");
            }
            "edit" => {
                let now = self.message(&target).await;
                assert!(!done || now["content"]["text"] == text, "{what}: {now}");
            }
            "delete" | "cancel" => {
                let now = self.message(&target).await;
                assert!(!done || now["fold"]["deleted"].is_object(), "{what}: {now}");
            }
            "react" => {
                let now = self.message(&target).await;
                assert!(!done || now["fold"]["reactions"][0]["count"] == 1, "{what}: {now}");
            }
            "set_draft" => {
                let draft = self.ada.must(json!({"cmd": "draft", "room": room})).await;
                assert!(!done || draft["text"] == text, "{what}: {draft}");
            }
            "mark_read" | "settings" => {
                let rooms = self.ada.must(json!({"cmd": "rooms"})).await;
                let state = &rooms["rooms"][0]["state"];
                let unread = &rooms["rooms"][0]["unread"]["messages"];
                let kept = match kind {
                    "settings" => {
                        state["settings"]["muted"].as_bool().unwrap_or_default() == (step % 2 == 1)
                    }
                    _ => unread == 0,
                };
                assert!(!done || kept, "{what}: {rooms}");
            }
            other => panic!("{other}"),
        }
        died
    }

    async fn sweep(mut self, kinds: &[&str]) {
        for kind in kinds {
            let mut step = 1;
            while self.operation(kind, step).await {
                step += 1;
                assert!(step < MOST_STEPS, "{kind} has no end");
            }
            assert!(step > 4, "{kind} has {step} steps");
        }
        let log = self.world.log(&self.room, "bob").await;
        let ids: std::collections::HashSet<&str> =
            log.iter().filter_map(|event| event["id"].as_str()).collect();
        assert_eq!(ids.len(), log.len(), "nothing stands twice");
        assert!(!self.ada.view().has_problem("send_failed"));
    }
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_send_or_a_reply_loses_and_repeats_nothing() {
    Scene::begin("real_time").await.sweep(&["send", "reply"]).await;
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_send_with_a_file_loses_and_repeats_nothing() {
    Scene::begin("real_time").await.sweep(&["send_files"]).await;
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_change_loses_and_repeats_nothing() {
    Scene::begin("real_time").await.sweep(&["edit", "delete", "react", "cancel"]).await;
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_mark_a_draft_or_a_setting_loses_nothing() {
    Scene::begin("real_time").await.sweep(&["mark_read", "set_draft", "settings"]).await;
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_send_in_polling_loses_and_repeats_nothing() {
    Scene::begin("polling").await.sweep(&["send", "edit"]).await;
}

#[tokio::test]
async fn client_and_server_killed_in_the_middle_of_a_send_lose_and_repeat_nothing() {
    let mut scene = Scene::begin("real_time").await;
    for step in 1..=24 {
        let text = scene.text("through both");
        let question = json!({"cmd": "send", "room": scene.room, "text": text});
        scene.ada.must(json!({"cmd": "die_at", "step": step})).await;
        let done = matches!(scene.ada.ask_or_die(question).await, Some(Ok(_)));
        // Wherever it is with what it was sent.
        scene.world.server.kill().await;
        scene.world.start_server_again().await;
        let room = scene.room.clone();
        let text_is = |message: &tidewire_tests::view::Message| {
            message.text.as_deref() == Some(text.as_str()) && message.is_sent()
        };
        let lives = scene
            .ada
            .lives_until("it is sent", |view| view.timeline(&room).messages().any(text_is))
            .await;
        if !lives || !scene.lives_on().await {
            scene.rise().await;
        }
        let times = scene.times(&text).await;
        assert!(times <= 1 && (!done || times == 1), "step {step}: {times} times in the log");
    }
}

#[tokio::test]
async fn what_failed_and_is_decided_about_by_a_process_that_dies_is_decided_once() {
    let mut scene = Scene::begin("real_time").await;
    for kind in ["retry", "discard"] {
        let mut step = 1;
        loop {
            let (room, text) = (scene.room.clone(), scene.text("refused"));
            scene.ada.ceiling("offline").await;
            let id = scene.ada.send(&room, &text).await;
            scene.bob.must(json!({"cmd": "remove_member", "room": room, "user": "ada"})).await;
            scene.ada.ceiling("real_time").await;
            scene
                .ada
                .until("it fails", |view| {
                    view.timeline(&room).message(&id).is_some_and(|m| m.state == "failed")
                })
                .await;
            scene.bob.must(json!({"cmd": "add_members", "room": room, "users": ["ada"]})).await;
            let back = |view: &tidewire_tests::view::View| {
                let last = view.timeline(&room).messages().filter(|m| m.seq.is_some()).last();
                last.is_some_and(|message| message.kind == "member.joined")
            };
            scene.ada.until("she is back", back).await;
            let ask = json!({"cmd": kind, "room": room, "message": id});
            scene.ada.must(json!({"cmd": "die_at", "step": step})).await;
            let done = matches!(scene.ada.ask_or_die(ask.clone()).await, Some(Ok(_)));
            let lives = done
                && scene
                    .ada
                    .lives_until("it is decided", |view| {
                        let message = view.timeline(&room).message(&id);
                        message.is_none_or(|message| message.is_sent())
                    })
                    .await;
            let lives = lives && scene.lives_on().await;
            if !lives {
                scene.ada = Agent::start(&scene.setup).await;
                scene.ada.open(&room).await;
                let again = scene.ada.ask(ask).await;
                assert!(
                    !done || again.is_err(),
                    "{kind} at step {step} was done, and is forgotten"
                );
                scene.ada.ceiling("real_time").await;
            }
            scene.say("behind").await;
            let times = scene.times(&text).await;
            assert_eq!(times, usize::from(kind == "retry"), "{kind} killed at step {step}");
            if lives {
                assert!(step > 3, "{kind} has {step} steps");
                break;
            }
            step += 1;
            assert!(step < MOST_STEPS, "{kind} has no end");
        }
    }
}

#[tokio::test]
async fn answers_that_break_off_in_the_middle_lose_and_repeat_nothing() {
    for mode in ["real_time", "polling"] {
        let scene = Scene::begin(mode).await;
        let network = scene.world.network().await;
        let setup = scene.world.client_over(&network, "eve");
        let eve = Agent::start(&setup).await;
        let room = eve.create_room(&["bob"]).await;
        eve.ceiling(mode).await;
        for round in 0..12u32 {
            let torn = network.counters().lost_answers;
            // So much of the next answer is still delivered.
            network.set(Fault::TearNextAnswer { after: [1, 3, 20, 60][round as usize % 4] });
            let ids = eve.send_numbers(&room, round + 1..=round + 1).await;
            network.until(|counters| counters.lost_answers > torn).await;
            eve.sees(&room, &ids).await;
        }
        scene.world.agree(&room, &[&eve], 13).await;
        assert!(eve.view().problems.is_empty(), "{:?}", eve.view().problems);
    }
}
