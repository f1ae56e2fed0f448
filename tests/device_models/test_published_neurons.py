"""Neuron models against closed forms, published firing patterns and another package."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import brian2 as b2
import numpy as np
import pytest

from device_models import neurons
from support.neuron_simulation import simulate

# -- firing patterns --------------------------------------------------------------------------

# Naud et al. 2008, table 1: C (pF), g_L (nS), E_L (mV), a (nS), tau_w (ms), b (pA), V_r (mV) and
# the step (pA); V_T is -50 mV and Delta_T 2 mV.
ADEX = {
    "tonic": (200, 10, -70, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, 2, 300, 60, -58, 500),
    "initial burst": (130, 18, -58, 4, 150, 120, -50, 400),
    "regular bursting": (200, 10, -58, 2, 120, 100, -46, 210),
    "delayed accelerating": (200, 12, -70, -10, 300, 0, -58, 300),
    "transient": (100, 10, -65, 10, 90, 100, -47, 180),
}


def test_adex_firing_patterns() -> None:
    """With the published cut-off and with the model's own."""
    model = neurons.get("adex")
    published = np.tile(np.array(list(ADEX.values()), float), (2, 1))
    c, g_l, e_l, a, tau_w, b, v_r, step = published.T
    times, _ = simulate(
        model,
        5000,
        1e-4,
        current=step / c / model.swing,
        start={"v": e_l * 1e-3},
        tau_membrane=c / g_l * 1e-3,
        e_leak=e_l * 1e-3,
        v_cut=np.repeat([0.0, model.parameters["v_cut"].value], len(ADEX)),
        v_reset=v_r * 1e-3,
        a=a / g_l,
        b=b / g_l * 1e-3,
        tau_adaptation=tau_w * 1e-3,
    )
    for fired in (times[: len(ADEX)], times[len(ADEX) :]):
        spikes = dict(zip(ADEX, fired, strict=True))
        intervals = {name: np.diff(found) for name, found in spikes.items()}
        tonic = intervals["tonic"]
        assert tonic.size > 30 and tonic.max() < 1.1 * tonic.min()
        adapting = intervals["adapting"]
        assert adapting[-1] > 5 * adapting[0] and (np.diff(adapting) > 0).all()
        burst = intervals["initial burst"]
        assert (burst[:2] < 10e-3).all()
        assert burst[2:].min() > 40e-3 and np.ptp(burst[3:]) < 1e-3
        between, within = intervals["regular bursting"][2::2], intervals["regular bursting"][3::2]
        assert within.size >= 3 and within.max() < 0.1 * between.min()
        delayed = intervals["delayed accelerating"]
        assert spikes["delayed accelerating"][0] > 2 * delayed[-1]
        assert (np.diff(delayed) < 2e-4).all() and delayed[-1] < 0.7 * delayed[0]
        assert spikes["transient"].size == 1


def test_adex_rheobase() -> None:
    """Onset of firing at the saddle-node bifurcation (Touboul & Brette 2008)."""
    model = neurons.get("adex")
    a, delta, tau = (model.parameters[key].value for key in ("a", "delta_t", "tau_membrane"))
    assert a < tau / model.parameters["tau_adaptation"].value, "else a Hopf bifurcation comes first"
    upstroke = model.parameters["v_threshold"].value - model.rest
    rheobase = (1 + a) * (upstroke - delta + delta * np.log1p(a)) / tau / model.swing
    times, _ = simulate(model, 2500, 2e-4, current=rheobase * np.array([0.97, 1.03]))
    assert times[0].size == 0 and times[1].size > 2


# Izhikevich 2003, figure 2: a (1/ms), b, c (mV), d (mV).
IZHIKEVICH = {
    "regular spiking": (0.02, 0.2, -65, 8),
    "intrinsically bursting": (0.02, 0.2, -55, 4),
    "chattering": (0.02, 0.2, -50, 2),
    "fast spiking": (0.1, 0.2, -65, 2),
    "low-threshold spiking": (0.02, 0.25, -65, 2),
}


def test_izhikevich_firing_patterns() -> None:
    model = neurons.get("izhikevich")
    a, b, c, d = np.array(list(IZHIKEVICH.values())).T
    times, membrane = simulate(
        model,
        3000,
        1e-4,
        current=10e-3 / 1e-3 / model.swing,
        a=a * 1e3,
        b=b,
        c=c * 1e-3,
        d=d * 1e-3,
    )
    assert membrane.min() > -75e-3, "the published neurons stay on the parabola"
    intervals = {name: np.diff(found) for name, found in zip(IZHIKEVICH, times, strict=True)}
    regular = intervals["regular spiking"]
    assert regular[0] < 0.5 * regular[-1] and np.ptp(regular[2:]) < 1e-3
    bursting = intervals["intrinsically bursting"]
    assert (bursting[:2] < 5e-3).all() and bursting[3:].min() > 20e-3
    assert np.ptp(bursting[4:]) < 1e-3
    chattering = intervals["chattering"]
    pauses = np.flatnonzero(chattering > 20e-3)
    assert pauses.size >= 4 and set(np.diff(pauses)[1:]) == {5}
    assert np.delete(chattering, pauses).max() < 10e-3
    fast = intervals["fast spiking"]
    assert fast.size > 35 and np.ptp(fast[4:]) < 1e-3 and fast[4:].max() < 10e-3
    low = intervals["low-threshold spiking"]
    assert low[0] < 0.3 * low[-1] and np.ptp(low[10:]) < 1e-3


