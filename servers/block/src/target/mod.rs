//! The server on the machine: memory for devices, the virtio device, the messages of clients.

#[expect(unsafe_code, reason = "hands memory with known physical addresses to the virtio crate")]
pub(crate) mod dma;
pub(crate) mod server;
#[expect(unsafe_code, reason = "device registers, and buffers that a device reads and writes")]
pub(crate) mod virtio;
