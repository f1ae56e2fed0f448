"""The devices that repetitions take in turn, and those among them that are done without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from drivers import lab
from drivers.errors import DeviceNotFound, make_error
from hil.sections.trials import Outcome
from hil.studies.plan import Job


class Devices:
    """Lays jobs on devices that work, in place of those that do not."""

    def __init__(self, devices: Sequence[str]) -> None:
        """Begin without those that the lab has in quarantine.

        Args:
            devices: Addresses, or names of the lab.
        """
        sick = lab.list_notes(lab.QUARANTINE) if devices else {}
        self._devices = devices
        self._out = {
            each: f"in quarantine since {sick[name]}"
            for each in devices
            if (name := lab.find_name(each)) in sick
        }

    def place(self, job: Job) -> tuple[Job, Outcome]:
        """Lay a job on a device that works.

        Returns:
            The job there, and what is to be noted of it beside its outcome.

        Raises:
            DeviceNotFound: When none is left.
        """
        config = json.loads(job.config)
        wanted = config["device"]
        if wanted not in self._out:
            return job, {}
        left = [each for each in self._devices if each not in self._out]
        if not left:
            raise DeviceNotFound(f"no device of repeat.devices is left: {self._out}")
        # By its seed, so that trials that are compared in pairs stay on the same device.
        config["device"] = left[config["seed"] % len(left)]
        if config["network"]["calibration"] == lab.find_calibration(wanted):
            config["network"]["calibration"] = lab.find_calibration(config["device"])
        note = {"served": config["device"], "passed_over": f"{wanted}: {self._out[wanted]}"}
        return replace(job, config=json.dumps(config, sort_keys=True)), note

    def pass_over(self, job: Job, kind: str, why: str) -> None:
        """Do without the device of a job; one that fails at work is put in quarantine.

        Raises:
            DeviceError: What failed, where there is no other device.
        """
        device, error = json.loads(job.config)["device"], make_error(kind, why)
        if not set(self._devices) - set(self._out) - {device}:
            raise error
        self._out[device] = why
        if not isinstance(error, DeviceNotFound):  # absent, or another's
            lab.add_note(lab.QUARANTINE, device, why)
