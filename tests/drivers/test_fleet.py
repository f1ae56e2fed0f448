"""A fleet answers as its members do, each for its share, whatever becomes of some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import (
    DeviceError,
    LinkError,
    Network,
    Population,
    Probe,
    Projection,
    SettingError,
    Stimulus,
)
from drivers.contract.info import Timing
from drivers.fleet import Fleet
from drivers.group import combine_infos
from drivers.registry import BUILTIN, parse_members
from support.good_device import INFO, Member
from support.restated import restated
from support.wired_device import Wired

NETWORK = Network.feed_forward((5, 6, 3))
PROBES = [Probe(1), Probe(1, reduce="mean"), Probe(2, every=3, neurons=(0, 2)), Probe(2, "spikes")]


@pytest.fixture(autouse=True)
def _members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "member", "support.good_device:Member")


def weights(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in NETWORK.shapes]


def laid_out(device: drivers.Device, seed: int = 0) -> drivers.Device:
    device.configure(NETWORK)
    for projection, matrix in enumerate(weights(seed)):
        device.write_weights(projection, matrix)
    return device


def stimulus(kind: str, batch: int, seed: int = 1, lengths: Any = None) -> Stimulus:
    rng = np.random.default_rng(seed)
    if kind == "current":
        return Stimulus.current(rng.normal(0.3, 1, (batch, 5)), steps=9, lengths=lengths)
    if kind == "current_trace":
        return Stimulus.current_trace(rng.normal(0.3, 1, (9, batch, 5)), lengths=lengths)
    return Stimulus.spikes(rng.poisson(0.4, (9 * batch, 5)), steps=9, lengths=lengths)


def sliced(x: Stimulus, rows: Any) -> Stimulus:
    """Some samples of a stimulus, by its dense view alone."""
    lengths = None if x.lengths is None else x.lengths[rows]
    dense = x.dense()[:, rows]
    if x.kind == "current":
        return Stimulus.current(x.data[rows], steps=x.steps, lengths=lengths)
    if x.kind == "current_trace":
        return Stimulus.current_trace(dense, lengths=lengths)
    return Stimulus.spikes(dense.reshape(-1, x.channels), steps=x.steps, lengths=lengths)


@given(
    batch=st.integers(1, 20),
    members=st.integers(1, 5),
    kind=st.sampled_from(["current", "current_trace", "spikes"]),
    uneven=st.booleans(),
)
def test_each_member_answers_for_its_share(
    batch: int, members: int, kind: str, uneven: bool
) -> None:
    BUILTIN["member"] = "support.good_device:Member"
    lengths = np.random.default_rng(2).integers(3, 10, batch) if uneven else None
    x = stimulus(kind, batch, lengths=lengths)
    with drivers.open(f"fleet:member:?chip=1..{members}") as fleet:
        found = laid_out(fleet).run(x, PROBES, trial=4)
    shares = [s for s in np.array_split(np.arange(batch), members)]
    answers = [
        (rows, laid_out(Member(chip, 0)).run(sliced(x, rows), PROBES, trial=4))
        for chip, rows in enumerate(shares, start=1)
        if len(rows)
    ]
    for rows, answer in answers:
        assert np.array_equal(found.counts[rows], answer.counts)
        for probe, samples in answer.samples.items():
            axis = 1 if probe.reduce == "none" else 0
            assert np.array_equal(np.take(found.samples[probe], rows, axis), samples)


def test_samples_run_on_where_they_ended() -> None:
    whole = stimulus("current_trace", 10)
    first = Stimulus.current_trace(whole.data[:4])
    rest = Stimulus.current_trace(whole.data[4:])
    with drivers.open("fleet:member:?chip=1..3") as fleet:
        counts = laid_out(fleet).run(whole).counts
        parts = fleet.run(first).counts + fleet.run(rest, carry=True).counts
    assert np.array_equal(counts, parts) and counts.any()


def test_a_batch_is_as_large_as_all_members_have_room_for() -> None:
    with drivers.open("fleet:member:?chip=1..3") as fleet:
        assert fleet.info.capacity.batch == 3 * INFO.capacity.batch
        assert laid_out(fleet).run(stimulus("current", 60)).counts.shape == (60, 3)


def test_members_run_at_the_same_time() -> None:
    """Each waits for the others to run as well."""
    with drivers.open("fleet:member:?chip=1..3&meets=1") as fleet:
        laid_out(fleet).run(stimulus("current", 6))


def test_a_member_that_fails_is_named() -> None:
    with drivers.open("fleet:member:?chip=1,member:?chip=2&fails=2,member:?chip=3") as fleet:
        laid_out(fleet).run(stimulus("current", 6))
        with pytest.raises(LinkError, match=r"^member:\?chip=2&fails=2: the cable was pulled$"):
            fleet.run(stimulus("current", 6))


def test_the_rest_goes_on_where_that_is_asked_for() -> None:
    x = stimulus("spikes", 50)
    with drivers.open(
        "fleet:may_fail=1,member:?chip=1,member:?chip=2&fails=2,member:?chip=3"
    ) as it:
        fleet = laid_out(it)
        whole = fleet.run(x).counts
        assert fleet.failures == ()
        left = fleet.run(x, PROBES)  # 17 samples of the second anew, 9 and 8, by the others
        assert fleet.failures == ("member:?chip=2&fails=2: the cable was pulled",)
        rows = np.array_split(np.arange(50), 3)
        again = np.array_split(rows[1], 2)
        for chip, mine in ((1, [rows[0], again[0]]), (3, [rows[2], again[1]])):
            for part in mine:
                alone = laid_out(Member(chip, 0)).run(sliced(x, part), PROBES)
                assert np.array_equal(left.counts[part], alone.counts)
                for probe, samples in alone.samples.items():
                    axis = 1 if probe.reduce == "none" else 0
                    assert np.array_equal(np.take(left.samples[probe], part, axis), samples)
        assert np.array_equal(whole[rows[0]], left.counts[rows[0]])
        laid_out(it, seed=3).run(stimulus("current", 60))  # 20 at a time each: two rounds
        assert len(fleet.failures) == 1


def test_one_failure_more_than_asked_for_ends_it() -> None:
    told = r"member:\?chip=\d&fails=1: the cable was pulled"
    address = "fleet:may_fail=1,member:?chip=1..2&fails=1,member:?chip=3"
    with drivers.open(address) as fleet, pytest.raises(LinkError, match=told):
        laid_out(fleet).run(stimulus("current", 6))


def test_what_is_asked_wrongly_is_nobodys_failure() -> None:
    with drivers.open("fleet:may_fail=1,member:?chip=1..2") as fleet:
        laid_out(fleet)
        with pytest.raises(drivers.WeightError):
            fleet.write_weights(0, np.ones(3))
        with pytest.raises(drivers.UnsupportedProbe):
            fleet.run(stimulus("current", 6), [Probe(1, every=10)])
        assert fleet.failures == ()


def test_a_state_is_that_of_all_members() -> None:
    x = stimulus("current", 9)
    with drivers.open("fleet:member:?chip=1..3") as fleet:
        counts, state = laid_out(fleet).run(x).counts, fleet.state()
    with drivers.open("fleet:member:?chip=1..3") as fleet:
        fleet.configure(NETWORK)
        fleet.restore(state)
        assert np.array_equal(fleet.run(x).counts, counts)


# -- what it states ---------------------------------------------------------------------------


def test_it_states_what_holds_for_all() -> None:
    small = restated(INFO, neurons=8, batch=5, synapses=100, runs_on=False)
    small = replace(small, weights=(replace(INFO.weights[0], levels=15),))
    other = restated(INFO, timing=Timing(dt=1e-3, input="next_step"), decay=0.8)
    info = combine_infos([INFO, small, other], ["a:", "b:", "c:"])
    assert info.capacity.neurons == 8 and info.capacity.synapses == 100
    assert info.capacity.batch == 5 and info.capacity.inputs == INFO.capacity.inputs
    assert info.weights[0].levels == 15
    assert info.timing.input is None and info.neuron.decay is None
    assert not info.abilities.runs_on and info.abilities.resumable
    assert info.neuron.settings == INFO.neuron.settings


def test_members_that_cannot_be_one_device_are_refused() -> None:
    with pytest.raises(SettingError, match="the reset is soft at a: and hard at b:"):
        combine_infos([INFO, restated(INFO, reset="hard")], ["a:", "b:"])
    with pytest.raises(SettingError, match="no kind of stimulus"):
        combine_infos(
            [restated(INFO, stimuli=("current",)), restated(INFO, stimuli=("spikes",))], "ab"
        )


def test_members_that_take_turns_have_the_weights_of_the_last_write() -> None:
    """Each batch is another member's, which has what was written since its last turn, but once."""
    x = stimulus("current", 6)
    with drivers.open("fleet:at_once=1,member:?chip=1..3") as it:
        assert not (it.info.abilities.resumable or it.info.abilities.deterministic)
        assert it.info.capacity.batch == INFO.capacity.batch
        fleet, seed = laid_out(it), 0
        for turn in range(7):
            if turn in (1, 2, 5):  # and no write before other turns
                seed = turn
                for projection, matrix in enumerate(weights(seed)):
                    fleet.write_weights(projection, matrix)
            alone = laid_out(Member(turn % 3 + 1, 0), seed).run(x, PROBES)
            found = fleet.run(x, PROBES)
            assert np.array_equal(found.counts, alone.counts)
            assert all(np.array_equal(found.samples[p], alone.samples[p]) for p in PROBES)
    with drivers.open(
        "fleet:may_fail=1,at_once=2,member:?chip=1,member:?chip=2&fails=1,member:?chip=3"
    ) as it:
        got = laid_out(it).run(x).counts  # the half of the one that fails is shared out
        for rows, chip in (slice(0, 5), 1), (slice(5, 6), 3):
            alone = laid_out(Member(chip, 0)).run(sliced(x, np.arange(6)[rows]))
            assert np.array_equal(got[rows], alone.counts)


