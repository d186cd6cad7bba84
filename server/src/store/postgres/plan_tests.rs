//! What is asked often is found by an index, in a database of some size.

use tidewire_services::Postgres;

use super::{accounts, append, blocks, feed, fold, history, migrate, read, uploads};

/// 40 rooms with 1,000 events each, in all kinds, and everything that hangs on them. All of it is counted, so
/// that the plans are the same each time.
const FILL: &str = "
    INSERT INTO rooms(id, kind, created_by, created_at, active_at, shard, head_seq, head_ord, members)
        SELECT gen_random_uuid(), 2, 'u1', 0, n, n % 16, 1000, n * 1000, 50
        FROM generate_series(1, 40) n;
    INSERT INTO members(rk, user_id, shard, role, joined_at, joined_seq, joined_ord, delivered_seq,
            read_seq, receipt_ord, settings_ord)
        SELECT r, 'u' || u, r % 16, 2, 0, 1, 1, 900, 900, r * 1000 + u, u % 2
        FROM generate_series(1, 40) r, generate_series(1, 50) u;
    INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash, root)
        SELECT r % 16, r * 1000 + s, r, s, gen_random_uuid(), 'u' || s % 50, r * 1000 + s,
               CASE WHEN s % 5 = 0 THEN 'reaction' ELSE 'message' END, '{}', '', NULLIF(s % 7, 1)
        FROM generate_series(1, 40) r, generate_series(1, 1000) s;
    INSERT INTO search(rk, seq, terms)
        SELECT rk, seq, array_to_tsvector(ARRAY['word' || seq, 'all']) FROM events;
    INSERT INTO mentions SELECT rk, 'u' || seq % 50, seq FROM events WHERE seq % 3 = 0;
    INSERT INTO revisions SELECT rk, seq, seq + 1 FROM events WHERE seq % 3 = 0;
    INSERT INTO replies SELECT rk, seq, seq + 1, 1 FROM events WHERE seq % 3 = 0;
    INSERT INTO reactions SELECT rk, seq, 'u' || u, 9223372036854775807, '+', seq
        FROM events, generate_series(1, 3) u WHERE seq % 3 = 0;
    INSERT INTO reaction_counts SELECT rk, seq, 9223372036854775807, '+', seq, seq, 3
        FROM events WHERE seq % 3 = 0;
    INSERT INTO block_lists SELECT 'u' || u, u % 16, u, 1 FROM generate_series(1, 3000) u;
    INSERT INTO blocks SELECT 'u' || u, 'v' || v FROM generate_series(1, 3000) u, generate_series(1, 5) v;
    INSERT INTO uploads SELECT gen_random_uuid(), 'u1', 'k' || n, '', '', 1, '', 1, NULL, 1, NULL
        FROM generate_series(1, 5000) n;
    INSERT INTO attachments SELECT u.id, 1 + n % 40, 1 + n % 1000
        FROM (SELECT id, row_number() OVER () AS n FROM uploads) u;
    INSERT INTO sessions SELECT gen_random_uuid(), 'u' || n % 500, NULL, n, n, n, 1, 0, '', n, n,
            CASE WHEN n % 50 = 0 THEN n END
        FROM generate_series(1, 20000) n;
    SET default_statistics_target = 1000;
    ANALYZE;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_queries_go_by_their_indexes() {
    let Some(server) = Postgres::start() else { return };
    server.create("plans");
    migrate(&server.url("plans")).await.unwrap();
    server.run_sql("plans", FILL);
    let client = super::migrations::connect(&server.url("plans")).await.unwrap();
    // As for one that is prepared once: without a look at the values.
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let rooms = "ARRAY[1, 2, 3]::bigint[], ARRAY[10, 20, 30]::bigint[]";
    let at = &format!("{rooms}, ARRAY[90, 90, 90]::bigint[]");
    let from = "array_fill(0::bigint, ARRAY[16])";
    let none = "ARRAY[gen_random_uuid()]";
    let cases: Vec<(&str, &str, String, &[&str])> = vec![
        ("sessions", accounts::LIST, "'u1', 5".into(), &["sessions_user"]),
        ("ended sessions", accounts::ENDED, "19900".into(), &["sessions_ended"]),
        ("shown before", history::SHOWN_BEFORE, "1, 500, 100".into(), &["events_shown"]),
        ("shown from", history::SHOWN_FROM, "1, 500, 100, 900".into(), &["events_shown"]),
        ("replies before", history::REPLIES_BEFORE, "1, 500, 100, 3".into(), &["replies_pkey"]),
        ("replies from", history::REPLIES_FROM, "1, 500, 100, 900, 3".into(), &["replies_pkey"]),
        ("message", history::MESSAGE, "1, gen_random_uuid()".into(), &["events_id"]),
        ("last message", read::LAST_MESSAGE, rooms.into(), &["events_last"]),
        (
            "unread",
            read::UNREAD,
            format!("{rooms}, 'u1', 100"),
            &["events_counted", "mentions_pkey"],
        ),
        ("events", read::EVENTS_AT, rooms.into(), &["events_seq"]),
        ("live", read::EVENTS_BETWEEN, "1, 10, 20".into(), &["events_seq"]),
        ("log", read::LOG_EVENTS, "1, 1000, 512".into(), &["events_pkey"]),
        ("log of receipts", read::LOG_RECEIPTS, "1, 30000, 512".into(), &["members_receipts"]),
        ("log of settings", read::LOG_SETTINGS, "1, 0, 512".into(), &["members_settings"]),
        ("news", feed::NEWS, format!("'u1', {from}"), &["members_user"]),
        (
            "list of who is blocked",
            blocks::NEWS,
            format!("'u1', {from}"),
            &["block_lists_pkey", "blocks_pkey"],
        ),
        ("log of lists", blocks::LOG, "1, 0, 512".into(), &["block_lists_ord", "blocks_pkey"]),
        ("newest", feed::NEWEST, format!("{at}, 51"), &["events_seq"]),
        ("first", feed::FIRST, at.into(), &["events_seq"]),
        ("moved", feed::MOVED, format!("{rooms}, 51"), &["members_receipt"]),
        ("own", feed::OWN, format!("{rooms}, 'u1'"), &["members_"]),
        ("revisions", fold::REVISIONS, at.into(), &["revisions_pkey", "events_seq"]),
        ("threads", fold::THREADS, at.into(), &["replies_pkey", "events_seq"]),
        ("keys", fold::KEYS, at.into(), &["reaction_counts_pkey"]),
        ("mine", fold::MINE, format!("{at}, 'u1'"), &["reactions_"]),
        ("by", fold::BY, format!("{at}, 3"), &["reactions_key"]),
        ("repeats", append::IDS, format!("{none}, {none}"), &["events_id"]),
        (
            "named",
            append::NAMED,
            format!("{none}, {none}, ARRAY['u1'], ARRAY['+'], 9223372036854775807"),
            &["events_id", "revisions_pkey", "reactions_pkey", "reaction_counts_pkey"],
        ),
        ("files", uploads::SEEN, "gen_random_uuid(), 'u1'".into(), &["attachments_pkey"]),
    ];
    for (name, sql, values, indexes) in cases {
        let plan = plan(&client, sql, &values).await;
        for index in indexes {
            assert!(plan.contains(index), "{name} without {index}:\n{plan}");
        }
        for table in [
            "events",
            "members",
            "mentions",
            "revisions",
            "replies",
            "reactions",
            "search",
            "block",
        ] {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{name}:\n{plan}");
        }
    }
    // A word that is rare is found by the index of words, whatever the number of messages.
    let words = plan(&client, super::search::LOOK, "'''word7''', 999999999, 4000").await;
    assert!(words.contains("search_terms") || words.contains("search_pkey"), "{words}");
    assert!(!words.contains("Seq Scan on search"), "{words}");
}

