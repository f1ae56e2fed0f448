"""Code of a time step with all that is the same in every step worked out once."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

# Functions of Brian2 that give the same for the same.
PURE = {"abs", "ceil", "clip", "cos", "cosh", "exp", "expm1", "exprel", "floor", "int", "log"}
PURE |= {"log10", "log1p", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "timestep"}


class NameReplacer(ast.NodeTransformer):
    """Puts other code in the place of names, and of what is taken from arrays."""

    def __init__(self, write: Callable[[Any], str]) -> None:
        """Take what writes that code."""
        self._write = write

    def visit_Name(self, node: ast.AST) -> ast.Name:
        """Put a name there that reads as that code."""
        return ast.Name(self._write(node), ast.Load())

    visit_Subscript = visit_Name


class ConstantFolder(ast.NodeTransformer):
    """Straight-line code of numpy, as Brian2 makes it, without what does not change.

    An expression of nothing but constants, fixed arrays and pure functions becomes a name.

    Attributes:
        values: Those names, and what is behind them.
        expressions: The same as code of numpy, of numbers and of variables alone.
    """

    def __init__(self, namespace: Mapping[str, Any], fixed: Mapping[str, str]) -> None:
        """Prepare for one piece of code.

        Args:
            namespace: What its names stand for.
            fixed: Those that no step changes, and the variables that they hold.
        """
        self._namespace = namespace
        self._constants = {name: namespace[name] for name in fixed if name in namespace}
        self._codes = {id(self._constants[name]): fixed[name] for name in self._constants}
        self.values: dict[str, Any] = {}
        self.expressions: dict[str, str] = {}

    def fold(self, code: str) -> ast.Module:
        """Parse the code, less what does not change."""
        tree = ast.parse(code)
        assigned = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name, value in self._namespace.items():
            if isinstance(value, int | float) and name not in assigned:
                self._constants[name] = value
        tree.body = [self._fold_statement(statement) for statement in tree.body]
        return ast.fix_missing_locations(tree)

    def _fold_statement(self, statement: ast.stmt) -> ast.stmt:
        if not isinstance(statement, ast.Assign | ast.AugAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self._constants.pop(node.id, None)
            return statement
        statement.value = self.visit(statement.value)
        targets = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
        value = statement.value if isinstance(statement, ast.Assign) else None
        for target in targets:
            if isinstance(target, ast.Name):
                self._constants.pop(target.id, None)
                if isinstance(value, ast.Name) and value.id in self._constants:
                    self._constants[target.id] = self._constants[value.id]
        return statement

    def visit(self, node: ast.AST) -> Any:
        """Replace what does not change by a name, and the same in the parts of what does."""
        is_operation = isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript)
        if not (is_operation and self._is_constant(node)):
            return self.generic_visit(node)
        name = f"_folded_{len(self.values)}"
        value = self._evaluate(node)
        written = ast.unparse(NameReplacer(self._write).visit(deepcopy(node)))
        self.values[name] = self._constants[name] = value
        self.expressions[name] = self._codes[id(value)] = f"({written})"
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _evaluate(self, node: ast.AST) -> Any:
        assert isinstance(node, ast.expr)
        expression = ast.fix_missing_locations(ast.Expression(node))
        return eval(compile(expression, "(folded)", "eval"), {**self._namespace, **self._constants})

    def _write(self, node: ast.Name | ast.Subscript) -> str:
        """Write what a name stands for: a number, a variable, an expression or a function."""
        value = self._evaluate(node)
        if callable(value):
            return ast.unparse(node)
        if isinstance(value, np.ndarray) and value.ndim:
            return self._codes.get(id(value), ast.unparse(node))
        return f"{value.dtype.name}({value.item()!r})" if hasattr(value, "dtype") else repr(value)

    def _is_constant(self, node: ast.AST) -> bool:
        """Tell whether it is the same in every step."""
        if isinstance(node, ast.Name):
            return node.id in self._constants
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.BinOp):
            return self._is_constant(node.left) and self._is_constant(node.right)
        if isinstance(node, ast.UnaryOp):
            return self._is_constant(node.operand)
        if isinstance(node, ast.Subscript):
            return self._is_constant(node.value) and isinstance(node.slice, ast.Constant)
        if isinstance(node, ast.Call):
            pure = isinstance(node.func, ast.Name) and node.func.id in PURE
            return pure and not node.keywords and all(map(self._is_constant, node.args))
        return False
