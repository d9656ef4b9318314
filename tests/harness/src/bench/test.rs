//! That measuring works: two runs of the image that measures the kernel agree, and measure all that the table names.

use super::machines;
use super::measured::Measured;
use super::operations::{self, Operation};
use crate::image::Base;
use crate::judge::Case;
use anyhow::Result;

const NAME: &str = "bench.two_runs_agree";

/// The case, if `filter` is in its name.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    if !NAME.contains(filter) {
        return Ok(Vec::new());
    }
    let base = Base::build()?;
    let mut samples = machines::kernel(&base)?;
    machines::merge(&mut samples, machines::kernel(&base)?);
    let operations = operations::load()?.operation;
    let of_kernel = |operation: &&Operation| operation.name.starts_with("kernel.");
    let mut troubles: Vec<_> =
        operations.iter().filter(of_kernel).filter_map(|o| Measured::new(o, &samples).trouble()).collect();
    let strangers = samples.keys().filter(|name| operations.iter().all(|o| o.name != **name));
    troubles.extend(strangers.map(|name| format!("{name} is not in the table of operations")));
    Ok(vec![if troubles.is_empty() { Case::passed(NAME) } else { Case::failed(NAME, troubles.join("; ")) }])
}
