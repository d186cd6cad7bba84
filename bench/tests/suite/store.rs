//! `bench store`, made small: it runs, and what it prints can be read.

use super::bench;

#[test]
fn a_small_run_ends_with_success_and_its_last_line_has_every_figure() {
    let (figures, text) = bench(&["store", "--quick"]);
    for name in ["ingest_1", "ingest_100"] {
        assert!(figures[format!("{name}.share_of_bare")]["value"].as_f64() > Some(0.0));
    }
    for name in ["start.first_screen_ms", "open.cached_room_ms", "calls.longest_run_ms"] {
        assert!(figures[name]["value"].is_number(), "{name}");
    }
    assert_eq!(figures["logout.failed"]["value"], 0.0);
    assert_eq!(figures["memory.messages"]["value"], 15_000.0);
    assert!(text.contains("SEED="), "the workload can be done again");
}
