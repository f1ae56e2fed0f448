"""The contract between the host and a spiking device.

A user opens a device and drives it:

    open(url)           the device at an address, e.g. `emulator:mixed-signal?chip=7`
    Device              the contract: `info`, `configure`, `write_weights`, `run`, `reset`, `close`
    Network             what is mapped on a device, made of Population, Projection and Synapses
    Stimulus, Probe     what a run is given, and what it is asked to show
    Fault               what is faulty of a device, where and when: see `Device.set_faults`
    Readout             what a run gave: output counts, and the samples of each probe
    load, save          stimuli, readouts and weights as files
    driver, schemes     the driver class of a scheme, and every scheme that is known

The author of a driver writes a subclass of `Device` (see `docs/write_a_driver.md`) and states what
the device is:

    DeviceInfo          all of it, made of Identity, Capacity, Timing, Neuron, WeightFormat,
                        Offers, Abilities and Energy; these of Setting, Membrane and ProbeOffer
    Arrival, Quantity, Reduction, Reset, Role, StimulusKind     the words that these know
    CONTRACT            version of the contract that is spoken here, which `info` states
    Composite           the base of devices made of devices
    sampling            `answer` and `reduced`: from a recording to what a probe asked for
    check_limit         refuses what the device has no room for
    nearest             ends a refusal of an unknown name with the names that are known

`drivers.conformance` holds a driver to the contract. What can go wrong is one tree:

    DeviceError
    ├── DeviceNotFound      no driver of that scheme, or nothing at that address
    ├── SettingError        unknown setting or option, or out of its range (also a ValueError)
    ├── CapacityError       more than the device has room for (also a ValueError)
    ├── ContractMismatch    the driver is written for another version of the contract
    ├── NotConfigured       used before configure(network)
    ├── DeviceClosed        used after close()
    ├── StimulusError       stimulus of a wrong shape, kind or content (also a ValueError)
    ├── UnsupportedProbe    the device does not show that (also a ValueError)
    ├── WeightError         weights of a wrong shape, or not numbers (also a ValueError)
    ├── ReadoutError        the driver broke the contract
    ├── DriverError         the driver raised what is none of these
    ├── DeviceHung          a method of the driver did not return within its limit
    ├── LinkError           the line failed for longer than the driver could repair
    ├── DeviceRestarted     weights are gone: configure and write again
    ├── ProtocolMismatch    the other side speaks something else
    ├── FileFormatError     a damaged, foreign or newer file (also a ValueError)
    └── Diverged            a replay was asked for something else than was recorded
"""

from drivers.contract import sampling
from drivers.contract.device import Composite, Device
from drivers.contract.faults import Fault
from drivers.contract.info import (
    CONTRACT,
    Abilities,
    Arrival,
    Capacity,
    DeviceInfo,
    Energy,
    Identity,
    Membrane,
    Neuron,
    Offers,
    ProbeOffer,
    Quantity,
    Reduction,
    Reset,
    Role,
    Setting,
    StimulusKind,
    Timing,
    WeightFormat,
)
from drivers.contract.messages import Probe, Readout, Stimulus, load, save
from drivers.contract.network import Network, Population, Projection, Synapses
from drivers.contract.requests import check_limit
from drivers.errors import (
    CapacityError,
    ContractMismatch,
    DeviceClosed,
    DeviceError,
    DeviceHung,
    DeviceNotFound,
    DeviceRestarted,
    Diverged,
    DriverError,
    FileFormatError,
    LinkError,
    NotConfigured,
    ProtocolMismatch,
    ReadoutError,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
    nearest,
)
from drivers.registry import code_of, driver, driver_of, independent, open, schemes, with_options

__all__ = [
    "Abilities",
    "Energy",
    "Arrival",
    "CONTRACT",
    "Capacity",
    "CapacityError",
    "Composite",
    "ContractMismatch",
    "Device",
    "DeviceClosed",
    "DeviceError",
    "DeviceInfo",
    "DeviceNotFound",
    "DeviceRestarted",
    "Diverged",
    "DriverError",
    "DeviceHung",
    "Fault",
    "FileFormatError",
    "Identity",
    "LinkError",
    "Membrane",
    "Network",
    "Neuron",
    "NotConfigured",
    "Offers",
    "Population",
    "Probe",
    "ProbeOffer",
    "Projection",
    "ProtocolMismatch",
    "Quantity",
    "Readout",
    "ReadoutError",
    "Reduction",
    "Reset",
    "Role",
    "Setting",
    "SettingError",
    "Stimulus",
    "StimulusError",
    "StimulusKind",
    "Synapses",
    "Timing",
    "UnsupportedProbe",
    "WeightError",
    "WeightFormat",
    "check_limit",
    "code_of",
    "driver",
    "driver_of",
    "independent",
    "with_options",
    "load",
    "nearest",
    "open",
    "sampling",
    "save",
    "schemes",
]
