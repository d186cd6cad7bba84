//! Policies that make sense, and what they allow.

use tidewire_protocol::{InvalidPolicy, Mode, Policy};

fn valid(real_time: f64, hybrid: f64, ttl_ms: u64) -> bool {
    Policy { real_time, hybrid, ttl_ms }.validate() == Ok(())
}

#[test]
fn shares_are_ordered_and_between_0_and_1() {
    assert!(valid(0.0, 0.0, 1));
    assert!(valid(0.0, 1.0, 1));
    assert!(valid(1.0, 1.0, 1));
    assert!(valid(0.3, 0.3, 1));
    assert_eq!(Policy::unrestricted(60_000).validate(), Ok(()));
    for (real_time, hybrid) in [
        (0.5, 0.4),
        (-0.1, 0.5),
        (-0.2, -0.1),
        (0.5, 1.000_001),
        (1.1, 1.2),
        (f64::NAN, 0.5),
        (0.5, f64::NAN),
        (f64::NAN, f64::NAN),
        (f64::NEG_INFINITY, 1.0),
        (0.0, f64::INFINITY),
    ] {
        assert!(!valid(real_time, hybrid, 1), "{real_time} {hybrid}");
    }
}

#[test]
fn a_policy_lasts_for_1_ms_to_a_day() {
    assert_eq!(Policy::unrestricted(0).validate(), Err(InvalidPolicy));
    assert!(valid(1.0, 1.0, 1));
    assert!(valid(1.0, 1.0, 86_400_000));
    assert!(!valid(1.0, 1.0, 86_400_001));
    assert!(!valid(1.0, 1.0, u64::MAX));
}

#[test]
fn a_share_of_the_clients_gets_each_mode() {
    let policy = Policy { real_time: 0.25, hybrid: 0.75, ttl_ms: 1 };
    assert_eq!(policy.ceiling(0.0), Mode::RealTime);
    assert_eq!(policy.ceiling(0.249_999), Mode::RealTime);
    assert_eq!(policy.ceiling(0.25), Mode::Hybrid);
    assert_eq!(policy.ceiling(0.75), Mode::Polling);
    assert_eq!(policy.ceiling(0.999_999), Mode::Polling);
    // Nobody is in a mode whose share is 0, everybody in one whose share is 1.
    let nobody = Policy { real_time: 0.0, hybrid: 0.0, ttl_ms: 1 };
    assert_eq!(nobody.ceiling(0.0), Mode::Polling);
    assert_eq!(Policy::unrestricted(1).ceiling(0.999_999_999), Mode::RealTime);
}

#[test]
fn modes_are_ordered_by_freshness() {
    assert!(Mode::RealTime > Mode::Hybrid);
    assert!(Mode::Hybrid > Mode::Polling);
    assert!(Mode::Polling > Mode::Offline);
}
