"""A board on a serial line, spoken to in the protocol of `docs/protocol.md`.

transport ─▶ link ─▶ device            bytes, exchanges, the contract
    │          └── frames, cobs
    ├── faults, pace                   what a bad or a slow line does
    └── twin                           the board itself, played by this process
"""
