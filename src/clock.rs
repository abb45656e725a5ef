//! The port through which time comes in. Nothing else may ask what time it is.

use crate::model::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future that a port hands out.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time: what it is, and waiting for it.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Completes after `duration` and not before.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
