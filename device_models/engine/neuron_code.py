"""From Brian2's numpy code for all neurons of a layer to code for one, with the same arithmetic.

Every operation is done in the precision in which numpy would do it, which is found by letting numpy
do it once. What cannot be told apart from numpy bit by bit is refused: functions such as `exp`,
unless they are the same in every step, and whatever is no arithmetic.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.brian2_network import LayerGroup, Stepper, array_names, brian2
from device_models.engine.circuit import Circuit
from device_models.engine.constant_folding import ConstantFolder, NameReplacer
from device_models.engine.kernel import NeuronCode
from device_models.engine.layer_code import WORDS, LayerCode, Untranslatable
from device_models.mismatch import LayerMismatch

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


@dataclass(frozen=True)
class TypedCode:
    """Code of an expression, and a value of it as numpy has it, which tells its precision."""

    code: str
    sample: Any

    def cast(self, dtype: np.dtype[Any]) -> str:
        """Its code in a precision."""
        if isinstance(self.sample, np.ndarray | np.generic) and self.sample.dtype == dtype:
            return self.code
        return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}({self.code})"


@dataclass
class References:
    """Data that the code of a layer refers to.

    Attributes:
        states: Precision of what changes, by name: `x_NAME[p]` in the code.
        constants: What each neuron has, as an expression and `(n,)`, by name: `c_NAME[p]` in the
            code.
        scalars: Numbers, in order: `q[layer, k]` in the code.
    """

    states: dict[str, np.dtype[Any]] = field(default_factory=dict)
    constants: dict[str, tuple[str, NDArray[Any]]] = field(default_factory=dict)
    scalars: list[float] = field(default_factory=list)


class ScalarTranslator:
    """The code of one object of Brian2, for one neuron.

    Attributes:
        lines: Statements.
        condition: What `_cond` is; empty where nothing is tested.
        sets_refractory: Whether a spike makes the neuron refractory.
    """

    def __init__(self, code: Any, changing: str, references: References, tag: str) -> None:
        """Translate.

        Args:
            code: Brian2's code object, for one copy of a layer.
            changing: The constant of neurons that may change from run to run; empty for none.
            references: What the code of the layer refers to so far.
            tag: Tells its names from those of other code of the layer.

        Raises:
            Untranslatable: When that cannot be done.
        """
        arrays = array_names(code)
        self._arrays = {array: name for array, (name, _) in arrays.items()}
        self._fixed = {n for n, constant in arrays.values() if constant and n != changing}
        fixed = {array: name for array, name in self._arrays.items() if name in self._fixed}
        folder = ConstantFolder(code.namespace, fixed)
        tree = folder.fold(code.code.run)
        self._namespace = {**code.namespace, **folder.values}
        self._expressions, self._tag, self._references = folder.expressions, tag, references
        self._names: dict[str, TypedCode] = {}
        # Brian2 loads first and stores last, in an order that differs from process to process.
        self._loads: dict[str, str] = {}
        self._body: list[str] = []
        self._stores: list[str] = []
        self.condition = ""
        self.sets_refractory = "_not_refractory[_events] = False" in code.code.run
        for statement in tree.body:
            self._translate_statement(statement)
            if self.condition:
                break
        loads = [f"{own} = {code}" for own, code in sorted(self._loads.items())]
        self.lines = [*loads, *self._body, *sorted(self._stores)]

    def _translate_statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return
        if isinstance(statement, ast.AugAssign):
            assert isinstance(statement.target, ast.Name)
            name = statement.target.id
            load = ast.Name(name, ast.Load())
            before = self._evaluate(load)
            after = self._evaluate(ast.BinOp(load, statement.op, statement.value))
            typed = isinstance(before.sample, np.ndarray)
            self._assign(name, after, before.sample.dtype if typed else None)
            return
        if not isinstance(statement, ast.Assign):
            raise Untranslatable(ast.unparse(statement))
        (target,), value = statement.targets, statement.value
        if isinstance(target, ast.Subscript):
            self._translate_store(target, value)
        elif not isinstance(target, ast.Name):
            raise Untranslatable(ast.unparse(statement))
        elif target.id in ("_vectorisation_idx", "_idx", "numpy_True", "numpy_False"):
            return
        elif target.id == "_cond":
            self.condition = self._evaluate(value).cast(np.dtype(bool))
        else:
            self._assign(target.id, self._evaluate(value))

    def _assign(self, name: str, value: TypedCode, dtype: np.dtype[Any] | None = None) -> None:
        weak = not isinstance(value.sample, np.ndarray | np.generic)
        if weak or value.code.startswith(("q[", "c_", "now")):  # never changes within a step
            self._names[name] = value
            return
        dtype = dtype or value.sample.dtype
        if value.code == f"x_{name}[p]":
            own = f"{self._tag}_{name}"
            self._loads[own] = value.code
        else:
            own = f"{self._tag}_{len(self._body)}"
            self._body.append(f"{own} = {value.cast(dtype)}")
        self._names[name] = TypedCode(own, value.sample.astype(dtype))

    def _translate_store(self, target: ast.Subscript, value: ast.expr) -> None:
        """`array[:] = value`, `array[_idx] = value`, or `name[mask] = value[mask]`."""
        assert isinstance(target.value, ast.Name)
        name = target.value.id
        if name in self._arrays:
            own = self._arrays[name]
            dtype = self._namespace[name].dtype
            self._references.states[own] = dtype
            self._stores.append(f"x_{own}[p] = {self._evaluate(value).cast(dtype)}")
            return
        if not isinstance(value, ast.Subscript) or name not in self._names:
            raise Untranslatable(ast.unparse(target))
        before = self._names[name]
        new = self._evaluate(value.value).cast(before.sample.dtype)
        mask = self._evaluate(target.slice).cast(np.dtype(bool))
        self._assign(name, TypedCode(f"({new} if {mask} else {before.code})", before.sample))

    def _evaluate(self, node: ast.expr) -> TypedCode:
        if isinstance(node, ast.Constant):
            return TypedCode(repr(node.value), node.value)
        if isinstance(node, ast.Name):
            return self._look_up_name(node.id)
        if isinstance(node, ast.Subscript):  # array[_idx], or the time
            return self._evaluate_load(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self._evaluate(node.operand)
            sample = -operand.sample
            return TypedCode(f"(-{_cast(operand, sample)})", sample)
        if isinstance(node, ast.BinOp):
            return self._evaluate_operation(
                node.op,
                self._evaluate(node.left),
                self._evaluate(node.right),
            )
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._evaluate_comparison(node)
        if isinstance(node, ast.Call):
            return self._evaluate_call(node)
        raise Untranslatable(ast.unparse(node))

    def _look_up_name(self, name: str) -> TypedCode:
        if name in self._names:
            return self._names[name]
        if name in self._arrays:
            return self._refer_to_array(name)
        if name not in self._namespace:
            raise Untranslatable(name)
        value = self._namespace[name]
        if isinstance(value, np.ndarray) and value.ndim == 1 and name in self._expressions:
            own = f"{self._tag}{name}_{value.dtype.name}"
            self._references.constants[own] = self._expressions[name], value
            return TypedCode(f"c_{own}[p]", np.ones(1, value.dtype))
        if not isinstance(value, int | float | np.number):
            raise Untranslatable(name)
        self._references.scalars.append(float(value))
        self._names[name] = TypedCode(f"q[layer, {len(self._references.scalars) - 1}]", value)
        return self._names[name]

    def _refer_to_array(self, array: str) -> TypedCode:
        name, values = self._arrays[array], self._namespace[array]
        sample = np.ones(1, values.dtype)
        if name in self._fixed:
            self._references.constants[name] = name, values
            return TypedCode(f"c_{name}[p]", sample)
        self._references.states[name] = values.dtype
        return TypedCode(f"x_{name}[p]", sample)

    def _evaluate_load(self, node: ast.Subscript) -> TypedCode:
        assert isinstance(node.value, ast.Name)
        if isinstance(node.slice, ast.Name) and node.slice.id == "_idx":
            return self._refer_to_array(node.value.id)
        if self._arrays.get(node.value.id) == "t":
            return TypedCode("now", np.float64(1))
        raise Untranslatable(ast.unparse(node))

    def _evaluate_operation(
        self, operator: ast.operator, left: TypedCode, right: TypedCode
    ) -> TypedCode:
        if isinstance(operator, ast.Pow):
            if right.sample != 2 or not isinstance(left.sample, np.ndarray):
                raise Untranslatable("a power")
            return self._evaluate_operation(ast.Mult(), left, left)
        if type(operator) not in OPERATORS:
            raise Untranslatable(type(operator).__name__)
        sign = OPERATORS[type(operator)]
        sample = eval(f"a {sign} b", {"a": left.sample, "b": right.sample})
        return TypedCode(f"({_cast(left, sample)} {sign} {_cast(right, sample)})", sample)

    def _evaluate_comparison(self, node: ast.Compare) -> TypedCode:
        left, right = (
            self._evaluate(node.left),
            self._evaluate(node.comparators[0]),
        )
        if type(node.ops[0]) not in OPERATORS:
            raise Untranslatable(ast.unparse(node))
        sign, common = OPERATORS[type(node.ops[0])], left.sample + right.sample
        return TypedCode(f"({_cast(left, common)} {sign} {_cast(right, common)})", np.ones(1, bool))

    def _evaluate_call(self, node: ast.Call) -> TypedCode:
        called, values = ast.unparse(node.func), [self._evaluate(a) for a in node.args]
        copied = isinstance(node.func, ast.Attribute) and node.func.attr == "copy"
        if copied and isinstance(node.func, ast.Attribute):
            return self._evaluate(node.func.value)
        samples: list[Any] = [v.sample for v in values]
        sample: Any
        if called == "_numpy.where":
            sample = np.where(*samples)
            test = values[0].cast(np.dtype(bool))
            return TypedCode(
                f"({_cast(values[1], sample)} if {test} else {_cast(values[2], sample)})", sample
            )
        if called not in ("timestep", "clip", *EXACT):
            raise Untranslatable(called)
        sample = self._namespace[called](*samples)
        if called == "timestep":
            code = "timestep(" + ", ".join(f"np.float64({v.code})" for v in values) + ")"
        elif called == "clip":
            code = f"clip({', '.join(_cast(v, sample) for v in values)})"
        else:  # which Brian2 may give as whole numbers
            sample = np.asarray(sample)
            code = f"np.{sample.dtype.name}({EXACT[called]}({values[0].code}))"
        return TypedCode(code, sample)


def _cast(value: TypedCode, sample: Any) -> str:
    """Code of an operand in the precision of a result."""
    weak = not isinstance(sample, np.ndarray | np.generic)
    return value.code if weak else value.cast(sample.dtype)


def translate_layer(chip: Circuit, layer: LayerMismatch, driven: bool) -> LayerCode:
    """Translate what Brian2 makes of the model in a layer.

    Args:
        chip: The chip.
        layer: The layer.
        driven: Whether input currents flow into it.

    Raises:
        Untranslatable: When there is no translation that is equal bit by bit.
    """
    b2, model = brian2(), chip.model
    clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
    group = LayerGroup(chip, layer, 1, driven, clock)
    stepper = Stepper(b2.Network([group.group]), clock)
    changing = model.silent if chip.temporal.trial_threshold_sd else ""
    parts: dict[str, list[str]] = {"update": [], "test": [], "reset": []}
    references, refractory = References(), set()
    for k, item in enumerate(stepper.objects):
        for code in getattr(item, "_code_objects", ()):
            own = ScalarTranslator(code, changing, references, f"l{k}")
            lines = own.lines
            if own.condition:
                refractory.add(own.sets_refractory)
                lines = [*lines, f"fires = {own.condition}"]
            parts[{"thresholds": "test", "resets": "reset"}.get(item.when, "update")] += lines
    states = {name: dtype.name for name, dtype in references.states.items()}
    states |= dict.fromkeys((model.membrane, *model.receivers), group.membrane.dtype.name)
    (is_refractory,) = refractory
    if is_refractory:
        states |= {"not_refractory": "bool", "lastspike": "float64"}
    states.setdefault("i_in", group.membrane.dtype.name)
    made = LayerCode(
        code=NeuronCode(*("\n".join(lines) for lines in parts.values())),
        refractory=is_refractory,
        states=states,
        scalars=references.scalars,
        constants={name: code for name, (code, _) in references.constants.items()},
        initial={name: _write_initial(chip, layer, group, name) for name in states},
    )
    known = {name: values for name, (_, values) in references.constants.items()}
    known |= {n: group.view(n)[0].astype(states[n]) for n in states if n in group.group.variables}
    _check(made, chip, layer, known)
    return made


def _write_initial(chip: Circuit, layer: LayerMismatch, group: LayerGroup, name: str) -> str:
    """Write where a variable of a layer starts; 0 where the layer has none of that name."""
    if name not in group.group.variables:
        return "0"
    if name == "i_in":
        return "_bias"
    if name in layer.varied:
        return name
    tree = ast.parse(chip.model.initial.get(name, ""))
    if not layer.varied.keys() & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}:
        return repr(group.view(name)[0, 0].item())
    units = vars(brian2())

    def write(node: ast.Name) -> str:
        word = node.id in layer.varied or node.id in WORDS
        return node.id if word else repr(float(chip.constants.get(node.id, units.get(node.id, 0))))

    return ast.unparse(NameReplacer(write).visit(tree))


def _check(
    made: LayerCode, chip: Circuit, layer: LayerMismatch, known: Mapping[str, NDArray[Any]]
) -> None:
    """Check that expressions give what Brian2 has.

    Raises:
        Untranslatable: When one does not.
    """
    try:
        constants, initial = made.evaluate(chip, layer)
    except Exception as error:
        raise Untranslatable(f"an expression of parameters: {error}") from None
    for name, values in known.items():
        own = {**initial, **constants}[name]
        if own.dtype != values.dtype or not np.array_equal(own, values, equal_nan=True):
            raise Untranslatable(f"the expression of {name}")
