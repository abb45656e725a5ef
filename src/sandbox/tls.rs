//! The sandbox's own certificate authority, kept beside the account: whoever trusts `ca.pem` once may restart it at will.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";

/// What the server answers for.
const NAMES: [&str; 5] = ["localhost", "127.0.0.1", "::1", "*.tencentcloudapi.com", "*.intl.tencentcloudapi.com"];

/// No certificates.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The system says no.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The library says no.
    #[error("cannot make the sandbox's certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The library says no.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// A server's side of TLS, and the file with the certificate to trust. Makes the authority at its first use.
///
/// # Errors
/// Files that cannot be written, or a key file that is none.
pub fn acceptor(dir: &Path) -> Result<(TlsAcceptor, PathBuf), TlsError> {
    let (ca_path, key_path) = (dir.join(CA), dir.join(CA_KEY));
    fs::create_dir_all(dir).map_err(at(dir))?;
    let lock_path = dir.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(at(&lock_path))?;
    lock.lock().map_err(at(&lock_path))?;
    let ca_key = if ca_path.exists() && key_path.exists() {
        KeyPair::from_pem(&fs::read_to_string(&key_path).map_err(at(&key_path))?)?
    } else {
        let key = KeyPair::generate()?;
        let certificate = authority()?.self_signed(&key)?;
        write_private(&key_path, key.serialize_pem().as_bytes()).map_err(at(&key_path))?;
        fs::write(&ca_path, certificate.pem()).map_err(at(&ca_path))?;
        key
    };
    drop(lock);
    let issuer = Issuer::new(authority()?, ca_key);
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "lhprov sandbox");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2100, 1, 1));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), ca_path))
}

/// The authority; the same each time, so that a later process can sign in its name.
fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "lhprov sandbox CA");
    (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2100, 1, 1));
    Ok(params)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Io { path, source }
}
