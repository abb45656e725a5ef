//! What does an error code prove? The answer to a code is its line in the table of `codes`, else that of its family.

use super::codes::{FIRST_LEVELS, OF_A_PURCHASE, OF_OTHERS, Row};
use super::error::ErrorClass;

/// What `code` proves about the attempt that it answers.
pub fn classify(code: &str) -> ErrorClass {
    if let Some(class) = look_up(OF_A_PURCHASE, code).or_else(|| look_up(OF_OTHERS, code)) {
        return class;
    }
    // Codes that the service may come to have. A token that is contested means that an earlier request used it, whatever
    // the family says.
    if code.contains("ClientToken") || code.contains("Idempoten") {
        return ErrorClass::Ambiguous;
    }
    let first_level = code.split('.').next().unwrap_or(code);
    look_up(FIRST_LEVELS, first_level).unwrap_or(ErrorClass::Ambiguous)
}

/// The reason for what a code proves, its source first, where the code has a line of its own.
pub fn reason(code: &str) -> Option<&'static str> {
    let rows = OF_A_PURCHASE.iter().chain(OF_OTHERS).chain(FIRST_LEVELS);
    rows.into_iter().find(|(known, _, _)| *known == code).map(|(_, _, why)| *why)
}

/// Every code that has a line of its own.
pub fn known_codes() -> impl Iterator<Item = &'static str> {
    OF_A_PURCHASE.iter().chain(OF_OTHERS).chain(FIRST_LEVELS).map(|(code, _, _)| *code)
}

fn look_up(table: &[Row], code: &str) -> Option<ErrorClass> {
    table.iter().find(|(known, _, _)| *known == code).map(|(_, class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorClass::{Ambiguous, Auth, Refused, SignatureExpired, Throttled};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The table, row by row: each has one line, a source, and is classified as its line says.
    #[test]
    fn every_row_has_a_source_and_holds() {
        let mut seen = BTreeSet::new();
        for (code, class, why) in OF_A_PURCHASE.iter().chain(OF_OTHERS) {
            assert!(seen.insert(*code), "{code} twice");
            assert_eq!(classify(code), *class, "{code}");
            let source = why.split_once(": ").map(|(source, _)| source);
            assert!(source.is_some_and(|source| ["gosdk", "intl", "common", "sdk"].contains(&source)), "{code}: {why}");
            assert!(why.ends_with(['.', '"', ')']), "{code}: {why}");
        }
        let mut seen = BTreeSet::new();
        for (family, class, why) in FIRST_LEVELS {
            assert!(seen.insert(*family) && !family.contains('.'), "{family}");
            assert_eq!(classify(&format!("{family}.Brandnew")), *class, "{family}");
            assert!(why.contains(": "), "{family}: {why}");
        }
    }

    /// What is proved is one of three: nothing was bought, it was certainly throttled, unknown. None of the codes that are
    /// only like their family may differ from it without being told of as one that a purchase can meet.
    #[test]
    fn other_actions_follow_their_family() {
        for (code, class, _) in OF_OTHERS {
            let family = code.split('.').next().expect("a first level");
            assert_eq!(look_up(FIRST_LEVELS, family), Some(*class), "{code}");
        }
    }

    fn is_listed(code: &str) -> bool {
        reason(code).is_some()
    }

    /// No code of the purchase is left to the rule for its family: each has been thought about.
    #[test]
    fn every_code_of_the_purchase_has_a_line() {
        let listed = include_str!("../../tests/fixtures/cloud/create-instances-codes.txt");
        for code in listed.lines().filter(|line| !line.starts_with('#')) {
            assert!(look_up(OF_A_PURCHASE, code).is_some(), "{code}");
        }
    }

    #[test]
    fn every_code_of_the_other_actions_has_a_line() {
        let listed = include_str!("../../tests/fixtures/cloud/action-codes.txt");
        let codes: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(codes.len() > 200, "{}", codes.len());
        for code in codes {
            assert!(is_listed(code), "{code}");
        }
    }

    #[test]
    fn families() {
        let cases = [
            ("RequestLimitExceeded", Throttled),
            ("RequestLimitExceeded.UinLimitExceeded", Throttled),
            ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Throttled),
            ("AuthFailure.SignatureExpire", SignatureExpired),
            ("AuthFailure.SignatureFailure", Auth),
            ("AuthFailure.Brandnew", Auth),
            ("UnauthorizedOperation.MFAExpired", Auth),
            ("InternalError.TradeCallBillingGatewayFailed", Ambiguous),
            ("FailedOperation.Brandnew", Ambiguous),
            ("FailedOperation.DescribeInstanceStatus", Ambiguous),
            ("LimitExceeded.Brandnew", Refused),
            ("ResourcesSoldOut.BundleSoldOut", Refused),
            ("OperationDenied.InstanceCreating", Refused),
            ("UnsupportedOperation.LatestOperationUnfinished", Refused),
            ("UnsupportedOperation.IdempotentProcessing", Ambiguous),
            ("InvalidParameterValue.ClientTokenConflict", Ambiguous),
            ("InvalidParameterValue.ClientTokenTooLong", Refused),
            ("Brandnew.Family", Ambiguous),
            ("ServiceUnavailable", Ambiguous),
            ("", Ambiguous),
            (".", Ambiguous),
            ("refused", Ambiguous),
        ];
        for (code, class) in cases {
            assert_eq!(classify(code), class, "{code}");
        }
    }

    #[test]
    fn dry_run() {
        use crate::cloud::CloudError;
        let error = |code: &str| CloudError { code: Some(code.to_owned()), ..CloudError::transport(Refused, "A", "m") };
        assert!(error("DryRunOperation").is_dry_run_success());
        assert!(!error("FailedOperation").is_dry_run_success());
    }

    /// Does a response to a dry run say that the purchase would fail now? Whatever it would prove about a purchase.
    #[test]
    fn a_dry_run_is_refused_by_every_response_but_three_kinds() {
        use crate::cloud::CloudError;
        let error = |code: &str| CloudError {
            code: Some(code.to_owned()),
            ..CloudError::transport(classify(code), "CreateInstances", "m")
        };
        for code in
            known_codes().chain(["FailedOperation.RealNameAuthRequired", "Brandnew.Family", "ServiceUnavailable"])
        {
            let family = code.split('.').next().unwrap_or_default();
            let says_nothing = matches!(
                family,
                "RequestLimitExceeded"
                    | "InternalError"
                    | "AuthFailure"
                    | "UnauthorizedOperation"
                    | "IpInBlacklist"
                    | "IpNotInWhitelist"
                    | "DryRunOperation"
            );
            assert_eq!(error(code).refuses_dry_run(), !says_nothing, "{code}");
        }
        let lost = CloudError::transport(Ambiguous, "CreateInstances", "connection reset");
        assert!(!lost.refuses_dry_run());
    }

    proptest! {
        /// Nothing but a known family may prove that nothing happened.
        #[test]
        fn unknown_families_prove_nothing(code in "[A-Za-z.]{0,30}") {
            let first = code.split('.').next().unwrap_or_default();
            prop_assume!(look_up(FIRST_LEVELS, first).is_none() && !is_listed(&code));
            prop_assert!(!classify(&code).proves_no_effect());
        }
    }
}
