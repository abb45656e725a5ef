//! Tencent Cloud Lighthouse: the port through which everything reaches the API, its types, limits and errors, and the
//! adapter that speaks HTTP. Facts and their sources are in the API's documentation as cited at each item.

pub mod error;
pub mod limits;
pub mod port;
pub mod reported;
pub mod types;

pub mod classify;
mod codes;
pub mod explain;

pub mod answer;
pub mod endpoint;
pub mod redact;
pub mod sign;
pub mod trace;

pub mod limiter;
pub mod queue;
pub mod retry;

pub mod client;
pub mod credential;
pub mod paced;

pub use error::{CloudError, ErrorClass};
pub use port::{CloudRead, CloudWrite, Prepared, ReadAction, Transport, WriteAction};
