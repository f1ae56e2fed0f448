"""A board on a serial line, spoken to in the protocol of `docs/protocol.md`.

transport ─▶ link ─▶ board             bytes, exchanges, the contract
    │          │       └── run_codec, deltas      what a run and a write are on the line
    │          └── frames, cobs, limits           what an exchange is
    ├── faults, pace                   what a bad or a slow line does
    └── twin_port ─▶ twin              the board itself, played by this process
"""
