//! Where do requests go, and which host is signed? Pure rules for the two sites and for `--endpoint`.
//!
//! The URL is read here and not by a URL library, because far less than a URL is allowed: the signature covers the path
//! `/` alone, so an endpoint with a path, a query or a user could never work.

use super::port::Service;
use crate::model::Site;
use std::net::{Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The public hosts of a site, one for each service.
    Site(Site),
    /// One place for all services. The authority is in the form in which it is sent and signed.
    Given { tls: bool, authority: String },
}

/// Why a text cannot be an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// No `http://` or `https://` in front.
    #[error("endpoint `{0}` has to begin with https://, or with http:// where it is on this machine")]
    Scheme(String),
    /// More than scheme, host and port.
    #[error("endpoint `{0}` may hold nothing but https://, host and port: the signature covers the path `/` alone")]
    NotBare(String),
    /// The host is none.
    #[error("endpoint `{0}` names no valid host")]
    Host(String),
    /// The port is none.
    #[error("endpoint `{0}` has no valid port")]
    Port(String),
    /// Plain HTTP to another machine.
    #[error(
        "endpoint `{0}` would send signed requests unencrypted to another machine; \
         plain http is allowed only to localhost, 127.0.0.0/8 and [::1]: use https://"
    )]
    PlainHttp(String),
}

impl Endpoint {
    /// The public endpoint of a site.
    pub fn of_site(site: Site) -> Self {
        Self(Kind::Site(site))
    }

    /// Reads the value of `--endpoint`.
    ///
    /// # Errors
    /// Says what the text would have to look like.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let own = || without_user(text);
        let lower = text.to_ascii_lowercase();
        let (tls, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(EndpointError::Scheme(own())),
        };
        let authority = rest.trim_end_matches('/');
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(EndpointError::NotBare(own()));
        }
        let (host, port) = split_port(authority).ok_or_else(|| EndpointError::Port(own()))?;
        if !is_host(host) {
            return Err(EndpointError::Host(own()));
        }
        if !tls && !is_loopback(host) {
            return Err(EndpointError::PlainHttp(own()));
        }
        // The default port is not written into the Host header (RFC 9110, 4.2.3).
        let default_port = if tls { 443 } else { 80 };
        let authority = match port {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        Ok(Self(Kind::Given { tls, authority }))
    }

    /// The `Host` header for a service, as it is sent and signed.
    pub fn host(&self, service: Service) -> String {
        match &self.0 {
            // International pages name the second host since about 2025-10 (intl:45859).
            Kind::Site(Site::China) => format!("{}.tencentcloudapi.com", service.name()),
            Kind::Site(Site::International) => format!("{}.intl.tencentcloudapi.com", service.name()),
            Kind::Given { authority, .. } => match Alias::of(authority) {
                Some(alias) => alias.host(service),
                None => authority.clone(),
            },
        }
    }

    /// The URL of a service, without a trailing slash.
    pub fn url(&self, service: Service) -> String {
        let scheme = if self.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.host(service))
    }

    /// Whether requests are encrypted on the way.
    pub fn is_tls(&self) -> bool {
        !matches!(self.0, Kind::Given { tls: false, .. })
    }

    /// Whether it is on this machine: a proxy is never asked for the way there.
    pub fn is_loopback(&self) -> bool {
        match &self.0 {
            Kind::Site(_) => false,
            Kind::Given { authority, .. } => split_port(authority).is_some_and(|(host, _)| is_loopback(host)),
        }
    }
}

/// A documented host of Lighthouse on site china other than the public one. It serves the same account and the same
/// instances. (Regional: `SERVICE.REGION.tencentcloudapi.com`, cn /product/1278/46710, and the SDK's backup host.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alias<'a> {
    authority: &'a str,
}

impl<'a> Alias<'a> {
    fn of(authority: &'a str) -> Option<Self> {
        let region = authority.strip_prefix("lighthouse.")?.strip_suffix(".tencentcloudapi.com")?;
        let is_region = region.contains('-') && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_region.then_some(Self { authority })
    }

