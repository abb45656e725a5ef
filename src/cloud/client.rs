//! How do bytes reach the API and come back? The HTTP adapter for [`Transport`]: one `send` is at most one request.
//!
//! What it must never do: repeat, follow a redirect, or call a failure harmless that may not be. A failure is `NotSent` only
//! where no connection came about; from the first byte on, everything that is not an answer of the API is `Ambiguous`.
//! HTTP/1.1 over a pool of kept-alive connections. The pool may move a request of which nothing was written yet from a
//! connection that has died to a fresh one; that is still one request. No proxy is used unless one is given: the environment is not asked.

use super::answer::{self, Answer};
use super::credential::{Credential, Found, Provider, Sts};
use super::endpoint::Endpoint;
use super::error::{CloudError, ErrorClass};
use super::limits::{ANSWER_WITHIN, SIGNATURE_VALID_SECS};
use super::port::{Prepared, Reply, Service, Transport};
use super::redact::Scrubber;
use super::sign::{self, CONTENT_TYPE, ToSign};
use super::trace;
use crate::clock::{BoxFuture, Clock};
use crate::model::time::show_duration;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Who calls, in `X-TC-RequestClient` (at most 128 of `[0-9a-zA-Z-_,;.]`, official SDK).
const REQUEST_CLIENT: &str = concat!("lhprov_", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept. Whoever writes into one that the far side has just closed gets a failure that
/// proves nothing, so it is short; polls come every few seconds, so it is not shorter.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Longest time for a request by which credentials are renewed: the calls that need them wait for it.
const RENEWAL_WITHIN: Duration = Duration::from_secs(10);

/// How the client is set up. [`HttpOptions::new`] fills in the usual values.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where requests go.
    pub endpoint: Endpoint,
    /// The value of `X-TC-Region`. Always sent; actions that need none ignore it (intl:45859).
    pub region: String,
    /// In whose name.
    pub credentials: Found,
    /// A PEM file with certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// URL of a proxy for the way to another machine. Never used for a loopback endpoint.
    pub proxy: Option<String>,
    /// Longest time to a connection: name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest time from the connection to the end of the answer.
    pub request_timeout: Duration,
    /// Longest answer. 100 instances, the most of one page, are about 200 KB.
    pub answer_bytes_max: usize,
}

impl HttpOptions {
    /// 10 s to connect, [`ANSWER_WITHIN`] for a request, 32 MiB for an answer.
    pub fn new(endpoint: Endpoint, region: impl Into<String>, credentials: impl Into<Found>) -> Self {
        Self {
            endpoint,
            region: region.into(),
            credentials: credentials.into(),
            ca_file: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: ANSWER_WITHIN,
            answer_bytes_max: 32 << 20,
        }
    }
}

/// Why no client could be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The file of `--ca-file` cannot be read.
    #[error("cannot read the CA file {path}")]
    CaFileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of `--ca-file` holds no certificate.
    #[error("the CA file {path} holds no certificate in PEM form")]
    CaFileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The proxy is none.
    #[error("the proxy is not a valid URL: {0}")]
    Proxy(String),
    /// The TLS library could not be set up, usually for want of root certificates.
    #[error("cannot set up TLS: {0}; install the system's CA certificates or give --ca-file")]
    Tls(String),
}

/// The API over HTTP.
pub struct HttpClient {
    sender: Arc<Sender>,
    credentials: Arc<Provider>,
}

impl HttpClient {
    /// Sets the client up; connects to nothing yet.
    ///
    /// # Errors
    /// The CA file, the proxy or the system's certificates are not usable.
    pub fn new(options: HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        // The library takes its cryptography from a process-wide place. Whoever came first has set it; that is as good.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .timeout(options.request_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(proxy) = options.proxy.as_ref().filter(|_| !options.endpoint.is_loopback()) {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| ClientError::Proxy(innermost(&error)))?;
            builder = builder.proxy(proxy);
        }
        builder = match &options.ca_file {
            Some(path) => builder.tls_certs_merge(read_certificates(path)?),
            // Without TLS no roots are needed, and a machine without any can still use a local sandbox.
            None if !options.endpoint.is_tls() => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| ClientError::Tls(innermost(&error)))?;
        let found = options.credentials.clone();
        let sender = Arc::new(Sender { http, options, clock: Arc::clone(&clock) });
        let credentials = Arc::new(Provider::new(found, Arc::clone(&sender) as Arc<dyn Sts>, clock));
        Ok(Self { sender, credentials })
    }

    /// In whose name requests are signed.
    pub fn credentials(&self) -> &Arc<Provider> {
        &self.credentials
    }
}

