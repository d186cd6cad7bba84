//! What is asked often is found by an index, however much a room has been changed.

use std::sync::Arc;

use rusqlite::Connection;

use super::{SqliteStore, fold, history, read, uploads};
use crate::bus::InProcess;
use crate::store::Store;

/// The steps of the plan of a query.
fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let none = vec![rusqlite::types::Value::Integer(1); statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(none), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

#[tokio::test]
async fn hot_queries_go_by_their_indexes_and_sort_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap().close().await;
    let conn = Connection::open(&path).unwrap();
    for (name, sql, index) in [
        ("shown before", history::SHOWN_BEFORE, "COVERING INDEX events_shown (rk=? AND seq<?)"),
        (
            "shown from",
            history::SHOWN_FROM,
            "COVERING INDEX events_shown (rk=? AND seq>? AND seq<?)",
        ),
        ("replies before", history::REPLIES_BEFORE, "PRIMARY KEY (rk=? AND root=? AND seq<?)"),
        (
            "replies from",
            history::REPLIES_FROM,
            "PRIMARY KEY (rk=? AND root=? AND seq>? AND seq<?)",
        ),
        ("last message", read::LAST_MESSAGE, "INDEX events_last (rk=? AND seq<?)"),
        ("unread", read::UNREAD, "COVERING INDEX events_counted (rk=? AND seq>?)"),
        ("mentions", read::MENTIONS, "PRIMARY KEY (rk=? AND user=? AND seq>?)"),
        ("revision", fold::REVISION, "PRIMARY KEY (rk=? AND target=? AND seq<?)"),
        ("thread", fold::THREAD, "PRIMARY KEY (rk=? AND root=? AND seq<?)"),
        ("mine", fold::MINE, "PRIMARY KEY (rk=? AND target=? AND user=? AND until>?)"),
        ("seen files", uploads::SEEN, "PRIMARY KEY (upload=?)"),
        ("by", fold::BY, "INDEX reactions_key (rk=? AND target=? AND key=? AND until>?)"),
    ] {
        let plan = plan(&conn, sql);
        assert!(plan.iter().any(|step| step.contains(index)), "{name}: {plan:?}");
        assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{name}: {plan:?}");
        let scans: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN")).collect();
        assert!(scans.iter().all(|step| step.contains("subquery")), "{name}: {plan:?}");
    }
    // At most 20 keys stand on a message: sorting them is nothing.
    let keys = plan(&conn, fold::KEYS);
    assert!(keys[0].contains("PRIMARY KEY (rk=? AND target=? AND until>?)"), "{keys:?}");
}