# -- its addresses ----------------------------------------------------------------------------

KNOWN = ("board", "emulator", "member", "fleet")


@pytest.mark.parametrize(
    ("target", "addresses", "may_fail"),
    [
        ("emulator:ideal", ["emulator:ideal"], 0),
        ("emulator:a?chip=7..9", [f"emulator:a?chip={n}" for n in (7, 8, 9)], 0),
        ("board:/dev/ttyACM0..1", ["board:/dev/ttyACM0", "board:/dev/ttyACM1"], 0),
        (
            "may_fail=1,board:p?fault=drop:0.1,flip:0.1,emulator:ideal",
            ["board:p?fault=drop:0.1,flip:0.1", "emulator:ideal"],
            1,
        ),
        (
            "emulator:a?x=1..2&y=3..4",
            [f"emulator:a?x={x}&y={y}" for x in (1, 2) for y in (3, 4)],
            0,
        ),
        ("emulator:../chips/a.toml", ["emulator:../chips/a.toml"], 0),
    ],
)
def test_an_address_of_many(target: str, addresses: list[str], may_fail: int) -> None:
    assert parse_members(target, KNOWN) == (tuple(addresses), may_fail, 0)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "nobody:x",
        "may_fail=2,emulator:a,emulator:b",
        "may_fail=x,emulator:a",
        "at_once=2,emulator:a",
        "at_once=1,at_once=1,emulator:a,emulator:b",
        "emulator:a?chip=5..1",
        "emulator:a?chip=1..100000",
        "emulator:a?chip=1..999999999999999999999999",
        "emulator:a?a=0..99&b=0..99&c=0..99",
        "fleet:emulator:a",
        "emulator:a,fleet:emulator:b",
    ],
)
def test_what_is_no_fleet_is_refused_in_one_line(target: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_members(target, KNOWN)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_options_go_to_all_members() -> None:
    address = drivers.with_options("fleet:may_fail=1,member:?chip=1..2,member:", {"fails": 5})
    with drivers.open(address) as fleet:
        assert isinstance(fleet, Fleet)
        assert [d.fails for d in fleet.devices if isinstance(d, Member)] == [5, 5, 5]
    assert drivers.with_options("member:?chip=1", {"a": "b c"}) == "member:?chip=1&a=b+c"


def test_a_member_that_is_not_there_is_named_and_all_others_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(Member, "_close", lambda self: closed.append(self.chip))
    with pytest.raises(DeviceError, match=r"^member:\?chip=x: "):
        drivers.open("fleet:member:?chip=1..2,member:?chip=x")
    assert closed == [1, 2]


def test_a_fleet_runs_what_all_of_its_members_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "wired", "support.wired_device:Wired")
    back = Projection(1, 1, delay=np.arange(36).reshape(6, 6) % 5)
    graph = Network(
        5, (Population(6), Population(3)), (Projection(0, 1), Projection(1, 2, delay=2), back)
    )
    x, found = stimulus("spikes", 7), []
    for address in ("wired:", "fleet:wired:,wired:,wired:"):
        with drivers.open(address) as device:
            room = device.info.capacity
            assert (room.recurrence, room.skips, room.delay, room.synapse_delays) == (1, 1, 6, 1)
            device.configure(graph)
            for p, shape in enumerate(graph.shapes):
                device.write_weights(p, np.random.default_rng(p).normal(0.4, 0.5, shape))
            runs = [device.run(x, PROBES), device.run(x, PROBES, carry=True)]
            found.append([[run.counts, *run.samples.values()] for run in runs])
    for one, two in zip(*found, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
    infos = [Wired().info, restated(Wired().info, delay=4, synapse_delays=False, skips=False)]
    least = combine_infos(infos, ["a", "b"]).capacity
    assert (least.recurrence, least.skips, least.delay, least.synapse_delays) == (1, 0, 4, 0)
