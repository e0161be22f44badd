//! The stable shapes of `--json` of commands that answer a question. In: what was judged. Out: serialisable values.
//! Every object begins with `v`, the version of these shapes, and `type`; within a version, members are only added.

mod diagnosis;

pub(crate) use diagnosis::Diagnosis;