/// Signs and sends. In whose name, it is told each time.
struct Sender {
    http: reqwest::Client,
    options: HttpOptions,
    clock: Arc<dyn Clock>,
}

impl Sender {
    /// Signs a request: `Host` and `Content-Type` are signed as they are sent.
    fn sign(&self, credential: &Credential, service: Service, action: &'static str, body: String) -> Prepared {
        let HttpOptions { endpoint, region, .. } = &self.options;
        let signed_at = self.clock.now();
        let host = endpoint.host(service);
        let authorization = sign::authorization(&ToSign {
            secret_id: &credential.secret_id,
            secret_key: &credential.secret_key,
            service: service.name(),
            host: &host,
            content_type: CONTENT_TYPE,
            body: body.as_bytes(),
            timestamp: signed_at,
        });
        let mut headers = vec![
            ("Host", host),
            ("Content-Type", CONTENT_TYPE.to_owned()),
            ("X-TC-Action", action.to_owned()),
            ("X-TC-Version", service.version().to_owned()),
            ("X-TC-Timestamp", signed_at.as_secs().to_string()),
            ("X-TC-Region", region.clone()),
            ("X-TC-Language", "en-US".to_owned()),
            ("X-TC-RequestClient", REQUEST_CLIENT.to_owned()),
            ("Authorization", authorization),
        ];
        if let Some(token) = &credential.token {
            headers.push(("X-TC-Token", token.expose().to_owned()));
        }
        Prepared { service, action, body, signed_at, headers }
    }

    async fn send_once(&self, prepared: Prepared, limit: Duration) -> Result<Reply, CloudError> {
        let action = prepared.action;
        self.check_age(&prepared)?;
        let scrubber = Scrubber::of_request(&prepared);
        let url = self.options.endpoint.url(prepared.service);
        trace::request(&prepared, &url);
        let mut request = self.http.post(format!("{url}/")).timeout(limit);
        for (name, value) in &prepared.headers {
            request = request.header(*name, value);
        }
        let result = self.exchange(request.body(prepared.body.clone())).await;
        let exchanged = result.map_err(|trouble| {
            let (class, message) = self.explain(&trouble, &url, limit);
            let message = scrubber.scrub(&message);
            trace::failure(action, &message);
            CloudError::transport(class, action, message)
        })?;
        trace::answer(action, exchanged.status, &exchanged.body, &scrubber);
        let answer = Answer {
            status: exchanged.status,
            content_type: exchanged.content_type.as_deref(),
            date: exchanged.date.as_deref(),
            body: exchanged.body,
        };
        answer::read(action, answer, self.clock.now(), &scrubber)
    }