    /// Whether the other services have a host in each region is not documented, so they are asked at their public ones.
    fn host(self, service: Service) -> String {
        match service {
            Service::Lighthouse => self.authority.to_owned(),
            other => Endpoint::of_site(Site::China).host(other),
        }
    }
}

/// Whether two recorded endpoints are documented hosts of the same service: the public one of site china and that of
/// `region`. Everything else is the same only where it reads the same.
pub fn is_same_service(one: &str, other: &str, region: &str) -> bool {
    let public = Endpoint::of_site(Site::China).url(Service::Lighthouse);
    let regional = format!("https://lighthouse.{region}.tencentcloudapi.com");
    let is_documented = |url: &str| url == public || url == regional;
    one == other || (is_documented(one) && is_documented(other))
}

/// The text of an address for a message: what stands before an `@` may be a password.
pub(super) fn without_user(text: &str) -> String {
    match (text.find("//").map_or(0, |at| at + 2), text.rfind('@')) {
        (start, Some(at)) if at >= start => format!("{}…{}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    }
}

/// Host and port of an authority; `None` if there is a port that is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[host_end..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(host_end + colon);
            let digits = &port[1..];
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let port: u16 = is_number.then(|| digits.parse().ok())??;
            (port != 0).then_some((host, Some(port)))
        }
    }
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return ipv6(host).is_some();
    }
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || ipv6(host).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites() {
        let url = |site, service| Endpoint::of_site(site).url(service);
        assert_eq!(url(Site::China, Service::Lighthouse), "https://lighthouse.tencentcloudapi.com");
        assert_eq!(url(Site::China, Service::Sts), "https://sts.tencentcloudapi.com");
        assert_eq!(url(Site::International, Service::Lighthouse), "https://lighthouse.intl.tencentcloudapi.com");
        assert_eq!(url(Site::International, Service::Sts), "https://sts.intl.tencentcloudapi.com");
    }

    #[test]
    fn given() {
        for (text, url) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://LocalHost:80", "http://localhost"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("HTTPS://Example.com:443/", "https://example.com"),
            ("https://example.com:8443", "https://example.com:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(endpoint.url(Service::Lighthouse), url);
            assert_eq!(endpoint.url(Service::Sts), url, "all services go there");
            assert_eq!(
                format!("{}://{}", if endpoint.is_tls() { "https" } else { "http" }, endpoint.host(Service::Sts)),
                url
            );
        }
    }

    #[test]
    fn refused() {
        use EndpointError as E;
        type Make = fn(String) -> E;
        let cases: &[(&str, Make)] = &[
            ("127.0.0.1:8080", E::Scheme),
            ("ftp://127.0.0.1", E::Scheme),
            ("", E::Scheme),
            ("http://example.com", E::PlainHttp),
            ("http://10.0.0.1:8080", E::PlainHttp),
            ("http://0.0.0.0:8080", E::PlainHttp),
            ("http://[::ffff:127.0.0.1]", E::PlainHttp),
            ("http://localhost.example.com", E::PlainHttp),
            ("http://127.0.0.1.nip.io", E::PlainHttp),
            ("http://localhost@example.com", E::NotBare),
            ("http://127.0.0.1/path", E::NotBare),
            ("https://example.com?x=1", E::NotBare),
            ("https://user:pw@example.com", E::NotBare),
            ("https://", E::Host),
            ("https://a..b", E::Host),
            ("https://a b", E::Host),
            ("https://[::1", E::Port),
            ("https://example.com:", E::Port),
            ("https://example.com:0", E::Port),
            ("https://example.com:65536", E::Port),
            ("https://example.com:+1", E::Port),
        ];
        for (text, make) in cases {
            let error = Endpoint::parse(text).expect_err(text);
            assert_eq!(error, make(without_user(text)));
            assert!(!error.to_string().contains("user:pw"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_lets_plain_http_out(text in "(http|https)://[a-z0-9.:@/\\[\\]é-]{0,20}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                proptest::prop_assert!(endpoint.is_tls() || endpoint.is_loopback());
            }
        }
    }
}
