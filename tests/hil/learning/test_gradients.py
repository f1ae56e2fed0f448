"""Surrogates, bp and bptt against automatic differentiation and formulas written out anew."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad, grad
from autograd.tracer import getval
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from hil.learning import bp, bptt, losses, surrogates
from hil.learning.eligibility import correlate
from hil.learning.rule import HostModel, Observation, Route
from support.rule_inputs import LOSSES, PRINTED, assert_close, cross_entropy, spike

Float = NDArray[np.float64]
Input = Literal["constant", "current", "spikes"]
Reset = Literal["soft", "hard"]

DECAY, STEPS, BATCH = 0.85, 14, 5
SURROGATES: tuple[surrogates.Name, ...] = (
    "soft_ramp",
    "soft_step",
    "sigmoid",
    "fast_sigmoid",
    "triangle",
    "boxcar",
)


def draw_weights(rng: np.random.Generator, layers: tuple[int, ...], gain: float) -> list[Float]:
    return [gain * rng.standard_normal((a, b)) / math.sqrt(a) for a, b in pairwise(layers)]


# -- surrogates -------------------------------------------------------------------------------


def test_every_surrogate_is_tested() -> None:
    assert set(surrogates.SURROGATES) == set(SURROGATES)


@pytest.mark.parametrize("name", SURROGATES)
@given(x=st.floats(-3, 3), k=st.floats(0.2, 20))
def test_surrogate_derivative_is_the_printed_one(name: surrogates.Name, x: float, k: float) -> None:
    assume(name != "boxcar" or not math.isclose(abs(k * x), 1))  # either side of the jump will do
    found = surrogates.derivative(name, np.array([x]), k)
    np.testing.assert_allclose(found, PRINTED[name](np.array([x]), k), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SURROGATES)
@given(x=st.floats(-3, 3), k=st.floats(0.2, 20))
def test_surrogate_derivative_is_that_of_its_function(
    name: surrogates.Name, x: float, k: float
) -> None:
    kinks = {"triangle": (-1 / k, 0.0, 1 / k), "boxcar": (-1 / k, 1 / k)}.get(name, ())
    step = 1e-6
    assume(all(abs(x - kink) > 2 * step for kink in kinks))
    f = surrogates.SURROGATES[name].function
    slope = (f(np.array([x + step]), k) - f(np.array([x - step]), k)) / (2 * step)
    # A derivative that bends by up to 2 k^2 within a step, and the rounding of the difference.
    np.testing.assert_allclose(
        surrogates.derivative(name, np.array([x]), k), slope, rtol=0, atol=5e-6 + 2 * k**2 * step
    )


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_are_finite_far_away_and_keep_float32(name: surrogates.Name) -> None:
    x = np.array([-1e6, -50, 0, 50, 1e6], dtype=np.float32)
    found = surrogates.derivative(name, x, 5.0)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found[2] > 0


# -- bp ---------------------------------------------------------------------------------------


def transfer(name: str, x: Any, k: float) -> Any:
    """Transfer functions whose derivatives are printed above, in operations autograd knows."""
    if name == "soft_ramp":
        return anp.log((1 + anp.exp(k * x)) / (1 + anp.exp(k * (x - 1)))) / k
    if name == "soft_step":
        return anp.log1p(anp.exp(k * x)) / k
    if name == "sigmoid":
        return 1 / (1 + anp.exp(-k * x))
    if name == "fast_sigmoid":
        return x / (1 + k * anp.abs(x))
    if name == "boxcar":
        return anp.clip(x, -1 / k, 1 / k)
    y = anp.clip(k * x, -1, 1)
    return (0.5 + y - anp.sign(y) * y**2 / 2) / k


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [(5, 3), (5, 8, 3), (5, 8, 7, 3), (5, 8, 7, 6, 3)])
def test_bp_is_the_gradient_of_its_rate_model(
    name: surrogates.Name, loss: losses.Loss, layers: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    k, shift = 1.5, 0.3
    x, labels = rng.random((BATCH, layers[0])), rng.integers(0, layers[-1], BATCH)
    weights = draw_weights(rng, layers, 0.7)

    def forward(weights: list[Any]) -> tuple[list[Any], list[Any]]:
        activity, membrane = [x], []
        for w in weights:
            membrane.append(activity[-1] @ w)
            activity.append(transfer(name, membrane[-1] - shift, k))
        return activity[1:-1], membrane

    activity, membrane = forward(weights)
    _, error = losses.evaluate(membrane[-1], labels, loss)
    seen = Observation(x, tuple(activity), tuple(membrane), membrane[-1], error)  # type: ignore[arg-type]
    rule = bp(surrogate=name, steepness=k, shift=shift)
    expected = grad(lambda w: LOSSES[loss](forward(w)[1][-1], labels))(weights)
    assert_close(rule.update({}, seen, weights)[0], expected)


# -- bptt -------------------------------------------------------------------------------------


def model_of(
    reset: Reset = "soft", current: bool = True, kappa: float = 10.0, beta: float = 0.0
) -> HostModel:
    return HostModel(DECAY, STEPS, reset, current, kappa, beta)


def simulate(
    weights: Any,
    x: Float,
    when: HostModel,
    *,
    name: str,
    k: float,
    detach: bool,
    output_threshold: Float,
) -> tuple[list[list[Any]], list[list[Any]]]:
    """The ideal network, step by step as the contract says: membranes and spikes, per layer."""
    injected = (1 - DECAY) / -math.log(DECAY)
    layers = [w.shape[1] for w in weights]
    v: list[Any] = [np.zeros((BATCH, n)) for n in layers]
    membranes: list[list[Any]] = [[] for _ in layers]
    spikes: list[list[Any]] = [[] for _ in layers]
    for t in range(STEPS):
        arriving = x[t] if x.ndim == 3 else x
        for n, w in enumerate(weights):
            direct = n == 0 and when.input_is_current
            u = DECAY * v[n] + (injected * (arriving @ w) if direct else 0.0)
            threshold = output_threshold if n == len(weights) - 1 else 1.0
            s = spike(u, threshold, name, k)
            inside = getval(s) if detach else s
            u_after = u if direct else u + arriving @ w
            v[n] = u_after - inside if when.reset == "soft" else u_after * (1 - inside)
            membranes[n].append(u)
            spikes[n].append(s)
            arriving = s
    return membranes, spikes


class Case:
    """A simulated batch, what the host saw of it, and the gradient that autograd finds."""

    def __init__(
        self,
        kind: Input = "constant",
        reset: Reset = "soft",
        detach: bool = True,
        layers: tuple[int, ...] = (6, 9, 4),
        *,
        name: surrogates.Name = "fast_sigmoid",
        k: float = 3.0,
        kappa: float = 10.0,
        beta: float = 0.0,
        output_threshold: float = 1.0,
    ) -> None:
        rng = np.random.default_rng(1)
        self.model = model_of(reset, kind != "spikes", kappa, beta)
        self.labels = rng.integers(0, layers[-1], BATCH)
        self.weights = draw_weights(rng, layers, 2.0)
        self.weights = [w + 0.25 for w in self.weights]
        shape = (BATCH, layers[0]) if kind == "constant" else (STEPS, BATCH, layers[0])
        x: Any = rng.random(shape)
        if kind == "spikes":
            x = np.where(x < 0.4, 1.0, 0.0)
        options: dict[str, Any] = {
            "name": name,
            "k": k,
            "detach": detach,
            "output_threshold": np.full(layers[-1], output_threshold),
        }

        def logits(weights: Any) -> Any:
            u, s = simulate(weights, x, self.model, **options)
            return kappa * sum(s[-1]) / STEPS + beta * sum(u[-1]) / STEPS

        self.expected = grad(lambda w: cross_entropy(logits(w), self.labels))(self.weights)
        u, s = simulate(self.weights, x, self.model, **options)
        traces = tuple(np.array(layer) for layer in u)
        rasters = tuple(np.array(layer) for layer in s)
        for raster in rasters:
            assert 0.02 < raster.mean() < 0.8, "a silent or saturated layer tests nothing"
        _, error = losses.evaluate(logits(self.weights), self.labels, "cross_entropy")
        self.seen = Observation(
            inputs=x if kind == "constant" else x.mean(axis=0),
            activity=tuple(raster.mean(axis=0) for raster in rasters[:-1]),
            membrane=tuple(trace.mean(axis=0) for trace in traces),
            rate=rasters[-1].mean(axis=0),
            error=error,
            traces=traces,
            input_trace=None if kind == "constant" else x,
            output_spikes=rasters[-1],
            model=self.model,
        )
        self.rule = bptt(surrogate=name, steepness=k, detach_reset=detach)

    def gradients(self, **changes: Any) -> Any:
        return self.rule.update({}, replace(self.seen, **changes), self.weights)[0]


@pytest.mark.parametrize("layers", [(6, 4), (6, 9, 4), (6, 9, 8, 4)], ids=lambda n: f"{len(n)}")
@pytest.mark.parametrize("detach", [True, False], ids=["detached", "attached"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("kind", ["constant", "current", "spikes"])
def test_bptt_is_what_autograd_finds(
    kind: Input, reset: Reset, detach: bool, layers: tuple[int, ...]
) -> None:
    case = Case(kind, reset, detach, layers)
    assert_close(case.gradients(), case.expected)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize(("kappa", "beta"), [(0.0, 2.0), (10.0, 2.0)])
def test_bptt_with_each_surrogate_and_readout(
    name: surrogates.Name, kappa: float, beta: float
) -> None:
    case = Case("spikes", "hard", False, name=name, k=1.3, kappa=kappa, beta=beta)
    assert_close(case.gradients(), case.expected)


def test_bptt_of_a_constant_current_is_that_of_its_trace() -> None:
    case = Case("constant")
    trace = np.broadcast_to(case.seen.inputs, (STEPS, *case.seen.inputs.shape))
    assert_close(case.gradients(input_trace=trace), case.gradients())


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_bptt_of_events_is_that_of_their_raster(
    reset: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.learning.rules.bptt.SPARSE", 1.0)
    case = Case("spikes", reset, False)
    assert case.seen.input_trace is not None
    events = csr_matrix(case.seen.input_trace.reshape(-1, 6))
    assert_close(case.gradients(input_events=events), case.expected)


@pytest.mark.parametrize("delay", [0, 2, np.array([[0, 1], [3, 9], [2, 0]])])
def test_events_are_correlated_as_their_raster_is(delay: Any) -> None:
    rng = np.random.default_rng(0)
    raster = rng.poisson(0.3, (7, 5, 3)).astype(np.float32)
    after = rng.normal(0, 1, (7, 5, 2)).astype(np.float32)
    route, events = Route(0, 1, delay=delay), csr_matrix(raster.reshape(-1, 3))
    dense, sparse = (correlate(before, after, route, 1) for before in (raster, events))
    np.testing.assert_allclose(sparse, dense, rtol=1e-5, atol=1e-5)


def test_bptt_recomputes_output_spikes_that_it_is_not_given() -> None:
    case = Case("current", "hard")
    assert_close(case.gradients(output_spikes=None), case.gradients())


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_bptt_believes_the_device_about_output_spikes(reset: Reset) -> None:
    """On a chip whose output threshold is not nominal, the raster is the truth."""
    case = Case("constant", reset, False, output_threshold=0.8)
    assert_close(case.gradients(), case.expected)
    guessed = case.gradients(output_spikes=None)
    if reset == "hard":  # where the spike gates the gradient, a wrong guess shows
        assert np.max(np.abs(guessed[-1] - case.expected[-1])) > 1e-3 * np.max(np.abs(guessed[-1]))


def test_bptt_in_float32_agrees() -> None:
    case = Case("current", "soft", False, (6, 9, 8, 4))
    single = {
        "traces": tuple(u.astype(np.float32) for u in case.seen.traces),
        "error": case.seen.error.astype(np.float32),
        "input_trace": None
        if case.seen.input_trace is None
        else case.seen.input_trace.astype(np.float32),
        "output_spikes": None,
    }
    case.weights = [w.astype(np.float32) for w in case.weights]
    for found, expected in zip(case.gradients(**single), case.expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_bptt_refuses_spikes_that_it_cannot_see() -> None:
    with pytest.raises(ValueError, match="raster") as error:
        Case("spikes").gradients(input_trace=None)
    assert "\n" not in str(error.value)


def test_printed_derivatives_are_autograds_own() -> None:
    """The oracle's oracle: the printed derivatives are those of the transfer functions."""
    x = np.array([-1.1, -0.4, -0.1, 0.2, 0.5, 1.3])
    for name in SURROGATES:
        slope = elementwise_grad(lambda z, name=name: transfer(name, z, 1.7))(x)
        np.testing.assert_allclose(slope, PRINTED[name](x, 1.7), rtol=1e-9, atol=1e-12)
