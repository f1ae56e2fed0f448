"""The firmware of a board, in C99: what builds it, and what runs it on this machine.

build(port, folder=None) -> Path      make a port: native, sanitized, mps2, stm32f405
start(port, seed=1) -> Running        run it: natively, or in QEMU for the Arm ports

with firmware.start("native", seed=7) as board:
    drivers.open(f"board:{board.url}")
    board.reboot()
"""

from drivers.firmware.building import PORTS, build
from drivers.firmware.running import Running, start

__all__ = ["PORTS", "Running", "build", "start"]
