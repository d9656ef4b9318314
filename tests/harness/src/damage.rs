//! Images that are wrong in one way, to see that the boot stage says so.

use anyhow::{Context, Result};
use boot::payload::{MAGIC, PART_ALIGN};
use serde::Deserialize;

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Damage {
    /// Nothing follows the boot stage.
    NoPayload,
    /// One bit of the payload's header differs.
    Header,
    /// One bit of the kernel differs.
    KernelBit,
    /// The last page is missing, as when a copy was interrupted.
    Cut,
    /// The kernel is no ELF file.
    KernelText,
    /// The root task is no ELF file.
    RootText,
    /// The image carries no device tree for a board that gives none.
    NoTree,
}

/// What takes the place of a program that is no ELF file.
const TEXT: &[u8] = b"This is a text.\n";

/// Packs an image with that damage; `None` packs a sound one.
pub(crate) fn pack(boot: &[u8], kernel: &[u8], root: &[u8], damage: Option<Damage>) -> Result<Vec<u8>> {
    let kernel = if damage == Some(Damage::KernelText) { TEXT } else { kernel };
    let root = if damage == Some(Damage::RootText) { TEXT } else { root };
    let tree = if damage == Some(Damage::NoTree) { Some(&[][..]) } else { None };
    let mut image = boot::pack::pack(boot, kernel, root, tree)?;
    let payload = image.windows(MAGIC.len()).rposition(|w| w == MAGIC).context("the image has no payload")?;
    match damage {
        Some(Damage::NoPayload) => image.truncate(payload),
        Some(Damage::Header) => flip(&mut image, payload + 24)?,
        Some(Damage::KernelBit) => flip(&mut image, payload + PART_ALIGN + 100)?,
        Some(Damage::Cut) => image.truncate(image.len().saturating_sub(PART_ALIGN)),
        Some(Damage::KernelText | Damage::RootText | Damage::NoTree) | None => {}
    }
    Ok(image)
}

fn flip(image: &mut [u8], at: usize) -> Result<()> {
    *image.get_mut(at).context("the image is too short")? ^= 1;
    Ok(())
}
