//! Tencent Cloud Lighthouse: the port through which everything reaches the API, its types, limits and errors, and the
//! adapter that speaks HTTP. Facts and their sources are in the API's documentation as cited at each item.

pub mod error;
pub mod limits;
pub mod port;
pub mod types;

pub use error::{CloudError, ErrorClass};
pub use port::{CloudRead, CloudWrite, Prepared, ReadAction, Transport, WriteAction};
