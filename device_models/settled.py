"""Code of a time step with all that is the same in every step worked out once."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

# Functions of Brian2 that give the same for the same.
PURE = {"abs", "ceil", "clip", "cos", "cosh", "exp", "expm1", "exprel", "floor", "int", "log"}
PURE |= {"log10", "log1p", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "timestep"}


class Settled(ast.NodeTransformer):
    """Straight-line code of numpy, as Brian2 makes it, without what does not change.

    An expression of nothing but constants, fixed arrays and pure functions becomes a name.

    Attributes:
        values: Those names, and what is behind them.
    """

    def __init__(self, namespace: Mapping[str, Any], fixed: frozenset[str]) -> None:
        """Prepare for one piece of code.

        Args:
            namespace: What its names stand for.
            fixed: Those that no step changes.
        """
        self._namespace = namespace
        self._known = {name: namespace[name] for name in fixed if name in namespace}
        self.values: dict[str, Any] = {}

    def settle(self, code: str) -> ast.Module:
        """The code, less what does not change."""
        tree = ast.parse(code)
        assigned = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name, value in self._namespace.items():
            if isinstance(value, int | float) and name not in assigned:
                self._known[name] = value
        tree.body = [self._statement(statement) for statement in tree.body]
        return ast.fix_missing_locations(tree)

    def _statement(self, statement: ast.stmt) -> ast.stmt:
        if not isinstance(statement, ast.Assign | ast.AugAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self._known.pop(node.id, None)
            return statement
        statement.value = self.visit(statement.value)
        targets = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
        value = statement.value if isinstance(statement, ast.Assign) else None
        for target in targets:
            if isinstance(target, ast.Name):
                self._known.pop(target.id, None)
                if isinstance(value, ast.Name) and value.id in self._known:
                    self._known[target.id] = self._known[value.id]
        return statement

    def visit(self, node: ast.AST) -> Any:
        """A name for what does not change, and the same for the parts of what does."""
        worth = isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript)
        if not (worth and self._same(node)):
            return self.generic_visit(node)
        name = f"_settled_{len(self.values)}"
        assert isinstance(node, ast.expr)
        expression = ast.fix_missing_locations(ast.Expression(node))
        value = eval(compile(expression, "(settled)", "eval"), {**self._namespace, **self._known})
        self.values[name] = self._known[name] = value
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _same(self, node: ast.AST) -> bool:
        """Whether it is the same in every step."""
        if isinstance(node, ast.Name):
            return node.id in self._known
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.BinOp):
            return self._same(node.left) and self._same(node.right)
        if isinstance(node, ast.UnaryOp):
            return self._same(node.operand)
        if isinstance(node, ast.Subscript):
            return self._same(node.value) and isinstance(node.slice, ast.Constant)
        if isinstance(node, ast.Call):
            pure = isinstance(node.func, ast.Name) and node.func.id in PURE
            return pure and not node.keywords and all(map(self._same, node.args))
        return False
