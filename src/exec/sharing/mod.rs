//! A run and its remote store: what is there is fetched before anything is computed, what is computed is pushed beside
//! it. However stages are executed, they find their inputs in the store here.

mod fetch;
mod push;

pub use fetch::{FetchReport, Fetcher, Transfer, fetch_results};
pub use push::{NonDeterminism, PushReport, Pusher, Sharing};
