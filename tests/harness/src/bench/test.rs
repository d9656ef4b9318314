//! That measuring works: two runs of the image that measures the kernel agree, and measure all that the table names.
//! And that the kernel keeps nobody waiting for longer than `docs/abi.md` says.

use super::machines;
use super::measured::{Measured, Samples};
use super::operations::{self, Operation};
use crate::image::Base;
use crate::judge::Case;
use anyhow::Result;

const AGREE: &str = "bench.two_runs_agree";
const STAYS: &str = "bench.stays_in_the_kernel_are_bounded";
/// What the operations are called whose figures are not what something costs, but how long others wait for it.
const STAY: &str = "kernel.stay.";

/// The cases that have `filter` in their names.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    let wanted: Vec<_> = [AGREE, STAYS].into_iter().filter(|name| name.contains(filter)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let base = Base::build()?;
    let mut samples = machines::kernel(&base)?;
    machines::merge(&mut samples, machines::kernel(&base)?);
    let operations = operations::load()?.operation;
    let judge = |name: &str, troubles: Vec<String>| match troubles.is_empty() {
        true => Case::passed(name),
        false => Case::failed(name, troubles.join("; ")),
    };
    let troubles =
        |name| if name == AGREE { disagreements(&operations, &samples) } else { too_long(&operations, &samples) };
    Ok(wanted.into_iter().map(|name| judge(name, troubles(name))).collect())
}

fn disagreements(operations: &[Operation], samples: &Samples) -> Vec<String> {
    let of_kernel = |operation: &&Operation| operation.name.starts_with("kernel.");
    let mut troubles: Vec<_> =
        operations.iter().filter(of_kernel).filter_map(|o| Measured::new(o, samples).trouble()).collect();
    let strangers = samples.keys().filter(|name| operations.iter().all(|o| o.name != **name));
    troubles.extend(strangers.map(|name| format!("{name} is not in the table of operations")));
    troubles
}

/// The stays that are longer than their aim, or are missing, or have none.
fn too_long(operations: &[Operation], samples: &Samples) -> Vec<String> {
    let judge = |operation: &Operation| match (Measured::new(operation, samples).instructions(), operation.aim) {
        (Some(is), Some(bound)) if is <= bound as f64 => None,
        (Some(is), Some(bound)) => Some(format!("{}: {is} instructions, {bound} are the bound", operation.name)),
        (None, _) => Some(format!("{} was not measured", operation.name)),
        (_, None) => Some(format!("{} has no bound", operation.name)),
    };
    operations.iter().filter(|operation| operation.name.starts_with(STAY)).filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::operation;
    use super::*;

    #[test]
    fn a_stay_beyond_its_bound_is_named() {
        let operations = [
            operation("kernel.stay.a", None, None, Some(100)),
            operation("kernel.stay.b", None, None, Some(100)),
            operation("kernel.stay.c", None, None, Some(100)),
            operation("kernel.stay.d", None, None, None),
            operation("kernel.map", None, None, Some(1)),
        ];
        let sample = |name: &str, is: f64| (name.to_owned(), vec![is; 2]);
        let samples = Samples::from([
            sample("kernel.stay.a", 100.0),
            sample("kernel.stay.b", 101.0),
            sample("kernel.stay.d", 1.0),
            sample("kernel.map", 2.0),
        ]);
        let troubles = too_long(&operations, &samples);
        assert_eq!(
            troubles,
            [
                "kernel.stay.b: 101 instructions, 100 are the bound",
                "kernel.stay.c was not measured",
                "kernel.stay.d has no bound"
            ]
        );
    }
}
