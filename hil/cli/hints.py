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

    if task and task != tasks.ARRAYS and task not in tasks.names():
        place = None if own_file.parse_address(task) else _place(task)
        if place is not None:
            raise ValueError(f"no task {task!r}: {place}")
    if rule and rule not in rules.names():
        place = _place(rule)
        if place is not None:
            raise ValueError(f"no rule {rule!r}: {place}")


def _place(name: str) -> str | None:
    """Where a name belongs, None where nothing is called so."""
    from drivers import registry
    from hil import encodings, tasks
    from hil.learning import gates, rules
    from hil.studies import loader

    if name in tasks.names():
        return f"it is a task: hil train {name}"
    if name in rules.names():
        return f"it is a rule: --rule {name}"
    if name in gates.names():
        return f"it is a gate g of adfa: --set rule.g={name}"
    if name in encodings.names():
        return f"it is an encoding: --set encoding.name={name}"
    if name in loader.names():
        return f"it is a study: hil study {name}"
    scheme, colon, _ = name.partition(":")
    address = name if colon and scheme in registry.schemes() else registry.meant(name)
    return None if address is None else f"it is a device: --device {address}"
