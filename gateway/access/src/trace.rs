//! Noting which role and field each outcome came from, only where somebody asked.

use std::fmt::Display;

use mezite_api::RoleName;
use mezite_api::explain::TraceStep;

/// Told of each outcome while a decision is made.
pub(crate) trait Tracer {
    /// `outcome` came from `field` of `role`, or from a default.
    fn step(&mut self, outcome: &dyn Display, role: Option<&RoleName>, field: &'static str);
}

/// Nobody asked.
impl Tracer for () {
    fn step(&mut self, _: &dyn Display, _: Option<&RoleName>, _: &'static str) {}
}

impl Tracer for Vec<TraceStep> {
    fn step(&mut self, outcome: &dyn Display, role: Option<&RoleName>, field: &'static str) {
        self.push(TraceStep { outcome: outcome.to_string(), role: role.cloned(), field: field.into() });
    }
}
