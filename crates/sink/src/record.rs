//! What is known of a connection, under the name by which consumers use it. In: nothing. Out: `model::flow::ConnectionRecord`.

pub use sidelight_model::flow::{Client, ConnectionRecord};
