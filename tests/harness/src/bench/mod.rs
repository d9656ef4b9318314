//! `bench`: what operations cost in guest instructions, beside what they cost elsewhere.
//!
//! The operations and the figures of other systems are in `tests/bench/operations.toml`; two images measure
//! ([`machines`]); here is what becomes of their samples: [`measured`] holds them against each other, [`table`] prints
//! them, [`json`] and [`plot`] write them to files, [`document`] into a page's table.

mod document;
mod json;
pub(crate) mod machines;
mod measured;
mod operations;
mod plot;
mod table;
pub(crate) mod test;

use crate::FAILED;
use crate::cli::BenchArgs;
use anyhow::{Context, Result, bail};
use measured::Measured;
use std::fs;
use std::path::Path;

/// Measures the operations whose names hold the filter.
pub(crate) fn run(arguments: &BenchArgs) -> Result<u8> {
    let operations = operations::load()?;
    let wanted: Vec<_> = operations.operation.iter().filter(|o| o.name.contains(&arguments.filter)).collect();
    if wanted.is_empty() {
        bail!("no operation's name holds `{}`", arguments.filter);
    }
    let names: Vec<_> = wanted.iter().map(|o| o.name.as_str()).collect();
    let samples = machines::measure(&names)?;
    let measured: Vec<_> = wanted.iter().map(|o| Measured::new(o, &samples)).collect();
    print!("{}", table::text(&measured, &operations.sources));
    if let Some(file) = &arguments.json {
        write(file, &json::text(&measured, &operations.sources)?)?;
    }
    if let Some(file) = &arguments.plot {
        write(file, &plot::svg(&measured))?;
    }
    if let Some(file) = &arguments.update {
        let page = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        write(file, &document::updated(&page, &measured)?)?;
    }
    let troubles: Vec<_> = measured.iter().filter_map(Measured::trouble).collect();
    troubles.iter().for_each(|trouble| eprintln!("tessera: {trouble}"));
    Ok(if troubles.is_empty() { 0 } else { FAILED })
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| file.display().to_string())
}
