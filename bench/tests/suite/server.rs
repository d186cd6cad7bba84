//! `bench server`, made small: it runs, and nothing is lost by it.

use super::bench;

#[test]
fn a_small_run_ends_with_success_and_loses_nothing_in_a_storm() {
    let (figures, _) = bench(&["server", "--quick"]);
    for name in ["fan_out.share_of_bare", "idle.kb_per_connection", "storm.last_back_s"] {
        assert!(figures[name]["value"].as_f64() > Some(0.0), "{name}");
    }
    assert_eq!(figures["storm.lost"]["value"], 0.0);
    assert_eq!(figures["storm.repeated"]["value"], 0.0);
    assert!(figures["real_time.check.deliveries"]["value"].as_f64() > Some(0.0));
    assert_eq!(figures["real_time.check.lost"]["value"], 0.0);
    assert_eq!(figures["real_time.check.repeated"]["value"], 0.0);
    // Where PostgreSQL is missing, the services have said so, or panicked where nothing may be skipped.
    if let Some(appends) = figures.get("append.times_one_a_transaction") {
        assert!(appends["value"].as_f64() > Some(0.0));
    }
}
