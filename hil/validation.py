"""Values checked against a pydantic model, and what is wrong with them in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drivers import nearest
from drivers.errors import format_refusal, shorten

Model = TypeVar("Model", bound=BaseModel)


def validate_values(
    model: type[Model],
    values: Mapping[str, Any],
    *,
    what: str = "configuration",
    where: str = "",
    others: Sequence[str] = (),
    places: Callable[[str], Sequence[str]] = lambda _: (),
    context: Mapping[str, Any] | None = None,
) -> Model:
    """Make a model of values, such as those of a TOML file.

    Args:
        model: The model.
        values: Its values; numbers and arrays of numpy are taken, too.
        what: What they are, for a refusal, e.g. `configuration`.
        where: Section in which they stand, e.g. `rule`; empty at the top.
        others: Keys that may stand there besides those of the model, for a refusal.
        places: Gives the whole names of all settings that a key may mean, for a refusal.
        context: What validators are told besides the values.

    Raises:
        ValueError: One line that names the key, what was given and what is allowed.
    """
    values = _with_texts_as_keys(values)
    try:
        # Strict, so that `true` is no number; from JSON, where any list may become a tuple.
        text = json.dumps(values, default=_plain)
        return model.model_validate_json(text, strict=True, context=context)
    except ValidationError as error:
        first, *rest = error.errors()
    if first["type"] == "value_error":  # raised by our own validators, which say it all
        raise _make_refusal(str(first["ctx"]["error"]))
    if first["type"] in ("extra_forbidden", "missing"):
        *section, key = first["loc"]
        name = ".".join(filter(None, (where, *_path(section, values), shorten(str(key)))))
        if first["type"] == "missing":
            raise _make_refusal(f"{what} key {name!r} is missing: give it")
        keys = [*_owner(model, section).model_fields, *others]
        elsewhere = [place for place in places(str(key)) if place != name]
        remedy = nearest(str(key), keys)
        if elsewhere and len(elsewhere) == len(places(str(key))):  # else it is of another rule
            remedy = (
                f"did you mean {' or '.join(map(repr, elsewhere))}? {remedy.rpartition('? ')[2]}"
            )
        raise _make_refusal(f"{what} key {name!r} is unknown: {remedy}")
    path = _path(first["loc"], values)
    name = ".".join(filter(None, (where, *path)))
    what_is_given = f"{what} {name} = {shorten(repr(first['input']))}"
    if first["type"] in ("model_type", "dict_type"):
        raise _make_refusal(f"{what_is_given}: is a section, write {name}.key=value")
    alternatives = [first, *(each for each in rest if _path(each["loc"], values) == path)]
    raise _make_refusal(f"{what_is_given}: {_describe_allowed(alternatives)}")


def _make_refusal(message: str) -> ValueError:
    return ValueError(format_refusal(message))


def _with_texts_as_keys(value: Any) -> Any:
    """Tables as JSON has them: labels of any kind, as keys, by what they are printed as."""
    if not isinstance(value, Mapping):
        return value
    return {str(key): _with_texts_as_keys(item) for key, item in value.items()}


def forbid_other_keys(model: type[BaseModel]) -> type[BaseModel]:
    """The same model, which refuses keys that it does not have unless it says otherwise."""
    if model.model_config.get("extra") is not None:
        return model

    class Forbidding(model, extra="forbid"):  # type: ignore[valid-type, misc, call-arg]
        """Model of a user that takes no further keys."""

    return Forbidding


def _plain(value: Any) -> Any:
    """A numpy number or array as Python's own; anything else as text, to be refused by name."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _path(loc: Sequence[int | str], values: Any) -> list[str]:
    """The key that an error is about, without positions in a list and variants of a type."""
    path = []
    for part in loc:
        if not (isinstance(values, Mapping) and part in values):
            break
        path.append(str(part))
        values = values[part]
    return path


def _describe_allowed(errors: Sequence[ErrorDetails]) -> str:
    """Say what is allowed instead, in the words of pydantic."""
    start = "Input should be "
    messages = [error["msg"] for error in errors if error["msg"].startswith(start)]
    if not messages:
        return errors[0]["msg"]
    wanted = dict.fromkeys(message.removeprefix(start) for message in messages)
    return f"should be {' or '.join(wanted)}".replace("an object", "a table")


def _owner(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    """The model below which a key stands, through tables and lists of models."""
    owner: Any = model
    for part in loc:
        if _is_model(owner):
            owner = _without_none(owner.model_fields[str(part)].annotation)
        else:
            owner = next(kind for kind in get_args(owner) if _is_model(kind))
    return owner  # type: ignore[no-any-return]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    """`X` from `X | None`."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(kind for kind in get_args(annotation) if kind is not NoneType)
