import pytest

import drivers


@pytest.mark.parametrize(
    "url, independent, chip_option",
    [
        ("emulator:mixed-signal?chip=7", True, "chip"),
        ("xylo:", True, ""),
        ("superneuromat:", True, ""),
        ("board:/dev/ttyACM0", False, ""),
        ("replay:session.hilrec", False, ""),
    ],
)
def test_a_driver_states_what_holds_for_all_of_its_devices(
    url: str, independent: bool, chip_option: str
) -> None:
    kind = drivers.driver_of(url)
    assert (kind.independent, kind.chip_option) == (independent, chip_option)


def test_an_address_without_a_driver_is_refused() -> None:
    with pytest.raises(drivers.DeviceNotFound, match="did you mean 'emulator'"):
        drivers.driver_of("emulater:ideal")
