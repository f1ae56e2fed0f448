"""All errors that a device or its driver raises, as one tree.

Each message is one line that says what was asked, what the device allows and what to do next.
What it repeats of a file or an address is escaped and cut.
"""

from drivers.refusals import format_refusal


class DeviceError(Exception):
    """The root of every error that a device or its driver raises."""

    def __str__(self) -> str:
        return format_refusal(super().__str__())


class DeviceNotFound(DeviceError):
    """No driver of that scheme, or nothing at that address."""


class SettingError(DeviceError, ValueError):
    """A device has no setting of that name, or the value is outside its range."""


class CapacityError(DeviceError, ValueError):
    """The request is larger than the device: layers, neurons, batch, steps."""


class ContractMismatch(DeviceError):
    """A driver is written for another version of the device contract."""


class NotConfigured(DeviceError):
    """The device was used before `Device.configure` gave it a network."""


class DeviceClosed(DeviceError):
    """The device was used after `Device.close`."""


class StimulusError(DeviceError, ValueError):
    """A stimulus of the wrong shape, kind or content for the configured network."""


class UnsupportedProbe(DeviceError, ValueError):
    """The device cannot observe that quantity there, or not that often."""


class WeightError(DeviceError, ValueError):
    """Weights of the wrong shape, or with values that are not numbers."""


class ReadoutError(DeviceError):
    """A driver answered with something other than what the contract promises."""


class DriverError(DeviceError):
    """A driver raised what is no `DeviceError`: a mistake in it, or in what it calls."""


class DeviceHung(DeviceError):
    """A method of a driver did not return within its limit, or never will."""


class LinkError(DeviceError):
    """The line to the device failed for longer than the driver could repair."""


class DeviceRestarted(DeviceError):
    """The device lost its weights and settings; configure it and write them again."""


class ProtocolMismatch(DeviceError):
    """The other side speaks another version of the protocol, or another protocol."""


class FileFormatError(DeviceError, ValueError):
    """A file is not of the expected format, is damaged, or is of a newer version."""


class Diverged(DeviceError):
    """A replay was asked for something else than what was recorded."""


def make_error(kind: str, message: str) -> DeviceError:
    """Make an error that was told by name; one of a driver's own comes back as a DeviceError."""
    error_type = globals().get(kind)
    if not (isinstance(error_type, type) and issubclass(error_type, DeviceError)):
        error_type = DeviceError
    return error_type(message)
