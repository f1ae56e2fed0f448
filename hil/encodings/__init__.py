"""The encodings by name: how features become a stimulus.

A module of this package is an encoding when it defines `encode`. It defines

- `Settings`, a frozen pydantic model of its settings, each with a default;
- `width(n_features, settings)`, the number of input channels it needs;
- `encode(x, steps, settings, rng)`, which makes the `drivers.Stimulus` of a batch.
"""

from hil.discovery import Catalogue

__all__ = ["module", "names"]

_ENCODINGS = Catalogue("encoding", __name__, "encode")
names, module = _ENCODINGS.names, _ENCODINGS.module
