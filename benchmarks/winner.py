"""Whether `hil characterise` tells which rule reaches most on a chip of a kind not seen before.

    hil study benchmarks/winner.toml --out FOLDER && python benchmarks/winner.py FOLDER

Each chip of the study is characterised once, into `features.csv` of the folder (both files of the
published figures are in `benchmarks/journals/winner`). Then one profile after the other is left
out, and the rule that reaches most on its chips is predicted from all other chips: by the nearest
three, by a shallow tree, and by two ways that know nothing of the chip. A prediction is right where
no rule has a greater mean accuracy than the predicted one; regret is how far that lies below the
greatest, in points.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import drivers
from hil.characterisation import characterise
from hil.statistics import proportion

LAYERS = (64, 30, 10)
SPREADS = ("threshold_over_gain", "time_constant", "readout_offset", "bias", "synapse_gain")
Table = NDArray[np.float64]


def predict_mean(x: Table, y: Table, new: Table) -> Table:
    """Predict what the rules reach on average elsewhere."""
    return np.tile(y.mean(axis=0), (len(new), 1))


def predict_most_wins(x: Table, y: Table, new: Table) -> Table:
    """Predict how often each rule wins elsewhere."""
    return np.tile(np.eye(y.shape[1])[y.argmax(axis=1)].mean(axis=0), (len(new), 1))


def predict_by(model: Any) -> Callable[[Table, Table, Table], Table]:
    """A prediction by a model that sees features, scaled, of which some could not be measured."""

    def predict(x: Table, y: Table, new: Table) -> Table:
        chain = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), model
        )
        # How far rules lie apart, not how hard the chip is.
        result: Table = chain.fit(x, y - y.mean(axis=1, keepdims=True)).predict(new)
        return result

    return predict


PREDICTIONS = {
    "wins most often elsewhere": predict_most_wins,
    "greatest mean elsewhere": predict_mean,
    "nearest three chips": predict_by(KNeighborsRegressor(3)),
    "tree of depth 3": predict_by(
        DecisionTreeRegressor(max_depth=3, min_samples_leaf=2, random_state=0)
    ),
}


def list_features(record: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Features of a chip, from the record of its characterisation; None where not measured."""
    yield "reset is hard", float(record["reset"] == "hard")
    yield "stored levels", np.log2(record["weights"]["levels"] or 2**16)
    layers = [layer for layer in record["neurons"] if layer is not None]
    yield "dead", sum(len(layer["dead"]) for layer in layers) / sum(LAYERS[1:])
    for name in SPREADS:
        values = [layer[name]["sd"] for layer in layers if layer[name] is not None]
        yield f"spread of {name}", median(values) if values else None
    for name in ("threshold_over_gain", "time_constant", "reset"):
        values = [layer[name]["median"] for layer in layers if layer[name] is not None]
        yield name, median(values) if values else None
    for name in ("membrane_noise", "adc_noise", "spike_loss", "programming_noise", "adc_bits"):
        yield name, record["nonidealities"].get(name)
    for part, error in record["rate_error"]["ideal model"].items():
        yield f"rate error of an ideal model, {part}", error


def measure(addresses: list[str]) -> pd.DataFrame:
    """Measure the features of each chip."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for address in addresses:
            print(address, file=sys.stderr)
            with drivers.open(address) as device:
                record = characterise(device, LAYERS, Path(folder) / "twin.toml")
            rows[address] = dict(list_features(record))
    return pd.DataFrame.from_dict(rows, orient="index")


def predict_winners(x: Table, reached: pd.DataFrame) -> None:
    """Print how good each prediction of the winner is, one profile after the other left out."""
    y = reached.to_numpy(float)
    profiles = reached.index.str.extract(r":([\w-]+)", expand=False).to_numpy()
    for name, predict in PREDICTIONS.items():
        regret = np.empty(len(y))
        for profile in np.unique(profiles):
            out = profiles == profile
            choice = predict(x[~out], y[~out], x[out]).argmax(axis=1)
            regret[out] = y[out].max(axis=1) - y[out][np.arange(out.sum()), choice]
        right = int((regret == 0).sum())
        low, high = proportion(right, len(y))
        share = f"{right} of {len(y)}\t{low:.0%} to {high:.0%}"
        print(f"{name}\t{share}\t{regret.mean():.1f}\t{regret.max():.1f}")


def main(folder: Path) -> None:
    """Print a row for each way to predict."""
    trials = pd.read_csv(folder / "trials.csv")
    reached = 100 * trials.pivot_table("test_accuracy", "device", "rule")
    cache = folder / "features.csv"
    if not cache.is_file():
        measure(list(reached.index)).to_csv(cache)
    features = pd.read_csv(cache, index_col=0).loc[reached.index]
    print(reached.round(1).to_string())
    for about, rules in (("all", reached), ("shown means alone", reached.drop(columns="bptt"))):
        print(f"\nrules: {about}\nprediction\tright\t95 %\tregret\tlargest")
        predict_winners(features.to_numpy(float), rules)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
