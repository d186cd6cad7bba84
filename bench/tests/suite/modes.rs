//! `bench modes`, made small: it runs, and what it prints can be read.

use super::bench;

#[test]
fn a_small_run_ends_with_success_and_its_last_line_has_every_figure() {
    let (figures, text) = bench(&[
        "modes",
        "--users",
        "50",
        "--minutes",
        "1",
        "--live-users",
        "10",
        "--live-seconds",
        "2",
    ]);
    for mode in ["real_time", "hybrid", "polling", "automatic"] {
        for figure in ["sockets", "presence_frames_per_second"] {
            let figure = &figures[format!("{mode}.{figure}")];
            assert_eq!(figure["holds"], true, "{mode}: {figure}");
        }
        assert!(figures[format!("{mode}.bytes_per_client_hour")]["value"].as_f64() > Some(0.0));
    }
    assert_eq!(figures["background.wakeups_per_hour"]["holds"], true, "{figures}");
    assert_eq!(figures["background.requests_per_wakeup"]["value"], 1.0);
    assert!(figures["polling.to_screen_p99_ms"]["value"].is_number());
    assert!(text.contains("Traffic: "), "what the figures are of is told");
}
