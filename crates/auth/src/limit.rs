//! Rate limits: what a rule is, how a window counts, and how long a guesser waits.

use std::net::{IpAddr, Ipv6Addr};

use kernel::Timestamp;

const MINUTE_MS: i64 = 60_000;

/// So many in so long. A limit of 0 switches the rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRule {
    /// Its name, which keeps its keys apart from those of other rules.
    pub name: &'static str,
    /// Admitted within one window.
    pub limit: u32,
    /// Length of the window.
    pub window_ms: i64,
}

impl RateRule {
    /// `limit` in each window of `window_ms`.
    pub const fn new(name: &'static str, limit: u32, window_ms: i64) -> Self {
        Self { name, limit, window_ms }
    }

    /// Whether it limits nothing.
    pub const fn is_off(&self) -> bool {
        self.limit == 0
    }
}

/// What a rule says of one key now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Whether this one is admitted.
    pub allowed: bool,
    /// How many more are, in this window.
    pub remaining: u32,
    /// Milliseconds until the next is admitted; 0 while any remains.
    pub retry_after_ms: i64,
    /// Milliseconds until the window ends; 0 if none has begun.
    pub reset_ms: i64,
}

impl Rate {
    /// What a rule that is off says.
    pub const UNLIMITED: Self = Self { allowed: true, remaining: u32::MAX, retry_after_ms: 0, reset_ms: 0 };
}

/// The counter of one key: a window begins with the first hit and admits `limit` until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it ends.
    pub ends_at: Timestamp,
    /// Hits that it admitted.
    pub count: u32,
}

impl Window {
    /// Counts a hit; a refused one is not counted, so that a client that keeps knocking gets in again.
    pub fn hit(stored: Option<Self>, rule: &RateRule, now: Timestamp) -> (Self, Rate) {
        let window = Self::current(stored, rule, now);
        if window.count >= rule.limit {
            return (window, window.rate(false, rule, now));
        }
        let window = Self { count: window.count + 1, ..window };
        (window, window.rate(true, rule, now))
    }

    /// What the next hit would get, without counting it.
    pub fn peek(stored: Option<Self>, rule: &RateRule, now: Timestamp) -> Rate {
        let window = Self::current(stored, rule, now);
        window.rate(window.count < rule.limit, rule, now)
    }

    /// The stored window, unless it is over, or is from a clock so far ahead that it would never end.
    fn current(stored: Option<Self>, rule: &RateRule, now: Timestamp) -> Self {
        let latest_end = now.plus_millis(rule.window_ms);
        match stored {
            Some(window) if window.ends_at > now && window.ends_at <= latest_end => window,
            Some(_) | None => Self { ends_at: latest_end, count: 0 },
        }
    }

    /// What this window says, if the hit in question was or would be `allowed`.
    pub fn rate(self, allowed: bool, rule: &RateRule, now: Timestamp) -> Rate {
        let reset_ms = if self.count == 0 { 0 } else { self.ends_at.millis_since(now) };
        let remaining = rule.limit.saturating_sub(self.count);
        Rate { allowed, remaining, retry_after_ms: if remaining == 0 { reset_ms } else { 0 }, reset_ms }
    }
}

/// Limits on attempts to sign in; 0 switches one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthLimits {
    /// Failures of one account from one address in five minutes.
    pub login_failures_per_five_minutes: u32,
    /// Failures of one address in five minutes, whatever the account.
    pub login_failures_per_ip: u32,
    /// New accounts of one address in an hour.
    pub registrations_per_hour: u32,
}

impl Default for AuthLimits {
    fn default() -> Self {
        Self { login_failures_per_five_minutes: 10, login_failures_per_ip: 50, registrations_per_hour: 20 }
    }
}

impl AuthLimits {
    pub(crate) const fn account_failures(&self) -> RateRule {
        RateRule::new("login_account", self.login_failures_per_five_minutes, 5 * MINUTE_MS)
    }

    pub(crate) const fn ip_failures(&self) -> RateRule {
        RateRule::new("login_ip", self.login_failures_per_ip, 5 * MINUTE_MS)
    }

    pub(crate) const fn registrations(&self) -> RateRule {
        RateRule::new("register_ip", self.registrations_per_hour, 60 * MINUTE_MS)
    }

    /// Counts an account's failures from all addresses. It never refuses, so that nobody can lock another out.
    pub(crate) const fn delay_counter(&self) -> RateRule {
        let limit = if self.login_failures_per_five_minutes == 0 { 0 } else { DELAY_COUNT_MAX };
        RateRule::new("login_delay", limit, 5 * MINUTE_MS)
    }
}

/// Of attempts that are refused whatever they prove, one is recorded in so long.
pub(crate) const REFUSAL_WINDOW_MS: i64 = 5 * MINUTE_MS;

/// Failures are counted up to here; the delay has stopped growing long before.
pub(crate) const DELAY_COUNT_MAX: u32 = 1_000;
const FAILURES_WITHOUT_DELAY: u32 = 3;
const DELAY_FIRST_MS: i64 = 100;
const DELAY_MS_MAX: i64 = 2_000;

/// How long the next attempt waits after so many failures: nothing for three, then 100 ms that double up to 2 s.
pub(crate) fn delay_ms(failures: u32) -> i64 {
    let Some(doublings) = failures.checked_sub(FAILURES_WITHOUT_DELAY + 1) else { return 0 };
    let factor = 1_i64.checked_shl(doublings.min(16)).unwrap_or(i64::MAX);
    DELAY_FIRST_MS.saturating_mul(factor).min(DELAY_MS_MAX)
}

/// What counts as one address: an IPv4 address, or the /64 network that one IPv6 customer has.
pub(crate) fn address_key(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RateRule = RateRule::new("test", 2, 1_000);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_window_admits_its_limit_and_no_more_until_it_ends() {
        let (window, first) = Window::hit(None, &RULE, at(0));
        assert_eq!(first, Rate { allowed: true, remaining: 1, retry_after_ms: 0, reset_ms: 1_000 });
        let (window, second) = Window::hit(Some(window), &RULE, at(400));
        assert_eq!(second, Rate { allowed: true, remaining: 0, retry_after_ms: 600, reset_ms: 600 });
        let (window, third) = Window::hit(Some(window), &RULE, at(999));
        assert_eq!(third, Rate { allowed: false, remaining: 0, retry_after_ms: 1, reset_ms: 1 });
        let (_, next) = Window::hit(Some(window), &RULE, at(1_000));
        assert!(next.allowed);
    }

    #[test]
    fn a_look_counts_nothing() {
        assert_eq!(
            Window::peek(None, &RULE, at(0)),
            Rate { allowed: true, remaining: 2, retry_after_ms: 0, reset_ms: 0 }
        );
        let full = Window { ends_at: at(500), count: 2 };
        assert!(!Window::peek(Some(full), &RULE, at(0)).allowed);
        assert!(Window::peek(Some(full), &RULE, at(500)).allowed);
    }

    #[test]
    fn a_clock_that_fell_far_back_does_not_shut_anybody_out() {
        let full = Window { ends_at: at(1_000_000), count: 2 };
        assert!(Window::hit(Some(full), &RULE, at(0)).1.allowed);
    }

    #[test]
    fn the_delay_grows_with_failures_and_stays_bounded() {
        let delays: Vec<_> = (0..=9).map(delay_ms).collect();
        assert_eq!(delays, [0, 0, 0, 0, 100, 200, 400, 800, 1_600, 2_000]);
        assert_eq!(delay_ms(u32::MAX), 2_000);
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
