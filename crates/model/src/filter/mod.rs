//! The filter language: which flows are meant. In: text such as `~d registry & ~c 401`. Out: [`Filter`], which says of a flow
//! whether it is meant, and [`Expr`], the same as a tree for those who select in other ways.
//!
//! Spec: docs/filters.md. It is mitmproxy's language (`flowfilter`) and more.

mod argument;
mod catalogue;
mod error;
mod expr;
mod field;
mod flow_view;
mod moment;
mod parse;
pub mod registry;
mod scan;
mod unit;
mod values;

pub use catalogue::{Group, Operator};
pub use error::FilterError;
pub use expr::{Expr, Leaf, Numbers, Pattern, Test};
pub use field::Field;
pub use flow_view::{AsSent, Bodies, FlowView};

use std::fmt;
use std::str::FromStr;

/// Environment variables that make filters tell upper from lower case when they are `1`: ours, and mitmproxy's. Whoever reads the
/// command line looks at them.
pub const CASE_SENSITIVE_VARIABLES: [&str; 2] =
    ["SIDELIGHT_CASE_SENSITIVE_FILTERS", "MITMPROXY_CASE_SENSITIVE_FILTERS"];

/// How a filter is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Upper and lower case are different in regular expressions.
    pub case_sensitive: bool,
    /// Seconds east of UTC that times without a zone are meant in.
    pub utc_offset: i32,
}

/// Selects flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    expr: Expr,
}

impl Filter {
    /// Reads a filter; times without a zone are UTC, and case does not matter.
    ///
    /// # Errors
    /// When it cannot be read: the column, what was expected, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, Options::default())
    }

    /// Reads a filter.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub fn parse_with(text: &str, options: Options) -> Result<Self, FilterError> {
        parse::parse(text, options).map(|expr| Self { expr })
    }

    /// A filter made in another way.
    pub const fn new(expr: Expr) -> Self {
        Self { expr }
    }

    /// Whether the flow is meant.
    pub fn matches(&self, view: &FlowView<'_>) -> bool {
        self.expr.matches(view)
    }

    /// The filter as a tree.
    pub const fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Every operator, in the order in which they are listed.
    pub const fn catalogue() -> &'static [Operator] {
        catalogue::OPERATORS
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}
