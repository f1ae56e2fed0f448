"""Samples from a numpy archive: `npz:FILE`.

Its arrays are known by the names that they usually have (`hil.tasks.formats.roles`). An archive may
bring a test and a validation part.
"""

from __future__ import annotations

from drivers.errors import FileFormatError
from drivers.files.archives import read_array_header, read_array_names, read_arrays
from hil.tasks.formats import Address, Arrays, Format, roles


def read(given: Address) -> Arrays:
    """Read an archive.

    Raises:
        ValueError: When it is no archive, or lacks an array, or has two for one role, or numpy
            keeps one of its arrays as code.
    """
    try:
        names = roles.assign_roles(given, read_array_names(given.path))
        for role, name in names.items():
            if role in roles.ROLES and read_array_header(given.path, name)[1].hasobject:
                raise ValueError(_describe_objects(role, name))
        stored = read_arrays(given.path, set(names.values()), deflated=True, records=True)
    except FileFormatError as error:
        raise ValueError(f"{error}; such files are written with numpy.savez") from None
    return roles.arrange(given, names, stored)


def _describe_objects(role: str, name: str) -> str:
    way = f"save it with {name}={name}.astype(str)"
    if role.startswith("x_"):
        way = (
            "of samples of different lengths, save all steps one after the other, and how many "
            f"each has: {name}=np.concatenate({name}), "
            f"lengths{role[1:]}=[len(one) for one in {name}]"
        )
    return f"{name} holds Python objects, which are never loaded: {way}"


FORMAT = Format(
    description="numpy.savez: x and y, with a part for the test or without, by any usual name",
    endings=(".npz",),
    options=roles.OPTIONS,
    read=read,
)