def test_izhikevich_levels_are_equilibria() -> None:
    """Rest is stable; a jump to just below the level returns and one to just above fires."""
    model = neurons.get("izhikevich")
    times, _ = simulate(model, 300, 1e-4, events={0: np.array([0.97, 1.03])})
    assert times[0].size == 0 and times[1].size == 1


# -- chips ------------------------------------------------------------------------------------


def test_dpi_is_a_low_pass_filter_with_positive_feedback() -> None:
    model = neurons.get("dpi")
    values = {name: parameter.value for name, parameter in model.parameters.items()}
    # A constant current fires the neuron when nowhere below the feedback's own level the leak
    # takes what current and feedback bring.
    i = np.linspace(0, values["i_feedback"], 10_001)
    feedback = 1 / (1 + np.exp((values["i_feedback"] - i) / values["i_norm"]))
    gain = values["tau_membrane"] / values["tau_feedback"]
    rheobase = (i - values["i_dark"] - gain * feedback * i).max() / model.swing
    reached = np.array([0.3, 0.7, 0.98 * rheobase, 1.02 * rheobase, -2.0])
    times, membrane = simulate(model, 1500, 2e-4, current=reached / values["tau_membrane"])
    assert [found.size > 0 for found in times] == [False, False, False, True, False]
    charged = 1 - np.exp(-np.arange(1, 1501) * 2e-4 / values["tau_membrane"])
    height = (membrane[:, :2] - model.rest) / model.swing
    np.testing.assert_allclose(height, charged[:, None] * reached[:2], atol=3e-3)
    np.testing.assert_allclose(membrane[:, 4], model.rest, rtol=1e-6)


def test_dpi_inhibition_takes_from_excitation_and_no_more() -> None:
    model = neurons.get("dpi")
    events = {0: np.array([0.6, 0.0]), 50: np.array([-0.2, -5.0])}
    _, membrane = simulate(model, 1000, 2e-4, events=events, tau_membrane=1e12)
    np.testing.assert_allclose((membrane[-1] - model.rest) / model.swing, [0.4, 0], atol=1e-3)


@pytest.fixture
def default_step() -> Iterator[None]:
    """Brian2's default step, which brian2-loihi sets for the whole process, put back."""
    before = b2.defaultclock.dt
    yield
    b2.defaultclock.dt = before


@pytest.mark.usefixtures("default_step")
@pytest.mark.parametrize(("decay_v", "decay_u", "refractory"), [(0, 4096, 1), (300, 700, 3)])
def test_loihi_equals_brian2_loihi(decay_v: int, decay_u: int, refractory: int) -> None:
    loihi = pytest.importorskip("brian2_loihi")
    inputs, size, steps = 30, 20, 200
    rng = np.random.default_rng(decay_v + refractory)
    mantissas = rng.integers(-100, 127, (inputs, size)) * 2
    raster = rng.random((steps, inputs)) < 0.1
    when, which = np.nonzero(raster)
    source = loihi.LoihiSpikeGeneratorGroup(inputs, which, when)
    group = loihi.LoihiNeuronGroup(
        size, refractory=refractory, threshold_v_mant=400, decay_v=decay_v, decay_I=decay_u
    )
    synapses = loihi.LoihiSynapses(source, group, sign_mode=1)
    synapses.connect()
    synapses.w = mantissas[synapses.i[:], synapses.j[:]]
    trace = b2.StateMonitor(group, ["v", "I"], record=True, when="after_thresholds")
    spikes = b2.SpikeMonitor(group)
    loihi.LoihiNetwork(source, group, synapses, trace, spikes).run(steps)

    # A swing of 1 makes weights whole numbers. Here events act from the next step on.
    model = dataclasses.replace(neurons.get("loihi"), level=1.0)
    arriving = {step - 1: (raster[step] @ (64 * mantissas)).astype(float) for step in range(steps)}
    with np.errstate(divide="ignore"):
        settings = {
            "tau_membrane": -1e-3 / np.log1p(-decay_v / np.float64(4096)),
            "tau_synapse": -1e-3 / np.log1p(-decay_u / np.float64(4096)),
            "v_threshold": 400 * 64.0,
            "t_refractory": refractory * 1e-3,
        }
    start = {"u": arriving[-1]}
    times, membrane = simulate(model, steps, 1e-3, events=arriving, start=start, **settings)
    current = simulate(
        dataclasses.replace(model, membrane="u"),
        steps,
        1e-3,
        events=arriving,
        start=start,
        **settings,
    )[1]
    np.testing.assert_array_equal(membrane, np.array(trace.v).T)
    np.testing.assert_array_equal(current, np.array(trace.I).T)
    for neuron, found in enumerate(times):
        np.testing.assert_allclose(found, np.asarray(spikes.t_)[np.asarray(spikes.i) == neuron])
    assert sum(found.size for found in times) > 50, "silent neurons would prove little"


def test_loihi_keeps_whole_numbers_under_a_current() -> None:
    model = neurons.get("loihi")
    _, membrane = simulate(model, 200, 1e-3, current=np.array([80.1, 12.34, -33.3]))
    np.testing.assert_array_equal(membrane, np.rint(membrane))
    assert np.ptp(membrane, axis=0).min() > 100
