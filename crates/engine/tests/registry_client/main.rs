//! The registry client against scripted registries: tokens, redirects, broken transfers, lies. Each script answers what the test says
//! and keeps what it was asked.

mod pull;
mod push;
mod script;
mod tls;
mod token;
