//! The stable shapes of `--json` of the commands that ask about trust and diagnose; those about traffic stand in `sink::schema`. In:
//! results. Out: serialisable values. Every document begins with `v` and `type`; within a version, members are only added.

mod diagnosis;
pub(crate) mod key_id;
pub(crate) mod registry_check;
pub(crate) mod registry_explain;
pub(crate) mod registry_timeline;
pub(crate) mod sarif;
pub(crate) mod token;
pub(crate) mod trust_audit;
pub(crate) mod trust_diff;
pub(crate) mod trust_edit;
pub(crate) mod trust_effective;
pub(crate) mod trust_list;
pub(crate) mod trust_verify;

pub(crate) use diagnosis::Diagnosis;
