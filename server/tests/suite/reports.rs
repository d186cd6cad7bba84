//! What members report, as whoever runs the server reads it, and how often one may.

use serde_json::{Value, json};
use tidewire_protocol::{ErrorCode, Report, ReportTaken};
use tidewire_server::RateLimit;
use uuid::Uuid;

use crate::harness::{Running, message, start, start_with};

/// What the command prints.
fn printed(server: &Running, flags: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
    command.arg("reports").args(flags).arg("--data").arg(server.folder.path()).env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn report(server: &Running, name: &str, body: &Value) -> ReportTaken {
    server.post(name, "/v1/reports", body).await.parse()
}

#[tokio::test]
async fn whoever_runs_the_server_reads_all_reports_while_it_runs() {
    let server = start().await;
    assert_eq!(printed(&server, &[]), "");
    let room = server.group("ada", &["bob"]).await;
    let direct = json!({ "id": Uuid::now_v7(), "kind": "direct", "members": ["bob"] });
    let direct: tidewire_protocol::RoomState =
        server.post("ada", "/v1/rooms", &direct).await.parse();
    let said = message("rude\n\u{1b}[31mwords");
    server.ops("bob", room, std::slice::from_ref(&said)).await;
    let of_room = json!({
        "id": Uuid::now_v7(), "room": room, "event": said.id, "reason": "abuse", "note": "look",
    });
    let first = report(&server, "ada", &of_room).await;
    let of_two = json!({ "id": Uuid::now_v7(), "room": direct.id, "user": "bob", "reason": "odd" });
    let second = report(&server, "ada", &of_two).await;
    let text = printed(&server, &[]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with(&first.id.to_string()) && !text.contains('\u{1b}'), "{text}");
    let parse = |text: String| -> Vec<Report> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let reports = parse(printed(&server, &["--json"]));
    assert_eq!(reports.iter().map(|one| one.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert_eq!(reports[0].event.as_ref().unwrap().id, said.id);
    assert_eq!(reports[1].reason.as_str(), "other", "what it does not know");
    let path = format!("/v1/reports/{}/resolve", first.id);
    let token = server.token("ada");
    server.call("POST", &path, Some(&token), None).await.parse::<Report>();
    assert_eq!(parse(printed(&server, &["--json"])).len(), 1);
    assert_eq!(parse(printed(&server, &["--json", "--all"])).len(), 2);
    server.server.stop().await;
}

#[tokio::test]
async fn a_report_counts_as_five() {
    let server = start_with(|config| {
        config.rate_limit = Some(RateLimit { per_second: 0.001, burst: 12 });
    })
    .await;
    let room = server.group("eve", &["ada", "bob"]).await;
    let one = || json!({ "id": Uuid::now_v7(), "room": room, "user": "bob", "reason": "spam" });
    for _ in 0..2 {
        report(&server, "ada", &one()).await;
    }
    let refused = server.post("ada", "/v1/reports", &one()).await;
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    server.server.stop().await;
}
