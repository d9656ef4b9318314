//! From an address in a program to the name of the function around it.

use crate::elf;
use ::elf::abi::STT_FUNC;
use anyhow::Result;

/// The function that holds `address`, as `name+offset`, demangled; `None` when the file does not know.
pub(crate) fn function_at(file: &[u8], address: u64) -> Result<Option<String>> {
    let Some((symbols, names)) = elf::open(file)?.symbol_table()? else { return Ok(None) };
    let around = symbols
        .iter()
        .filter(|s| s.st_symtype() == STT_FUNC && s.st_value <= address)
        .filter(|s| address < s.st_value.saturating_add(s.st_size.max(4)))
        .max_by_key(|s| s.st_value);
    let Some(symbol) = around else { return Ok(None) };
    let name = names.get(symbol.st_name as usize)?;
    Ok(Some(format!("{:#}+{:#x}", rustc_demangle::demangle(name), address - symbol.st_value)))
}

/// Replaces every `pc 0x…` of a line by `in FUNCTION (pc 0x…)` where the function is known.
pub(crate) fn with_functions(line: &str, file: &[u8]) -> String {
    let Some((before, rest)) = line.split_once("pc 0x") else { return line.to_owned() };
    let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(digits);
    let function = u64::from_str_radix(number, 16).ok().and_then(|pc| function_at(file, pc).ok().flatten());
    match function {
        Some(function) => format!("{before}in {function} (pc 0x{number}){after}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_known_function_stays() {
        for line in ["killed at pc 0x400123: why", "pc 0x", "no counter"] {
            assert_eq!(with_functions(line, b"no ELF file"), line);
        }
    }
}
