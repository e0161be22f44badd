//! What is known of trust as text. In: surveys and what was judged of them. Out: text for people, the answer in its first line.

pub(crate) mod audit;
pub(crate) mod diff;
pub(crate) mod effective;
#[cfg(test)]
mod effective_tests;
pub(crate) mod find;
pub(crate) mod list;
mod shelf;

#[cfg(test)]
mod tests;
