"""Samples from a numpy archive: `npz:FILE`.

Its arrays are known by the names that they usually have (`hil.tasks.formats.roles`). An archive may
bring a test and a validation part.
"""

from __future__ import annotations

from drivers.errors import FileFormatError
from drivers.files.archives import read_array_header, read_array_names, read_arrays
from hil.tasks.formats import roles
from hil.tasks.formats.format import Address, Arrays, Format, Size


def read(given: Address) -> Arrays:
    """Read an archive.

    Args:
        given: Its address.

    Returns:
        The arrays by role and part.

    Raises:
        ValueError: When it is no archive, or lacks an array, or has two for one role.
    """
    names = _names(given)
    for role, array in names.items():
        if role in roles.ROLES:
            roles.check_kind(given, role, array, read_array_header(given.path, array)[1])
    try:
        found = read_arrays(given.path, set(names.values()), deflated=True, records=True)
    except FileFormatError as error:
        raise _no_archive(error) from None
    return roles.by_role(given, names, found)


def size(given: Address) -> Size:
    """How much is in an archive; nothing else is read.

    Raises:
        ValueError: As for `read`.
    """
    return roles.size_of(
        given,
        _names(given),
        lambda name: read_array_header(given.path, name),
        lambda name: read_arrays(given.path, (name,), deflated=True)[name],
    )


def _names(given: Address) -> dict[str, str]:
    """The name of the array of each role and part that the archive has."""
    try:
        return roles.assigned(given, read_array_names(given.path))
    except FileFormatError as error:
        raise _no_archive(error) from None


def _no_archive(error: FileFormatError) -> ValueError:
    return ValueError(f"{error}; such files are written with numpy.savez")


FORMAT = Format(
    description="numpy.savez: x and y, with a part for the test or without, by any usual name",
    endings=(".npz",),
    options=roles.OPTIONS,
    read=read,
    size=size,
)
