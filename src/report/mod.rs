//! Events, plans and problems as output: the only place that prints.
//!
//! Everything here takes data that others made and decides nothing. What is a result goes to stdout, the conversation to
//! stderr, both through [`console::Console`]; the texts themselves are made by pure functions, so that tests see what
//! people see.

pub mod annotations;
pub mod console;
pub mod difference;
pub mod graph;
pub mod human;
pub mod json;
pub mod markdown;
pub mod outputs;
pub mod sink;
pub mod style;
pub mod text;
