//! Several servers on one PostgreSQL and one Redis: a conversation does not notice which of them carries
//! whom, nor which of all that goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tidewire_bench::proxy::Proxy;
use tidewire_services::Nginx;
use tidewire_tests::agent::Agent;
use tidewire_tests::instances::Instances;

/// Ada on the first server, Bob on the second, Cyd on the third, in one room.
struct Stage {
    all: Instances,
    ada: Agent,
    bob: Agent,
    cyd: Agent,
    bobs_network: Arc<Proxy>,
    room: String,
}

async fn stage() -> Option<Stage> {
    Some(stage_of(Instances::start(3).await?, None).await)
}

/// Each at his own server, or all of them at NGINX.
async fn stage_of(all: Instances, nginx: Option<&Nginx>) -> Stage {
    let (bobs_network, cyds_network) = (all.world.network().await, all.world.network().await);
    match nginx {
        Some(nginx) => all.world.lead_to(nginx.addr()),
        None => {
            bobs_network.set_target(all.others[0].addr());
            cyds_network.set_target(all.others[1].addr());
        }
    }
    let ada = Agent::start(&all.world.client("ada")).await;
    let bob = Agent::start(&all.world.client_over(&bobs_network, "bob")).await;
    let cyd = Agent::start(&all.world.client_over(&cyds_network, "cyd")).await;
    let room = ada.create_room(&["bob", "cyd"]).await;
    bob.open(&room).await;
    cyd.open(&room).await;
    Stage { all, ada, bob, cyd, bobs_network, room }
}

impl Stage {
    /// All three say these numbers.
    async fn say(&self, numbers: std::ops::RangeInclusive<u32>) {
        for agent in [&self.ada, &self.bob, &self.cyd] {
            agent.send_numbers(&self.room, numbers.clone()).await;
        }
    }

    /// Nothing is lost, nothing comes twice, all see the same.
    async fn agree(&self, events: usize) {
        let agents = [&self.ada, &self.bob, &self.cyd];
        self.all.world.agree(&self.room, &agents, events).await;
    }
}

#[tokio::test]
async fn a_conversation_goes_on_across_servers_in_all_modes() {
    let Some(stage) = stage().await else { return };
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        agent.in_mode("real_time").await;
    }
    stage.say(1..=5).await;
    stage.agree(16).await;
    stage.bob.ceiling("polling").await;
    stage.cyd.ceiling("hybrid").await;
    stage.say(6..=10).await;
    stage.agree(31).await;
}

#[tokio::test]
async fn a_client_goes_on_at_another_server_when_its_own_is_killed() {
    let Some(mut stage) = stage().await else { return };
    stage.say(1..=3).await;
    // No wait: some are on their way when the server dies.
    stage.all.others[0].kill().await;
    stage.say(4..=6).await;
    stage.bobs_network.set_target(stage.all.others[1].addr());
    stage.say(7..=9).await;
    stage.agree(28).await;
    stage.bob.in_mode("real_time").await;
}

#[tokio::test]
async fn without_redis_a_conversation_goes_on_and_with_it_again() {
    let Some(stage) = stage().await else { return };
    stage.say(1..=2).await;
    stage.agree(7).await;
    stage.all.redis.stop();
    stage.say(3..=4).await;
    stage.agree(13).await;
    let mut slowest = Duration::ZERO;
    for n in 0..5 {
        let begun = Instant::now();
        stage.ada.send(&stage.room, &format!("without a bell {n}")).await;
        stage.bob.sees_text(&stage.room, &format!("without a bell {n}")).await;
        slowest = slowest.max(begun.elapsed());
    }
    // A figure for people: what it depends on is in the tests of the applier.
    println!("without Redis a message took up to {slowest:?} to another server (goal: 2 s)");
    stage.all.redis.start_again();
    stage.say(5..=6).await;
    stage.agree(24).await;
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        assert_eq!(agent.view().mode(), "real_time");
    }
}

#[tokio::test]
async fn while_postgres_is_away_everything_waits_and_nothing_is_lost() {
    let Some(stage) = stage().await else { return };
    stage.say(1..=3).await;
    // No wait: some are on their way when it goes.
    stage.all.postgres.stop();
    stage.say(4..=6).await;
    stage.all.postgres.start_again();
    stage.say(7..=9).await;
    stage.agree(28).await;
}

