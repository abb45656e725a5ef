//! Options of the commands that look at the account.

use super::sandbox::SandboxFlags;
use super::shared::FormatArgs;
use clap::{Args, Subcommand, ValueEnum};

/// Options of `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: CatalogWhat,
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}

/// What the cloud sells.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CatalogWhat {
    /// Packages of CPU, memory, disk and traffic
    Bundles,
    /// Images
    Blueprints,
    /// Zones of the region
    Zones,
    /// Regions
    Regions,
}

/// Options of `auth`.
#[derive(Debug, Args)]
pub struct AuthArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuthCommand,
}

/// Commands of `auth`.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Say which credentials are used, where they were found, and whose they are; never a secret
    #[command(after_help = "Looked at in this order: the profile of --profile; TENCENTCLOUD_SECRET_ID, \
                            TENCENTCLOUD_SECRET_KEY and TENCENTCLOUD_TOKEN, with TENCENTCLOUD_ROLE_ARN and \
                            TENCENTCLOUD_ROLE_SESSION_NAME for a role to assume; the official CLI's profile \
                            (~/.tccli/default.credential, or that of TCCLI_PROFILE); the role of this machine, if it is a CVM.")]
    Whoami(WhoamiArgs),
}

/// Options of `auth whoami`.
#[derive(Debug, Args)]
pub struct WhoamiArgs {
    /// Form of the result.
    #[command(flatten)]
    pub format: FormatArgs,
    /// With --sandbox.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
}
