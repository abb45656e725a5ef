//! Options of `state`.

use super::shared::{FormatArgs, WorkArgs};
use clap::{Args, Subcommand};

/// Options of `state`.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// Commands of `state`.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Print the addresses, one a line
    List,
    /// Give an instance another address; nothing is bought or returned
    #[command(name = "mv")]
    Move {
        /// Where it stands
        from: String,
        /// Where it is to stand
        to: String,
        /// Shared options.
        #[command(flatten)]
        work: WorkArgs,
    },
    /// Forget what is recorded at an address; the cloud is not touched
    #[command(name = "rm")]
    Remove {
        /// Such as `db`, `web[0]` or `edge["a"]`
        address: String,
        /// Shared options.
        #[command(flatten)]
        work: WorkArgs,
    },
    /// Make the state again from the ownership tags in the cloud, or from names where there are none
    Rebuild {
        /// Shared options.
        #[command(flatten)]
        work: WorkArgs,
    },
    /// Print everything that is recorded of an address
    Show {
        /// Such as `db`, `web[0]` or `edge["a"]`
        address: String,
        /// Form of the result.
        #[command(flatten)]
        format: FormatArgs,
    },
}
