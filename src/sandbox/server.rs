//! The sandbox over HTTP, with or without TLS: what the official SDK and the official CLI take for the service.
//!
//! Errors of the API go out with status 200 and exactly `application/json`, for the SDK looks for them nowhere else.

use super::call::ApiError;
use super::fault::{Failure, Faults};
use super::query;
use super::service::{Asked, Service, document};
use super::settings::Settings;
use super::side;
use super::store::{Store, StoreError};
use super::tls::{self, TlsError};
use super::verify::{Received, SECRET_ID, SECRET_KEY, verify};
use super::wire::{Connections, Wire};
use crate::clock::Clock;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, StatusCode, header};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Longest body (POST with TC3, documented).
const BODY_MAX: usize = 10 << 20;

/// Longest query of a GET (documented).
const QUERY_MAX: usize = 32 << 10;

/// How long open connections may go on when the server is to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 for any that is free.
    pub listen: SocketAddr,
    /// The folder that keeps the account; without, it ends with the server.
    pub data: Option<PathBuf>,
    /// HTTPS, with a certificate of the sandbox's own authority. Needs `data`.
    pub tls: bool,
    /// How the account behaves.
    pub settings: Settings,
    /// What goes wrong.
    pub faults: Faults,
}

/// The server cannot start, or cannot go on.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The settings contradict themselves.
    #[error("the sandbox's settings: {0}")]
    Settings(String),
    /// The authority must be kept somewhere.
    #[error("TLS needs a data folder, for the sandbox's certificate authority")]
    TlsWithoutData,
    /// The folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The socket fails.
    #[error("the sandbox cannot go on")]
    Serve(#[source] io::Error),
}

/// A server that has its address and takes connections once it runs.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<(TlsAcceptor, PathBuf)>,
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
}

/// Opens the account and the socket.
///
/// # Errors
/// The folder, the certificates or the address cannot be used.
pub async fn bind(options: ServeOptions, clock: Arc<dyn Clock>) -> Result<Server, ServeError> {
    options.settings.check().map_err(ServeError::Settings)?;
    let tls = match (&options.data, options.tls) {
        (Some(dir), true) => Some(tls::acceptor(dir)?),
        (None, true) => return Err(ServeError::TlsWithoutData),
        (_, false) => None,
    };
    let store = match &options.data {
        Some(dir) => Store::open(dir, options.settings)?,
        None => Store::memory(options.settings),
    };
    let refused = |source| ServeError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok(Server { listener, address, tls, service: Arc::new(Service::new(store, options.faults)), clock })
}

/// Serves until `shutdown` completes.
///
/// # Errors
/// As [`bind`], and if the socket fails.
pub async fn serve(
    options: ServeOptions,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    bind(options, clock).await?.run(shutdown).await
}

/// What a user needs to know, the URL first, then lines for the environment.
pub fn announce(address: SocketAddr, ca: Option<&Path>) -> String {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if ca.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", SocketAddr::new(reachable, address.port()));
    let mut text = format!(
        "{url}\nLHPROV_ENDPOINT={url}\nTENCENTCLOUD_SECRET_ID={SECRET_ID}\nTENCENTCLOUD_SECRET_KEY={SECRET_KEY}\n"
    );
    if let Some(path) = ca {
        text.push_str(&format!("LHPROV_CA_FILE={}\n", path.display()));
    }
    text
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sandbox behind it.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref().map(|(_, path)| path.as_path())
    }

    /// [`announce`] for this server.
    pub fn announce(&self) -> String {
        announce(self.address, self.ca_file())
    }

    /// Serves until `shutdown` completes; what is under way then has a moment to end.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let front = Arc::new(Front { service: self.service, clock: self.clock });
        let app = Router::new().fallback(handle).with_state(front);
        let connections = Connections::new(self.listener, self.tls.map(|(acceptor, _)| acceptor));
        let (told, wait) = tokio::sync::oneshot::channel::<()>();
        let signal = async move {
            shutdown.await;
            let _nobody_waits = told.send(());
        };
        let server = axum::serve(connections, app.into_make_service_with_connect_info::<Wire>())
            .with_graceful_shutdown(signal)
            .into_future();
        let give_up = async {
            let _told = wait.await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            result = server => result.map_err(ServeError::Serve),
            () = give_up => Ok(()),
        }
    }
}

