"""From Brian2's numpy code for all neurons of a layer to code for one, with the same arithmetic.

Every operation is done in the precision in which numpy would do it, which is found by letting numpy
do it once. What cannot be told apart from numpy bit by bit is refused: functions such as `exp`,
unless they are the same in every step, and whatever is no arithmetic.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from device_models.settled import Settled

OPERATORS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.LtE: "<=",
    ast.Lt: "<",
    ast.USub: "-",
}
# Functions that are exact, and how they are called in the code for one neuron.
EXACT = {"floor": "np.floor", "ceil": "np.ceil", "abs": "abs", "sign": "np.sign", "int": ""}


class Refused(Exception):
    """This code cannot be made into code for one neuron."""


@dataclass(frozen=True)
class Value:
    """What an expression is: code, and a value as numpy has it, which tells its precision."""

    code: str
    sample: Any

    def cast(self, dtype: np.dtype[Any]) -> str:
        """Its code in a precision."""
        if isinstance(self.sample, np.ndarray | np.generic) and self.sample.dtype == dtype:
            return self.code
        return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}({self.code})"


@dataclass
class Collected:
    """What code of a layer refers to.

    Attributes:
        states: Precision of what changes, by name: `x_NAME[p]` in the code.
        constants: What each neuron has, `(n,)`, by name: `c_NAME[p]` in the code.
        scalars: Numbers, in order: `q[layer, k]` in the code.
    """

    states: dict[str, np.dtype[Any]] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    scalars: list[float] = field(default_factory=list)


class Scalar:
    """The code of one object of Brian2, for one neuron.

    Attributes:
        lines: Statements.
        condition: What `_cond` is; empty where nothing is tested.
        sets_refractory: Whether a spike makes the neuron refractory.
    """

    def __init__(self, code: Any, changing: str, collected: Collected, tag: str) -> None:
        """Translate.

        Args:
            code: Brian2's code object, for one copy of a layer.
            changing: The constant of neurons that may change from run to run; empty for none.
            collected: What the code of the layer refers to so far.
            tag: Tells its names from those of other code of the layer.

        Raises:
            Refused: When that cannot be done.
        """
        from brian2.core.variables import ArrayVariable

        arrays = {n: v for n, v in code.variables.items() if isinstance(v, ArrayVariable)}
        self._arrays = {code.device.get_array_name(v): n for n, v in arrays.items()}
        self._fixed = {n for n, v in arrays.items() if v.constant and n != changing}
        names = {array for array, name in self._arrays.items() if name in self._fixed}
        settled = Settled(code.namespace, frozenset(names))
        tree = settled.settle(code.code.run)
        self._namespace = {**code.namespace, **settled.values}
        self._settled, self._tag, self._collected = settled.values, tag, collected
        self._known: dict[str, Value] = {}
        # Brian2 loads first and stores last, in an order that differs from process to process.
        self._loads: dict[str, str] = {}
        self._body: list[str] = []
        self._stores: list[str] = []
        self.condition, self.sets_refractory = (
            "",
            "_not_refractory[_events] = False" in code.code.run,
        )
        for statement in tree.body:
            self._statement(statement)
            if self.condition:
                break
        loads = [f"{own} = {code}" for own, code in sorted(self._loads.items())]
        self.lines = [*loads, *self._body, *sorted(self._stores)]

    def _statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return
        if isinstance(statement, ast.AugAssign):
            assert isinstance(statement.target, ast.Name)
            name = statement.target.id
            whole = ast.BinOp(ast.Name(name, ast.Load()), statement.op, statement.value)
            before, found = self._value(ast.Name(name, ast.Load())), self._value(whole)
            kept = isinstance(before.sample, np.ndarray)
            self._assign(name, found, before.sample.dtype if kept else None)
            return
        if not isinstance(statement, ast.Assign):
            raise Refused(ast.unparse(statement))
        (target,), value = statement.targets, statement.value
        if isinstance(target, ast.Subscript):
            self._store(target, value)
        elif not isinstance(target, ast.Name):
            raise Refused(ast.unparse(statement))
        elif target.id in ("_vectorisation_idx", "_idx", "numpy_True", "numpy_False"):
            return
        elif target.id == "_cond":
            self.condition = self._value(value).cast(np.dtype(bool))
        else:
            self._assign(target.id, self._value(value))

    def _assign(self, name: str, value: Value, dtype: np.dtype[Any] | None = None) -> None:
        weak = not isinstance(value.sample, np.ndarray | np.generic)
        if weak or value.code.startswith(("q[", "c_", "now")):  # never changes within a step
            self._known[name] = value
            return
        dtype = dtype or value.sample.dtype
        if value.code == f"x_{name}[p]":
            own = f"{self._tag}_{name}"
            self._loads[own] = value.code
        else:
            own = f"{self._tag}_{len(self._body)}"
            self._body.append(f"{own} = {value.cast(dtype)}")
        self._known[name] = Value(own, value.sample.astype(dtype))

    def _store(self, target: ast.Subscript, value: ast.expr) -> None:
        """`array[:] = value`, `array[_idx] = value`, or `name[mask] = value[mask]`."""
        assert isinstance(target.value, ast.Name)
        name = target.value.id
        if name in self._arrays:
            own = self._arrays[name]
            dtype = self._namespace[name].dtype
            self._collected.states[own] = dtype
            self._stores.append(f"x_{own}[p] = {self._value(value).cast(dtype)}")
            return
        if not isinstance(value, ast.Subscript) or name not in self._known:
            raise Refused(ast.unparse(target))
        before = self._known[name]
        new = self._value(value.value).cast(before.sample.dtype)
        mask = self._value(target.slice).cast(np.dtype(bool))
        self._assign(name, Value(f"({new} if {mask} else {before.code})", before.sample))

    def _value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant):
            return Value(repr(node.value), node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Subscript):  # array[_idx], or the time
            return self._loaded(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self._value(node.operand)
            sample = -operand.sample
            return Value(f"(-{_as(operand, sample)})", sample)
        if isinstance(node, ast.BinOp):
            return self._operation(node.op, self._value(node.left), self._value(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._comparison(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise Refused(ast.unparse(node))

    def _name(self, name: str) -> Value:
        if name in self._known:
            return self._known[name]
        if name in self._arrays:
            return self._array(name)
        if name not in self._namespace:
            raise Refused(name)
        value = self._namespace[name]
        if isinstance(value, np.ndarray) and value.ndim == 1 and name in self._settled:
            own = f"{self._tag}{name}_{value.dtype.name}"
            self._collected.constants[own] = value
            return Value(f"c_{own}[p]", np.ones(1, value.dtype))
        if not isinstance(value, int | float | np.number):
            raise Refused(name)
        self._collected.scalars.append(float(value))
        found = Value(f"q[layer, {len(self._collected.scalars) - 1}]", value)
        self._known[name] = found
        return found

    def _array(self, array: str) -> Value:
        name, values = self._arrays[array], self._namespace[array]
        sample = np.ones(1, values.dtype)
        if name in self._fixed:
            self._collected.constants[name] = values.copy()
            return Value(f"c_{name}[p]", sample)
        self._collected.states[name] = values.dtype
        return Value(f"x_{name}[p]", sample)

    def _loaded(self, node: ast.Subscript) -> Value:
        assert isinstance(node.value, ast.Name)
        if isinstance(node.slice, ast.Name) and node.slice.id == "_idx":
            return self._array(node.value.id)
        if self._arrays.get(node.value.id) == "t":
            return Value("now", np.float64(1))
        raise Refused(ast.unparse(node))

    def _operation(self, operator: ast.operator, left: Value, right: Value) -> Value:
        if isinstance(operator, ast.Pow):
            if right.sample != 2 or not isinstance(left.sample, np.ndarray):
                raise Refused("a power")
            return self._operation(ast.Mult(), left, left)
        if type(operator) not in OPERATORS:
            raise Refused(type(operator).__name__)
        sign = OPERATORS[type(operator)]
        sample = eval(f"a {sign} b", {"a": left.sample, "b": right.sample})
        return Value(f"({_as(left, sample)} {sign} {_as(right, sample)})", sample)

    def _comparison(self, node: ast.Compare) -> Value:
        left, right = self._value(node.left), self._value(node.comparators[0])
        if type(node.ops[0]) not in OPERATORS:
            raise Refused(ast.unparse(node))
        sign, common = OPERATORS[type(node.ops[0])], left.sample + right.sample
        return Value(f"({_as(left, common)} {sign} {_as(right, common)})", np.ones(1, bool))

    def _call(self, node: ast.Call) -> Value:
        called, values = ast.unparse(node.func), [self._value(a) for a in node.args]
        copied = isinstance(node.func, ast.Attribute) and node.func.attr == "copy"
        if copied and isinstance(node.func, ast.Attribute):
            return self._value(node.func.value)
        samples: list[Any] = [v.sample for v in values]
        sample: Any
        if called == "_numpy.where":
            sample = np.where(*samples)
            test = values[0].cast(np.dtype(bool))
            return Value(
                f"({_as(values[1], sample)} if {test} else {_as(values[2], sample)})", sample
            )
        if called not in ("timestep", "clip", *EXACT):
            raise Refused(called)
        sample = self._namespace[called](*samples)
        if called == "timestep":
            code = "timestep(" + ", ".join(f"np.float64({v.code})" for v in values) + ")"
        elif called == "clip":
            code = f"clip({', '.join(_as(v, sample) for v in values)})"
        else:  # which Brian2 may give as whole numbers
            sample = np.asarray(sample)
            code = f"np.{sample.dtype.name}({EXACT[called]}({values[0].code}))"
        return Value(code, sample)


def _as(value: Value, sample: Any) -> str:
    """Code of an operand in the precision of a result."""
    weak = not isinstance(sample, np.ndarray | np.generic)
    return value.code if weak else value.cast(sample.dtype)
