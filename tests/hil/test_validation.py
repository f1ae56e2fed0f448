from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from hil.validation import validate_values


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Leaf(Strict):
    size: PositiveInt = 1
    scale: float | Literal["auto"] = "auto"


class Tree(Strict):
    name: str = Field("oak", pattern="^[a-z]+$")
    leaf: Leaf = Leaf()
    maybe: Leaf | None = None
    leaves: dict[str, Leaf] = {}
    row: tuple[Leaf, ...] = ()

    @model_validator(mode="after")
    def _no_elm(self) -> "Tree":
        if self.name == "elm":
            raise ValueError("elms are gone: plant another")
        return self


class Root(Strict):
    depth: int


@pytest.mark.parametrize(
    "values, said",
    [
        ({"leaf": {"size": 0}}, "plan at.leaf.size = 0: should be greater than 0"),
        ({"leaf": {"size": True}}, "plan at.leaf.size = True: should be a valid integer"),
        (
            {"leaf": {"scale": "big"}},
            "plan at.leaf.scale = 'big': should be a valid number or 'auto'",
        ),
        ({"leaf": 3}, "plan at.leaf = 3: is a section, write at.leaf.key=value"),
        ({"name": "Oak"}, "plan at.name = 'Oak': String should match pattern '^[a-z]+$'"),
        ({"name": "elm"}, "elms are gone: plant another"),
        ({"nam": "oak"}, "plan key 'at.nam' is unknown: did you mean 'name'?"),
        ({"leaf": {"sice": 1}}, "plan key 'at.leaf.sice' is unknown: did you mean 'size'?"),
        ({"maybe": {"sice": 1}}, "plan key 'at.maybe.sice' is unknown: did you mean 'size'?"),
        (
            {"leaves": {"a": {"sice": 1}}},
            "plan key 'at.leaves.a.sice' is unknown: did you mean 'size'?",
        ),
        ({"row": [{"sice": 1}]}, "plan key 'at.row.sice' is unknown: did you mean 'size'?"),
        ({"row": [{"size": 1}, {"size": 0}]}, "plan at.row = 0: should be greater than 0"),
    ],
)
def test_what_is_wrong_is_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        validate_values(Tree, values, what="plan", where="at")
    message = str(error.value)
    assert message.startswith(said) and "\n" not in message


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match="plan key 'depth' is missing"):
        validate_values(Root, {}, what="plan")


def test_other_keys_that_may_stand_there_are_offered() -> None:
    with pytest.raises(ValueError, match="did you mean 'kind'"):
        validate_values(Root, {"depth": 1, "kint": 2}, what="plan", others=("kind",))


@pytest.mark.parametrize("name", ["a" * 10_000, "elm\r\x1b[2J", "two words " * 900])
def test_what_was_given_is_cut_and_escaped(name: str) -> None:
    """As a value that a validator of ours refuses, as a key, and within a table."""
    for values in ({"name": f"elm {name}"}, {name: 1}, {"leaves": {name: {"size": "x"}}}):
        with pytest.raises(ValueError) as error:
            validate_values(Tree, values, what="plan", where="at")
        message = str(error.value)
        assert message.isprintable() and len(message) < 500