struct Front {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
}

async fn handle(
    State(front): State<Arc<Front>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response<Body> {
    wire.open();
    let request_id = front.service.request_id();
    let refused = |error: ApiError| json(&document(&Err(error), &request_id).to_string());
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return refused(ApiError::new("RequestSizeLimitExceeded", "the request is larger than 10 MB"));
    };
    if side::is_beside(parts.uri.path()) {
        return beside(&front, parts, body).await;
    }
    let asked = match front.read(&parts, &body, request_id.clone()) {
        Ok(asked) => asked,
        Err(error) => return refused(error),
    };
    let service = Arc::clone(&front.service);
    // The account waits for locks and for the disk.
    let Ok(outcome) = tokio::task::spawn_blocking(move || service.handle(asked)).await else {
        return refused(ApiError::new("InternalError", "An internal error has occurred."));
    };
    if !outcome.delay.is_zero() {
        front.clock.sleep(outcome.delay).await;
    }
    match outcome.failure {
        Some(Failure::Lost) => wire.cut_after(0),
        Some(Failure::Cut(bytes)) => wire.cut_after(bytes),
        Some(Failure::Status) => return bad_gateway(),
        Some(Failure::Internal) | None => {}
    }
    json(&document(&outcome.answer, &request_id).to_string())
}

/// Answers what is not for the API.
async fn beside(front: &Front, parts: axum::http::request::Parts, body: Bytes) -> Response<Body> {
    let (service, now) = (Arc::clone(&front.service), front.clock.now());
    let answered = tokio::task::spawn_blocking(move || {
        side::answer(&service, parts.method.as_str(), parts.uri.path(), &body, now)
    });
    match answered.await {
        Ok(Some((text, true))) => json(&text),
        Ok(Some((text, false))) => respond(StatusCode::OK, "text/plain", &text),
        Ok(None) => respond(StatusCode::NOT_FOUND, "text/plain", "not found\n"),
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "an internal error has occurred\n"),
    }
}

impl Front {
    fn read(&self, parts: &axum::http::request::Parts, body: &Bytes, request_id: String) -> Result<Asked, ApiError> {
        let now = self.clock.now();
        let method = parts.method.as_str();
        let query = parts.uri.query().unwrap_or_default();
        if !matches!(method, "POST" | "GET") || parts.uri.path() != "/" {
            let message = format!("the API answers POST / and GET /, not {method} {}", parts.uri.path());
            return Err(ApiError::new("UnsupportedProtocol", message));
        }
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let received = Received { method, query, headers: &headers, body };
        let header = |name: &str| received.header(&name.to_ascii_lowercase()).unwrap_or_default().to_owned();
        for name in ["X-TC-Action", "X-TC-Version"] {
            if header(name).is_empty() {
                return Err(ApiError::new("MissingParameter", format!("the request lacks the header `{name}`")));
            }
        }
        let (service, caller) = verify(&received, now)?;
        let body = if method == "GET" {
            if query.len() > QUERY_MAX {
                return Err(ApiError::new("RequestSizeLimitExceeded", "the query is longer than 32 KB"));
            }
            query::to_json(query).map_err(|why| ApiError::new("InvalidRequest", why))?
        } else {
            serde_json::from_slice(body)
                .map_err(|error| ApiError::new("InvalidRequest", format!("the body is not JSON: {error}")))?
        };
        let (action, version) = (header("X-TC-Action"), header("X-TC-Version"));
        Ok(Asked { service, action, version, region: header("X-TC-Region"), body, now, request_id, caller })
    }
}

fn json(body: &str) -> Response<Body> {
    respond(StatusCode::OK, "application/json", body)
}

fn bad_gateway() -> Response<Body> {
    respond(StatusCode::BAD_GATEWAY, "text/html", "<html><h1>502 Bad Gateway</h1></html>")
}

fn respond(status: StatusCode, content_type: &'static str, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