#[tokio::test]
async fn a_second_server_of_the_same_name_does_not_start() {
    let Some(all) = Instances::start(1).await else { return };
    let url = all.postgres.url("tidewire");
    let folder = all.world.folder().join("second");
    let secret = all.world.folder().join("secret.key");
    let ended = std::process::Command::new(&tidewire_tests::binaries::binaries().server)
        .args(["serve", "--listen", "127.0.0.1:0", "--instance-id", "server-0"])
        .args(["--postgres-url", &url])
        .arg("--data")
        .arg(folder)
        .arg("--secret-file")
        .arg(secret)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("--instance-id"), "{said}");
}

#[tokio::test]
async fn a_server_that_stands_still_for_a_while_loses_nothing_and_holds_nobody_up() {
    let Some(stage) = stage().await else { return };
    stage.say(1..=3).await;
    stage.agree(10).await;
    // Bob's server: its sockets stay open, and it reads nothing of the log.
    stage.all.others[0].pause().await;
    let sent = stage.ada.send_numbers(&stage.room, 4..=9).await;
    stage.cyd.sees(&stage.room, &sent).await;
    let waiting = stage.bob.send_numbers(&stage.room, 4..=6).await;
    stage.all.others[0].resume().await;
    stage.ada.sees(&stage.room, &waiting).await;
    stage.agree(19).await;
}

#[tokio::test]
async fn behind_nginx_a_conversation_goes_on_in_all_modes() {
    let Some(all) = Instances::start(3).await else { return };
    let Some(nginx) = all.nginx() else { return };
    let stage = stage_of(all, Some(&nginx)).await;
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        agent.in_mode("real_time").await;
    }
    stage.say(1..=5).await;
    stage.agree(16).await;
    stage.bob.ceiling("polling").await;
    stage.cyd.ceiling("hybrid").await;
    stage.say(6..=10).await;
    stage.agree(31).await;
}

#[tokio::test]
async fn behind_nginx_clients_move_by_themselves_when_one_server_after_the_other_is_killed() {
    let Some(all) = Instances::start(3).await else { return };
    let Some(nginx) = all.nginx() else { return };
    let mut stage = stage_of(all, Some(&nginx)).await;
    stage.say(1..=3).await;
    let mut said = 3;
    for n in 0..stage.all.others.len() {
        let addr = stage.all.others[n].addr();
        // No wait: some are on their way when it dies, whoever has his socket there.
        stage.say(said + 1..=said + 2).await;
        stage.all.others[n].kill().await;
        stage.say(said + 3..=said + 4).await;
        stage.all.others[n].start_at(addr).await;
        said += 4;
    }
    stage.agree(1 + 3 * said as usize).await;
    stage.bob.in_mode("real_time").await;
}

#[tokio::test]
async fn after_a_restore_what_was_lost_is_gone_everywhere_and_what_waited_is_sent() {
    let Some(mut stage) = stage().await else { return };
    stage.say(1..=3).await;
    stage.agree(10).await;
    stage.all.back_up();
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        agent.send(&stage.room, "lost with the database").await;
    }
    stage.all.world.shown(&stage.room, &[&stage.ada, &stage.bob, &stage.cyd], 13).await;
    let Stage { all, ada, bob, cyd, room, .. } = &mut stage;
    all.restore(async || {
        for agent in [&*ada, bob, cyd] {
            agent.send_numbers(room, 4..=6).await;
        }
    })
    .await;
    let log = all.world.shown(room, &[ada, bob, cyd], 19).await;
    assert!(log.iter().all(|event| event["content"]["text"] != "lost with the database"));
    stage.say(7..=9).await;
    stage.all.world.shown(&stage.room, &[&stage.ada, &stage.bob, &stage.cyd], 28).await;
}

#[tokio::test]
async fn who_is_here_and_who_types_is_known_at_every_server() {
    let Some(stage) = stage().await else { return };
    for (agent, others) in
        [(&stage.ada, ["bob", "cyd"]), (&stage.bob, ["ada", "cyd"]), (&stage.cyd, ["ada", "bob"])]
    {
        agent.in_mode("real_time").await;
        for other in others {
            agent.until(&format!("{other} is online"), |view| view.stands(other, "online")).await;
        }
    }
    let types = json!({"cmd": "typing", "room": stage.room});
    stage.ada.must(types).await;
    for agent in [&stage.bob, &stage.cyd] {
        agent.until("ada types", |view| view.typists(&stage.room) == ["ada"]).await;
    }
    stage.ada.send(&stage.room, "done").await;
    stage.bob.until("ada has stopped", |view| view.typists(&stage.room).is_empty()).await;
    let away = json!({"cmd": "set_app_state", "state": "background"});
    stage.cyd.must(away).await;
    stage.ada.until("cyd is away", |view| view.stands("cyd", "away")).await;
}
