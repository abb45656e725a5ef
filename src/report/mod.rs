//! See ARCHITECTURE.md.

pub mod human;
