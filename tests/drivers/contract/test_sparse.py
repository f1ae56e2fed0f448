"""Sparse projections: what is refused, and what a device that only has dense ones is given."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from drivers import CapacityError, Device, Network, Population, Projection, Stimulus, Synapses
from drivers.contract.requests import complete_network
from drivers.errors import WeightError
from support.good_device import INFO
from support.matrix_device import MatrixDevice
from support.restated import restated

SPARSE = restated(INFO, sparse=True, delay=5, synapse_delays=True)


def sparse(pre: Sequence[int], post: Sequence[int], **more: Any) -> Network:
    """Four inputs onto three neurons."""
    own = Synapses(np.array(pre), np.array(post))
    return Network(4, (Population(3),), (Projection(0, 1, synapses=own, **more),))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (sparse([0, 4], [0, 0]), ("pre", "0 to 3")),
        (sparse([0, 1], [0, 3]), ("post", "0 to 2")),
        (sparse([0, 1], [0, -1]), ("post", "0 to 2")),
        (sparse([0, 1], [0.0, 1.0]), ("post", "whole")),
        (sparse([0, 1], [0]), ("post", "(1,)")),
        (sparse([], []), ("pre", "some")),
        (sparse([1, 0], [0, 0]), ("number 1", "sort")),
        (sparse([0, 0], [1, 0]), ("number 1", "sort")),
        (sparse([0, 0], [1, 1]), ("twice",)),
        (sparse([0, 0], [1, 1], delay=np.array([2, 2])), ("twice",)),
        (sparse([0, 0], [1, 1], delay=np.array([2, 1])), ("sort",)),
        (sparse([0, 1], [1, 1], delay=np.array([1, 2, 3])), ("(3,)", "(2,)")),
        (sparse([0, 1], [1, 1], delay=np.array([1, 6])), ("delay", "5")),
    ],
)
def test_places_that_cannot_be_are_refused(network: Network, words: tuple[str, ...]) -> None:
    with pytest.raises(CapacityError) as caught:
        complete_network(network, SPARSE)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_pair_may_have_synapses_of_different_delays_where_there_are_sparse_ones() -> None:
    twice = sparse([0, 0], [1, 1], delay=np.array([1, 2]))
    assert complete_network(twice, SPARSE).shapes == [(2,)]
    with pytest.raises(CapacityError, match="one between each two"):
        complete_network(twice, SPARSE).as_dense()


def test_limits_count_the_synapses_that_a_device_would_have() -> None:
    network = sparse([0, 1, 2, 3], [0, 0, 1, 2])
    for has, fan_in, synapses in ((True, 2, 4), (False, 4, 12)):
        room = restated(INFO, sparse=has, fan_in=fan_in, synapses=synapses)
        complete_network(network, room)
        for less in ({"fan_in": fan_in - 1}, {"synapses": synapses - 1}):
            with pytest.raises(CapacityError):
                complete_network(network, restated(room, **less))


def test_a_dense_device_holds_a_sparse_projection_with_nothing_in_between(tmp_path: Path) -> None:
    """Also where it is recorded, and the recording replayed."""
    rng = np.random.default_rng(1)
    pre, post = np.nonzero(rng.random((4, 3)) < 0.5)
    network = sparse(pre.tolist(), post.tolist())
    weights = rng.uniform(0.2, 1.0, pre.size).astype(np.float32)
    stimulus = Stimulus.current(rng.uniform(0, 1, (5, 4)).astype(np.float32), steps=20)
    dense, given = MatrixDevice({}), MatrixDevice({})
    dense.configure(Network.feed_forward((4, 3)))
    matrix = np.zeros((4, 3), np.float32)
    matrix[pre, post] = weights
    expected = dense.write_weights(0, matrix)[pre, post], dense.run(stimulus, trial=0).counts
    for name in ("plain", "recorded"):
        device: Device = given
        if name == "recorded":
            device = drivers.open("emulator:ideal", record=tmp_path / "session")
        device.configure(network)
        assert device.network.shapes == [(pre.size,)]
        stored = device.write_weights(0, weights)
        counts = device.run(stimulus, trial=0).counts
        if name == "plain":
            np.testing.assert_array_equal(stored, expected[0])
            np.testing.assert_array_equal(counts, expected[1])
        with pytest.raises(WeightError, match=r"\(12,\)|\(4, 3\)"):
            device.write_weights(0, matrix)
        if name == "recorded":
            device.close()
            with drivers.open(f"replay:{tmp_path / 'session'}") as again:
                again.configure(network)
                np.testing.assert_array_equal(again.write_weights(0, weights), stored)
                np.testing.assert_array_equal(again.run(stimulus, trial=0).counts, counts)


def test_places_are_shared_and_never_changed() -> None:
    network = complete_network(sparse([0, 1], [1, 1]), SPARSE)
    own = network.projections[0].synapses
    assert own is not None and deepcopy(network).projections[0].synapses is own
    assert not own.pre.flags.writeable and own.pre.dtype == np.int32
