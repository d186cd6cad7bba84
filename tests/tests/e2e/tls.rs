//! Over TLS with an authority of one's own: the same conversation, and nobody else's certificate is believed.

use serde_json::json;
use tidewire_services::Authority;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::secure;
use tidewire_tests::world::World;

/// A server that speaks TLS, with the file that has its authority.
struct Stage {
    world: World,
    roots: std::path::PathBuf,
}

impl Stage {
    async fn begin(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = secure::flags(authority, folder.path());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let world = World::start_with(&flags).await;
        let roots = world.folder().join("authority.pem");
        std::fs::write(&roots, authority.pem()).unwrap();
        Self { world, roots }
    }

    fn client(&self, user: &str) -> Setup {
        let mut setup = self.world.client(user);
        setup.url = setup.url.replace("http://", "https://");
        setup.flag(&format!("root-certificates={}", self.roots.display()))
    }
}

// scenario: own-authority
#[tokio::test]
async fn a_conversation_goes_over_tls_in_all_modes_with_its_files() {
    let stage = Stage::begin(&Authority::new("ours")).await;
    let ada = Agent::start(&stage.client("ada")).await;
    let bob = Agent::start(&stage.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let path = stage.world.folder().join("picture");
    std::fs::write(&path, vec![7; 1_200_000]).unwrap();
    let files = json!([{"path": path}]);
    let ask = json!({"cmd": "send_files", "room": room, "text": "look", "files": files});
    let mut sent = vec![ada.must(ask).await["message"].as_str().unwrap().to_owned()];
    let mut number = 0;
    for mode in ["real_time", "hybrid", "polling"] {
        bob.ceiling(mode).await;
        bob.in_mode(mode).await;
        number += 1;
        sent.extend(ada.send_numbers(&room, number..=number).await);
        sent.extend(bob.send_numbers(&room, number..=number).await);
        for agent in [&ada, &bob] {
            agent.sees(&room, &sent).await;
        }
    }
    let key = bob.message(&room, &sent[0]).json["attachments"][0]["key"].clone();
    assert!(key.is_string(), "{key}");
    assert_eq!(ada.view().mode(), "real_time");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_no_answer_of_the_server() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let stage = Stage::begin(&ours).await;
    std::fs::write(&stage.roots, theirs.pem()).unwrap();
    let ada = Agent::start(&stage.client("ada")).await;
    // What is written waits: nobody has said no.
    let room = ada.ask(json!({"cmd": "create_room", "members": []})).await;
    assert_eq!(room.unwrap_err()["error"], "network");
    ada.quit().await;
    let nonsense = stage.world.folder().join("nonsense.pem");
    std::fs::write(&nonsense, "no certificate").unwrap();
    let setup = Setup {
        flags: vec![format!("--root-certificates={}", nonsense.display())],
        ..stage.client("bob")
    };
    let fatal = Agent::try_start(&setup).await.err().unwrap();
    let error = &fatal["error"];
    assert_eq!(error["error"], "invalid_config");
    assert!(error["message"].as_str().unwrap().contains("`root_certificates`"), "{fatal}");
}
