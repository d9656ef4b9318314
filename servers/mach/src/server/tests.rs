//! The whole server on the host, over a machine that is ordinary memory.
