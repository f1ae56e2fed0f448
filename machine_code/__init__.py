"""Machine code of functions: compiled by numba in a process beside, and kept for later processes.

Until there is any, and where there can be none, whoever asks goes on without.
"""

from machine_code.library import CompiledFunction, Function, wait_for_code

__all__ = ["CompiledFunction", "Function", "wait_for_code"]
