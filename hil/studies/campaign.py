"""Campaigns of single faults: one after another is put into a chip that holds a trained network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drivers import Fault
from drivers.contract.faults import NEURON_FAULTS, check_faults, count_bits
from hil import streams
from hil.loop.session import Session
from hil.studies.schema import Campaign

Record = list[float]
"""A fault: place, number of the neuron or synapse, bit, and the accuracy with it."""


def run_campaign(session: Session, campaign: Campaign, seed: int) -> list[Record]:
    """Test a network with each fault of a campaign alone.

    All see the same samples in the same trials, so that what differs is the fault's doing.

    Args:
        session: Weights are written, and the device has no faults.
        campaign: What is tried.
        seed: Names the draw of places, where there are more than are tried.

    Raises:
        SettingError: When the device does not take such faults.
    """
    controller, data, device = session.controller, session.samples, session.device
    truth = np.asarray(data.y_test)
    records = []
    try:
        for fault in _list_faults(session, campaign, seed):
            device.set_faults([fault])
            predicted, *_ = controller.classify(data.x_test, "test", 0)
            number = int(np.asarray(fault.where)[0])
            accuracy = float(np.mean(predicted == truth))
            records.append([float(fault.place or 0), float(number), float(fault.bit), accuracy])
    finally:
        device.set_faults([])
    return records


def _list_faults(session: Session, campaign: Campaign, seed: int) -> Iterator[Fault]:
    network, info = session.device.network, session.device.info
    check_faults([Fault(campaign.kind, 0, [0], value=campaign.value)], info)
    of_neurons = campaign.kind in NEURON_FAULTS
    sizes = dict(enumerate(network.layers[1:], start=1))
    if not of_neurons:
        sizes = {place: int(np.prod(shape)) for place, shape in enumerate(network.shapes)}
    for place, size in sizes.items():
        chosen = np.arange(size)
        if campaign.most and size > campaign.most:
            draw = streams.generator(seed, "show", place)
            chosen = np.sort(draw.choice(size, campaign.most, replace=False))
        bits = range(1)
        if campaign.kind == "flipped_bit":
            bits = range(count_bits(info.weight_format(place)))
        for number in chosen:
            for bit in bits:
                yield Fault(campaign.kind, place, [int(number)], value=campaign.value, bit=bit)
