//! Values that must never be shown, and the fingerprint by which a change of one is noticed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroize;

/// A secret text. It has no `Display` and no `Serialize`, its `Debug` is redacted, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for signing and for the request body, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A salted fingerprint, `salt:digits`. Eight hex digits are kept: enough to notice a change, too few to confirm
    /// a guess at a password from a stolen state file.
    pub fn fingerprint(&self, salt: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("HMAC takes any key length");
        mac.update(b"lhprov secret fingerprint v1\0");
        mac.update(self.0.as_bytes());
        let bytes = mac.finalize().into_bytes();
        format!("{salt}:{:02x}{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3])
    }

    /// Whether `fingerprint` was made from this secret.
    pub fn matches(&self, fingerprint: &str) -> bool {
        fingerprint.split_once(':').is_some_and(|(salt, _)| self.fingerprint(salt) == fingerprint)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_tells_secrets_apart_and_hides_them() {
        let a = Secret::new("hunter2-Hunter2");
        let print = a.fingerprint("00ff");
        assert!(a.matches(&print));
        assert!(!Secret::new("other").matches(&print));
        assert!(!print.contains("hunter2"));
        assert_eq!(format!("{a:?}"), "Secret(…)");
    }
}