/// Rooms that are young, before anybody has counted what is in them.
const YOUNG: &str = "
    INSERT INTO rooms(id, kind, created_by, created_at, active_at, shard, head_seq, head_ord, members)
        SELECT gen_random_uuid(), 2, 'u1', 0, n, n % 16, 1, n, 1 FROM generate_series(1, 1000) n;
    INSERT INTO members(rk, user_id, shard, role, joined_at, joined_seq, joined_ord, delivered_seq, read_seq)
        SELECT r, 'u' || r, r % 16, 2, 0, 1, 1, 1, 1 FROM generate_series(1, 1000) r;
    INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash)
        SELECT r % 16, r * 1000 + s, r, s, gen_random_uuid(), 'u' || r, s, 'message', '{}', ''
        FROM generate_series(1, 1000) r, generate_series(1, 30) s;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_looks_its_rows_up_and_reads_no_room_through() {
    let Some(server) = Postgres::start() else { return };
    server.create("young");
    migrate(&server.url("young")).await.unwrap();
    server.run_sql("young", YOUNG);
    let client = super::migrations::connect(&server.url("young")).await.unwrap();
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let none = "ARRAY[gen_random_uuid()]";
    let members = append::members_sql();
    let by_id = "(id = u.id)";
    for (name, sql, values, key) in [
        ("repeats", append::IDS, format!("{none}, {none}"), by_id),
        (
            "named",
            append::NAMED,
            format!("{none}, {none}, ARRAY['u1'], ARRAY['+'], 9223372036854775807"),
            by_id,
        ),
        ("members", &members, format!("{none}, ARRAY['u1']"), "(user_id = u.user_id)"),
        (
            "files of what is deleted",
            uploads::LOCK,
            format!("{none}, {none}, {none}"),
            "(id = g.id)",
        ),
    ] {
        // What is counted in the background meanwhile must change nothing.
        for counted in ["", "ANALYZE"] {
            client.batch_execute(counted).await.unwrap();
            let plan = plan(&client, sql, &values).await;
            let looked_up = |line: &str| {
                ["Index Cond", "(rk = r.rk)", key].iter().all(|part| line.contains(part))
            };
            assert!(plan.lines().any(looked_up), "{name}, {counted}:\n{plan}");
        }
    }
}

async fn plan(client: &tokio_postgres::Client, sql: &str, values: &str) -> String {
    client.batch_execute(&format!("DEALLOCATE ALL; PREPARE q AS {sql}")).await.unwrap();
    let messages = client.simple_query(&format!("EXPLAIN EXECUTE q({values})")).await.unwrap();
    let lines = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