    /// The service refuses a signature after five minutes. Not to send it at all is surer still: what the caller saw before
    /// it slept is no reason to act.
    fn check_age(&self, prepared: &Prepared) -> Result<(), CloudError> {
        let age = self.clock.now().since(prepared.signed_at);
        if age <= Duration::from_secs(SIGNATURE_VALID_SECS) {
            return Ok(());
        }
        let message = format!("not sent: signed {} ago, and signatures are good for five minutes", show_duration(age));
        Err(CloudError::transport(ErrorClass::SignatureExpired, prepared.action, message))
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Exchanged, Trouble> {
        let mut response = request.send().await.map_err(Trouble::Sending)?;
        let header = |name: &str| {
            response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let mut exchanged = Exchanged {
            status: response.status().as_u16(),
            content_type: header("content-type"),
            date: header("date"),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(Trouble::Receiving)? {
            if exchanged.body.len() + chunk.len() > self.options.answer_bytes_max {
                return Err(Trouble::TooLong);
            }
            exchanged.body.extend_from_slice(&chunk);
        }
        Ok(exchanged)
    }

    /// What a failure without an answer proves, and what to tell.
    fn explain(&self, trouble: &Trouble, url: &str, limit: Duration) -> (ErrorClass, String) {
        let unknown = "whether the request was carried out is not known";
        match trouble {
            Trouble::Sending(error) if error.is_builder() => {
                (ErrorClass::NotSent, format!("the request cannot be built: {}", innermost(error)))
            }
            Trouble::Sending(error) if error.is_connect() => (ErrorClass::NotSent, self.explain_connect(error, url)),
            Trouble::Sending(error) | Trouble::Receiving(error) if error.is_timeout() => {
                let limit = show_duration(limit);
                (ErrorClass::Ambiguous, format!("no answer from {url} within {limit}; {unknown}"))
            }
            Trouble::Sending(error) => {
                let what = innermost(error);
                let hint = if what.contains("invalid HTTP") {
                    ": what answers there does not speak HTTP; if it speaks TLS, the endpoint begins with https://"
                } else {
                    ""
                };
                (
                    ErrorClass::Ambiguous,
                    format!("connection to {url} lost before an answer came ({what}){hint}; {unknown}"),
                )
            }
            Trouble::Receiving(error) => {
                let what = innermost(error);
                (
                    ErrorClass::Ambiguous,
                    format!("connection to {url} lost in the middle of the answer ({what}); {unknown}"),
                )
            }
            Trouble::TooLong => {
                let limit = self.options.answer_bytes_max;
                let message = format!(
                    "the answer of {url} is longer than {limit} bytes, so it is not the API's: check --endpoint; {unknown}"
                );
                (ErrorClass::Ambiguous, message)
            }
        }
    }

    fn explain_connect(&self, error: &reqwest::Error, url: &str) -> String {
        if let Some(error) = tls_error(error) {
            return match error {
                rustls::Error::InvalidMessage(_) => {
                    format!("{url} does not speak TLS; a sandbox without --tls is reached with http://")
                }
                rustls::Error::InvalidCertificate(reason) => format!(
                    "the certificate of {url} is not trusted ({reason}); give its CA with --ca-file if you trust it"
                ),
                other => format!("no TLS connection to {url}: {other}"),
            };
        }
        if error.is_dns() {
            return format!(
                "the host of {url} cannot be found ({}); check the network and --endpoint",
                innermost(error)
            );
        }
        if error.is_timeout() {
            let limit = show_duration(self.options.connect_timeout);
            return format!("no connection to {url} within {limit}; check the network");
        }
        format!("no connection to {url}: {}", innermost(error))
    }
}

impl Transport for HttpClient {
    fn prepare(
        &self,
        service: Service,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        Box::pin(async move {
            let issued = self.credentials.current().await.map_err(|error| error.of_call(action))?;
            Ok(self.sender.sign(&issued.credential, service, action, body))
        })
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        Box::pin(self.sender.send_once(prepared, self.sender.options.request_timeout))
    }

    fn endpoint(&self) -> String {
        self.sender.options.endpoint.url(Service::Lighthouse)
    }
}

impl Sts for Sender {
    fn call<'a>(
        &'a self,
        keys: &'a Credential,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'a, Result<Reply, CloudError>> {
        let prepared = self.sign(keys, Service::Sts, action, body);
        Box::pin(self.send_once(prepared, RENEWAL_WITHIN.min(self.options.request_timeout)))
    }
}

/// An answer read to its end.
struct Exchanged {
    status: u16,
    content_type: Option<String>,
    date: Option<String>,
    body: Vec<u8>,
}

/// No answer, or none that ends.
enum Trouble {
    Sending(reqwest::Error),
    Receiving(reqwest::Error),
    TooLong,
}

fn read_certificates(path: &PathBuf) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let pem = std::fs::read(path).map_err(|source| ClientError::CaFileUnreadable { path: path.clone(), source })?;
    let empty = || ClientError::CaFileEmpty { path: path.clone() };
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| empty())?;
    if certificates.is_empty() { Err(empty()) } else { Ok(certificates) }
}

/// The cause at the bottom: the outer ones say "error sending request" and the like.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// An error and its causes. An `io::Error` hides what it wraps from `source`, and TLS errors come wrapped so.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
        Some(error)
    })
}
