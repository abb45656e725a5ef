//! What is drawn once for a schedule: the service, the client's settings, the weather; and whether the promise covers them.

use super::chance::Chance;
use super::network::NetworkFaults;
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::desired::state::{TOKEN_TTL_DEFAULT, VISIBILITY_GRACE_DEFAULT};
use crate::model::{Ownership, Site};
use crate::sandbox::settings::{BatchNames, CheckOrder, Mismatch, Settings, TokenMemory};
use std::fmt;
use std::time::Duration;

/// How long a signed request may be on its way. What it buys is listed within the grace after that.
pub const ARRIVES_WITHIN: Duration = Duration::from_secs(SIGNATURE_VALID_SECS);

const MINUTE_MS: u64 = 60_000;

/// The service, the client's settings, the weather.
pub struct Circumstances {
    /// How the account behaves.
    pub settings: Settings,
    /// How the client recognises what it owns.
    pub ownership: Ownership,
    /// How long the client trusts the service to remember a token.
    pub token_ttl: Duration,
    /// After how long the client expects a purchase to be listed.
    pub visibility_grace: Duration,
    /// How often the network fails, in bad weather.
    pub faults: NetworkFaults,
}

impl Circumstances {
    /// Draws them.
    pub fn draw(chance: &mut Chance) -> Self {
        let site = if chance.percent(70) { Site::China } else { Site::International };
        let ownership = match site {
            Site::China if chance.percent(70) => Ownership::Tags,
            Site::China | Site::International => Ownership::Name,
        };
        let settings = Settings {
            site,
            boot_ms: chance.pick(&[0, 2000, 40_000]),
            token_memory: chance.pick(&[
                TokenMemory::Forever,
                TokenMemory::Forever,
                // Just beyond `token_ttl` and the five minutes of a signature, and at the very line.
                TokenMemory::For(10 * MINUTE_MS + 1),
                TokenMemory::For(10 * MINUTE_MS),
                TokenMemory::For(30_000),
                TokenMemory::None,
            ]),
            mismatch: chance.pick(&[Mismatch::Replay, Mismatch::Error, Mismatch::Buy]),
            order: chance.pick(&[CheckOrder::TokenFirst, CheckOrder::QuotaFirst]),
            batch_names: chance.pick(&[BatchNames::Same, BatchNames::Suffix, BatchNames::Dash]),
            // Up to the last moment of the grace, and beyond it.
            visibility_delay_ms: chance.pick(&[0, 0, 0, 1500, 30_000, 10 * MINUTE_MS - 1, 15 * MINUTE_MS]),
            rename_while_pending: chance.percent(50),
            seed: chance.next_u64(),
            ..Settings::default()
        };
        let token_ttl = chance.pick(&[TOKEN_TTL_DEFAULT, TOKEN_TTL_DEFAULT, Duration::ZERO]);
        let bad = chance.percent(80);
        let mut p = |percent: u64| if bad && chance.percent(50) { percent } else { 0 };
        let faults = NetworkFaults {
            lost_before: p(10),
            lost_after: p(15),
            late: p(10),
            internal_before: p(5),
            internal_after: p(10),
            not_sent: p(10),
            throttled: p(10),
            sold_out: p(10),
            refuse_token: p(3),
            partial: p(10),
            launch_failed: p(5),
            lagging: p(5),
        };
        Self { settings, ownership, token_ttl, visibility_grace: VISIBILITY_GRACE_DEFAULT, faults }
    }

    /// Whether the service lists what it sold within the grace.
    pub fn lists(&self) -> bool {
        Duration::from_millis(self.settings.visibility_delay_ms) < self.visibility_grace
    }

    /// The line of the promise, as far as the service is concerned: it lists within the grace, and it remembers a token for
    /// longer than `token_ttl` and the five minutes of a signature, or `token_ttl` is zero.
    pub fn service_keeps_the_line(&self) -> bool {
        let remembers = match self.settings.token_memory {
            TokenMemory::Forever => true,
            TokenMemory::For(ms) => Duration::from_millis(ms) > self.token_ttl + ARRIVES_WITHIN,
            TokenMemory::None => false,
        };
        self.lists() && (remembers || self.token_ttl.is_zero())
    }

    /// The time after which everything that was sent has arrived and is listed, on a service that keeps the line.
    pub fn settled_after(&self) -> Duration {
        self.visibility_grace + ARRIVES_WITHIN
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        write!(
            f,
            "service: {}, memory {}, mismatch {}, order {}, names {}, visible after {} ms, boot {} ms; \
             client: {:?}, token_ttl {:?}; keeps the line: {}; faults: {:?}",
            settings.site.as_str(),
            settings.token_memory,
            settings.mismatch,
            settings.order,
            settings.batch_names,
            settings.visibility_delay_ms,
            settings.boot_ms,
            self.ownership,
            self.token_ttl,
            self.service_keeps_the_line(),
            self.faults,
        )
    }
}
