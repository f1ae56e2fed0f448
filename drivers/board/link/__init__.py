"""The link to a board: bytes, frames and exchanges, and faults injected on purpose."""
