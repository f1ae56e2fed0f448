"""A chip in service: it ages, and learning is off, on, or called in by what the host sees of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hil import streams
from hil.learning import losses
from hil.loop import costs
from hil.loop.initialisation import observe_batch
from hil.loop.session import Session
from hil.sections.trials import PAID, Outcome
from hil.studies.schema import Service
from hil.tasks import Data

LAYER = 1 << 20  # names the randomness of these runs, apart from that of any hidden layer


def serve(session: Session, service: Service, seed: int) -> Outcome:
    """Answer batch after batch of test samples while time passes with each run.

    What calls learning in is seen without any label: mean rates of the output and mean membranes of
    all layers over a batch, against those of the first runs since it last learned. The first call
    is after the first run, since a chip ages fastest at first.

    Args:
        session: Weights are written.
        service: How long, and when it learns.
        seed: Names the draw of samples.

    Returns:
        Measures of the service in place of those of the training: accuracy over all of it, `curve`
        by day, and what it cost.
    """
    controller, data, config = session.controller, session.samples, session.config
    draw, batch = streams.generator(seed, "show", LAYER), config.training.batch
    device, supervised = session.device, controller.supervised
    supervised.costs = costs.Costs.none(device.network.shapes)  # of the service alone
    seen, right, calls, learned = list[NDArray[np.float32]](), list[float](), 0, 0
    for run in range(service.runs):
        rows = draw.integers(len(data.y_test), size=batch)
        shown = observe_batch(controller, Data.batch(data.x_test[rows]), LAYER, run)
        logits = controller.logits(shown.rate, shown.membranes[-1])
        predicted = losses.predict(logits, shown.membranes[-1])
        right.append(float(np.mean(predicted == data.y_test[rows])))
        steps, samples = int(service.learning == "on"), batch
        if service.learning == "called":
            now = np.concatenate([each.mean(axis=0) for each in (shown.rate, *shown.membranes)])
            seen.append(now)
            if not calls or depart(seen, service.reference) > service.call:
                steps, samples = service.steps, batch * service.batches
                seen, calls = [], calls + 1
        for step in range(steps):  # the learning rate falls over a call
            rows = draw.integers(len(data.y_train), size=samples)
            x = Data.batch(data.x_train[rows])
            controller.step(x, data.y_train[rows], learned, step / steps)
            learned += 1
    days = np.array_split(right, -(-service.runs // service.day))
    paid = costs.sum_up_training(supervised.costs, device, config.network.steps, [])
    return {
        "test_accuracy": float(np.mean(right)),
        "curve": [float(np.mean(day)) for day in days],
        "calls": calls,
        **{measure: paid[key] for measure, key in PAID.items()},
    }


def depart(seen: list[NDArray[np.float32]], reference: int) -> float:
    """Measure how far the last runs are from the first ones, in the spread of those.

    Args:
        seen: What was seen of each run since learning, `(n,)` each.
        reference: How many runs at either end are compared.

    Returns:
        Root mean square of the differences of the means, in standard errors of them: 1 in the mean
        where nothing has changed, 0 while there are too few runs.
    """
    if len(seen) < 2 * reference:
        return 0.0
    first, last = np.array(seen[:reference]), np.array(seen[-reference:])
    spread = np.maximum(first.std(axis=0, ddof=1), 1e-3) * np.sqrt(2 / reference)
    off = (last.mean(axis=0) - first.mean(axis=0)) / spread
    return float(np.sqrt(np.mean(np.square(off))))
