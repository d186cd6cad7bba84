//! What the server says it can carry, and when a change is worth telling.

use tidewire_protocol::Policy;

use crate::config::PolicyChoice;

/// How long a policy holds, in ms.
const TTL_MS: u64 = 60_000;

/// Load up to which nobody is restricted. The rest is for reconnects and for the wrong guess.
const EASE: f64 = 0.8;
/// Load that the shares aim at once there is more demand than that.
const AIM: f64 = 0.9;

/// How many users are online, and the policy that follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Audience {
    pub(crate) online: u32,
    pub(crate) policy: Option<Policy>,
}

impl Audience {
    /// `online` users everywhere; `demand` of them would like a socket of this server.
    pub(crate) fn of(choice: PolicyChoice, online: u32, demand: u32, capacity: u32) -> Self {
        let policy = match choice {
            PolicyChoice::Audience => None,
            PolicyChoice::Capacity => Some(capacity_policy(demand, capacity)),
        };
        Self { online, policy }
    }

    /// Whether clients should hear of `self` after they heard `told`: a fiftieth more or less
    /// users, or shares that differ by as much.
    pub(crate) fn differs_from(&self, told: &Audience) -> bool {
        let users = (told.online / 50).max(1);
        let shares = match (self.policy, told.policy) {
            (Some(new), Some(old)) => {
                (new.real_time - old.real_time).abs() >= 0.02
                    || (new.hybrid - old.hybrid).abs() >= 0.02
            }
            (new, old) => new != old,
        };
        shares || self.online.abs_diff(told.online) >= users
    }
}

/// The shares for `demand` users that would each like to have a socket.
///
/// They depend on who is online, not on the sockets that the shares themselves have left: so a
/// policy does not lift the load that it answers to, and the crowd does not swing.
fn capacity_policy(demand: u32, capacity: u32) -> Policy {
    let load = f64::from(demand) / f64::from(capacity.max(1));
    if load <= EASE {
        return Policy::unrestricted(TTL_MS);
    }
    let hybrid = (AIM / load).min(1.0);
    // A pushed feed costs more than a polled one, so real-time gives way first and faster.
    let real_time = (EASE / load).powi(2).min(hybrid);
    Policy { real_time, hybrid, ttl_ms: TTL_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_restricted_below_four_fifths_of_the_capacity() {
        assert_eq!(capacity_policy(8_000, 10_000), Policy::unrestricted(TTL_MS));
    }

    #[test]
    fn shares_fall_with_the_load_and_keep_the_sockets_below_the_capacity() {
        let mut before = Policy::unrestricted(TTL_MS);
        for demand in (0..=100_000).step_by(100) {
            let policy = capacity_policy(demand, 10_000);
            policy.validate().unwrap();
            assert!(policy.real_time <= before.real_time && policy.hybrid <= before.hybrid);
            assert!(f64::from(demand) * policy.hybrid < 9_001.0, "{demand} users");
            before = policy;
        }
        assert!(before.real_time < 0.01);
    }

    #[test]
    fn the_audience_policy_leaves_the_choice_to_the_clients() {
        assert_eq!(Audience::of(PolicyChoice::Audience, 9, 9, 1).policy, None);
    }

    #[test]
    fn small_changes_in_a_large_crowd_are_not_told() {
        let told = Audience { online: 500, policy: None };
        assert!(!Audience { online: 509, policy: None }.differs_from(&told));
        assert!(Audience { online: 510, policy: None }.differs_from(&told));
        let few = Audience { online: 3, policy: None };
        assert!(Audience { online: 4, policy: None }.differs_from(&few));
    }
}
