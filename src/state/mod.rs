//! Prior state: what we recorded, and the journal of what is under way.

pub mod disk;
