"""What was meant by a name that stands in the wrong place of a command."""

from __future__ import annotations


def check_places(task: str | None, rule: str | None) -> None:
    """Refuse the name of something else in place of a task or a rule, and say where it belongs.

    Args:
        task: What was given as the task.
        rule: What was given as the rule.

    Raises:
        ValueError: For the name of a rule, a gate, an encoding, a device, a chip or a study.
    """
    from hil import tasks
    from hil.learning import rules
    from hil.tasks import own_file

    is_task = task is None or task in (tasks.ARRAYS, *tasks.names()) or own_file.parse_address(task)
    is_rule = rule is None or rule in rules.names()
    for kind, name, is_right in (("task", task, is_task), ("rule", rule, is_rule)):
        place = None if is_right or not name else _find_place(name)
        if place is not None:
            raise ValueError(f"no {kind} {name!r}: {place}")


def _find_place(name: str) -> str | None:
    """Say where a name belongs, None where nothing is called so."""
    from drivers import registry
    from hil import encodings, tasks
    from hil.learning import gates, rules
    from hil.studies import loader

    for names, place in (
        (tasks.names, "a task: hil train {}"),
        (rules.names, "a rule: --rule {}"),
        (gates.names, "a gate g of adfa: --set rule.g={}"),
        (encodings.names, "an encoding: --set encoding.name={}"),
        (loader.names, "a study: hil study {}"),
    ):
        if name in names():
            return f"it is {place.format(name)}"
    scheme, colon, _ = name.partition(":")
    address = name if colon and scheme in registry.schemes() else registry.suggest_address(name)
    return None if address is None else f"it is a device: --device {address}"
