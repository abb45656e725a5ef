//! lhprov: a declarative provisioner for Tencent Cloud Lighthouse.
//!
//! Modules in the order in which data flows through them.

pub mod model;

pub mod clock;
pub mod diag;
pub mod event;

pub mod manifest;

pub mod desired;

pub mod disk;

pub mod state;

pub mod cloud;

pub mod observe;

pub mod plan;

pub mod apply;

pub mod ops;

pub mod report;

pub mod sandbox;

pub mod sim;

pub mod cli;
