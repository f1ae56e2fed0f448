"""The door between the host and a spiking device.

The contract is `Device`; `open(url)` finds the driver. What can go wrong is one tree:

    DeviceError
    ├── DeviceNotFound      no driver of that scheme, or nothing at that address
    ├── SettingError        unknown setting or option, or out of its range (also a ValueError)
    ├── CapacityError       more than the device has room for (also a ValueError)
    ├── NotConfigured       used before configure(network)
    ├── DeviceClosed        used after close()
    ├── StimulusError       stimulus of a wrong shape, kind or content (also a ValueError)
    ├── UnsupportedProbe    the device does not show that (also a ValueError)
    ├── WeightError         weights of a wrong shape, or not numbers (also a ValueError)
    ├── ReadoutError        the driver broke the contract
    ├── LinkError           the line failed for longer than the driver could repair
    ├── DeviceRestarted     weights are gone: configure and write again
    ├── ProtocolMismatch    the other side speaks something else
    ├── FileFormatError     a damaged, foreign or newer file (also a ValueError)
    └── Diverged            a replay was asked for something else than was recorded
"""

from drivers.contract.device import Device
from drivers.contract.errors import (
    CapacityError,
    DeviceClosed,
    DeviceError,
    DeviceNotFound,
    DeviceRestarted,
    Diverged,
    FileFormatError,
    LinkError,
    NotConfigured,
    ProtocolMismatch,
    ReadoutError,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)
from drivers.contract.files import load, save
from drivers.contract.info import (
    DeviceInfo,
    Identity,
    Membrane,
    ProbeOffer,
    Setting,
    WeightFormat,
)
from drivers.contract.messages import Network, Probe, Readout, Stimulus
from drivers.contract.validation import nearest
from drivers.registry import driver, driver_of, open, schemes

__all__ = [
    "CapacityError",
    "Device",
    "DeviceClosed",
    "DeviceError",
    "DeviceInfo",
    "DeviceNotFound",
    "DeviceRestarted",
    "Diverged",
    "FileFormatError",
    "Identity",
    "LinkError",
    "Membrane",
    "Network",
    "NotConfigured",
    "Probe",
    "ProbeOffer",
    "ProtocolMismatch",
    "Readout",
    "ReadoutError",
    "Setting",
    "SettingError",
    "Stimulus",
    "StimulusError",
    "UnsupportedProbe",
    "WeightError",
    "WeightFormat",
    "driver",
    "driver_of",
    "load",
    "nearest",
    "open",
    "save",
    "schemes",
]
