"""Tables as people have them: read as pandas wrote them, or refused with the line that helps."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil import tasks
from hil.tasks import formats, own_file
from support.data_sets import one_line

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)
TEXTS = st.text("abcäß,;\"' xyz", min_size=1, max_size=6).map(str.strip).filter(bool)
NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False)


def is_text(label: str) -> bool:
    try:
        return label.lower() != "nan" and float(label) != float(label)
    except ValueError:
        return True


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """A table of numbers, whole or not, with a column of labels somewhere."""
    usual = ("label", "labels", "target", "class", "y")
    some = st.lists(NAMES.filter(lambda n: n.lower() not in usual), min_size=1, max_size=4)
    columns = draw(some.map(lambda names: list(dict.fromkeys(names))))
    rows = draw(st.integers(2, 8))
    data = {n: draw(st.lists(NUMBERS, min_size=rows, max_size=rows)) for n in columns}
    kind = draw(st.sampled_from([st.integers(-9, 9), TEXTS.filter(is_text)]))
    labels = draw(st.lists(kind, min_size=rows, max_size=rows))
    frame = pd.DataFrame(data)
    frame.insert(draw(st.integers(0, len(columns))), draw(st.sampled_from(usual)), labels)
    return frame


def read(task: str) -> dict[str, NDArray[Any]]:
    address = own_file.parse_address(task)
    assert address is not None
    return formats.get(address.format).read(address)


def same(arrays: dict[str, NDArray[Any]], frame: pd.DataFrame) -> None:
    label = next(n for n in frame if n.lower() in ("label", "labels", "target", "class", "y"))
    features = frame.drop(columns=label)
    np.testing.assert_array_equal(arrays["x_train"], features.to_numpy())
    assert arrays["y_train"].tolist() == frame[label].tolist()
    assert arrays["feature_names"].tolist() == list(features.columns)


@given(
    frame=frames(),
    dialect=st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_pandas_writes_as_text_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    frame: pd.DataFrame,
    dialect: tuple[str, str],
    encoding: str,
    quoting: int,
    end: str,
) -> None:
    path = tmp_path_factory.mktemp("csv") / "own.csv"
    frame.to_csv(
        path,
        index=False,
        sep=dialect[0],
        decimal=dialect[1],
        encoding=encoding,
        quoting=quoting,
        lineterminator=end,
    )
    same(read(f"csv:{path}"), frame)


@given(frame=frames(), category=st.booleans(), shuffled=st.booleans())
def test_whatever_pandas_writes_as_parquet_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, category: bool, shuffled: bool
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "own.parquet"
    if shuffled:  # with an index that pandas keeps
        frame = frame.sample(frac=1, random_state=0)
    label = next(n for n in frame if n.lower() in ("label", "labels", "target", "class", "y"))
    (frame.astype({label: "category"}) if category else frame).to_parquet(path)
    same(read(f"parquet:{path}"), frame)


GOOD = "a,b,label\n0.1,5,no\n0.4,2,yes\n0.2,4,no\n0.3,3,yes\n"


def table(text: str | bytes, options: str = "") -> str:
    Path("own.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"csv:own.csv{options}"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "no column of labels": (
        GOOD.replace("label", "species"), "", "holds the labels.*'csv:own.csv.label=species'"),
    "two columns of labels": (
        GOOD.replace("b", "target", 1), "", "target, label: say so: 'csv:own.csv.label=label'"),
    "a label that there is not": (GOOD, "?label=lable", "no such column: did you mean 'label'"),
    "a column to drop that there is not": (GOOD, "?drop=c", "drop=c: known: a, b, label"),
    "an option that there is not": (GOOD, "?lable=a", "option 'lable'.*did you mean 'label'"),
    "an option without a value": (GOOD, "?label", "write csv:FILE.key=value"),
    "an option twice": (GOOD, "?label=a&label=b", "given twice"),
    "a share of all": (GOOD, "?test=1", "give a share between 0 and 1, or a file"),
    "the index of pandas": (
        ",a,label\n0,1,x\n1,2,y\n", "", "column1 has no name.*'csv:own.csv.drop=column1'"),
    "a column twice": ("a,a,label\n1,2,x\n", "", "column 'a' is there twice"),
    "no names": ("1,2,0\n3,4,1\n", "", "first line holds numbers.*such as x1,x2,label"),
    "one column": ("label\nx\n", "", "fewer than two columns"),
    "nothing but labels": ("a,label\n1,x\n", "?drop=a", "no column besides 'label'"),
    "texts": (
        "a,b,c,label\n1,red,x,0\n2,blue,y,1\n", "",
        "no numbers in 'b' .'red' in line 2., 'c' .'x' in line 2.: leave such columns out: "
        "'csv:own.csv.drop=b,c'"),
    "a text that has a comma in its name": (
        '"a,b",c,label\nx,1,0\n', "", "'csv:own.csv.drop=a%2Cb'"),
    "a gap": (
        GOOD.replace("0.2,", ","), "",
        "line 4: no value in column 'a'.*'csv:own.csv.drop=a'"),
    "a gap by another word": (GOOD.replace("0.2,", "NA,"), "", "line 4: no value in column 'a'"),
    "infinity": (GOOD.replace("0.2,", "inf,"), "", "line 4: no value in column 'a'"),
    "no label": (GOOD.replace("0.2,4,no", "0.2,4,"), "", "line 4: no label in column 'label'"),
    "a cell too many in every row": (
        "a,b,label\n1,2,3,x\n4,5,6,y\n", "", "line 2: has more cells"),
    "a row that is too short": (GOOD.replace("0.2,4,no", "0.2,4"), "", "line 4: no label"),
    "a row that is too long": (GOOD.replace("4,no", "4,no,"), "", "3 fields in line 4, saw 4"),
    "a comma and a point": (
        "a;b;label\n1,5;2;x\n1;2.5;y\n", "",
        "decimal comma, '1,5' in line 2, and a decimal point, '2.5' in line 3"),
    "measurements": (
        GOOD, "?label=a&drop=label&problem=classification", "holds 0.1, which is a measurement"
    ),
    "long texts": (f"a,label\n1,{'x' * 300}\n", "", "texts of 300 characters"),
    "another encoding": ("a,label\n1,größe\n".encode("cp1252"), "", "iconv -f WINDOWS-1252"),
    "no text": (b"PK\x03\x04\x00\x00", "", "is no text: .*npz:FILE or parquet:FILE"),
    "no rows": ("a,label\n", "", "no samples below its first line"),
    "nothing": ("", "", "fewer than two columns"),
    "an open quote": ('a,label\n1,"x\n', "", "no table as text"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_used_is_refused_with_the_line_that_helps(name: str) -> None:
    text, options, complaint = REFUSED[name]
    with pytest.raises(ValueError, match=complaint) as error:
        tasks.load(table(text, options), 0, 0.0)
    assert "own.csv" in one_line(error)


@pytest.mark.parametrize("name", ["texts", "a gap", "the index of pandas", "no column of labels"])
def test_the_line_that_is_given_helps(name: str) -> None:
    text, options, _ = REFUSED[name]
    lines = str(text).splitlines()
    task = table("\n".join([lines[0], *lines[1:] * 10]), options)
    with pytest.raises(ValueError, match=r"csv:own\.csv") as error:
        tasks.load(task, 0, 0.0)
    helps = re.findall(r"'(csv:.*?)'", str(error.value))[-1]
    assert len(tasks.load(helps, 0, 0.0).y_train)


def test_a_line_that_excel_puts_first_is_no_row() -> None:
    data = tasks.load(table("sep=;\n" + GOOD.replace(",", ";")), 0, 0.0)
    assert data.features == 2


def test_what_suits_a_table_follows_from_the_samples_that_are_learned_from() -> None:
    rows = [f"{n / 300},{n % 7},{n % 2}" for n in range(300)]
    suited = tasks.get(table("\n".join(["a,b,label", *rows]), "?test=0.5")).defaults
    arrays = tasks.get("npz:own.npz")
    x, y = np.random.default_rng(0).random((150, 2)), np.tile([0, 1], 75)
    np.savez("own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert suited and suited == tasks.get("npz:own.npz").defaults != arrays.defaults


def test_a_share_is_set_aside_for_the_test_and_a_file_may_be_given() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((50, 3)), columns=["a", "b", "c"]).assign(label=[0, 1] * 25)
    frame[:30].to_csv("first.csv", index=False)
    frame[30:][["c", "label", "a", "b"]].to_csv("second.csv", index=False, sep=";")
    one, two = (tasks.load("csv:first.csv", seed, 0.0) for seed in (0, 1))
    assert len(one.y_test) == 6 and len(one.y_train) == 24
    np.testing.assert_array_equal(one.x_test, two.x_test)
    both = tasks.load("csv:first.csv?test=second.csv", 0, 0.0)
    assert len(both.y_train) == 30
    expected = frame[30:][["a", "b", "c"]].to_numpy().astype(np.float32)
    np.testing.assert_array_equal(both.x_test, expected)  # by their names, whatever the order
    frame[30:].drop(columns="b").to_csv("second.csv", index=False)
    with pytest.raises(ValueError, match=r"second.csv: lacks b"):
        tasks.load("csv:first.csv?test=second.csv", 0, 0.0)


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ({"a": ["x", "y"]}, r"no numbers in 'a' \(of type .*string\).*drop=a"),
        ({"a": [[1], [2]]}, r"'a' \(of type list"),
        ({"a": [1.0, None]}, "row 2: no value in column 'a'"),
        ({"label": ["x", None]}, "row 2: no label in column 'label'"),
    ],
)
def test_a_parquet_that_cannot_be_used_is_refused(column: dict[str, Any], complaint: str) -> None:
    good = {"a": [1.0, 2.0], "b": [True, False], "label": ["x", "y"]}
    pd.DataFrame({**good, **column}).to_parquet("own.parquet")
    with pytest.raises(ValueError, match=complaint) as error:
        tasks.load("parquet:own.parquet", 0, 0.0)
    assert "own.parquet" in one_line(error)


def test_the_name_of_a_file_alone_is_answered_with_its_address() -> None:
    for name in ("iris.csv", "some/iris.parquet", "iris.npz"):
        with pytest.raises(ValueError, match=rf"did you mean '[a-z]+:{name}'"):
            tasks.get(name)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_many_columns_takes_time_by_their_number(kind: str) -> None:
    """Ten times the columns may take twenty times as long, and not a hundred."""

    def seconds(columns: int) -> float:
        x = np.tile(np.arange(4.0), (columns, 1))
        frame = pd.DataFrame(dict(zip(map(str, range(columns)), x, strict=True)))
        frame = frame.rename(columns=lambda name: f"c{name}").assign(label=[0, 1, 0, 1])
        getattr(frame, f"to_{kind}")(f"wide.{kind}", index=False)
        times = []
        for _ in range(3):  # one may meet a collection of all that other tests left
            start = time.process_time()
            assert read(f"{kind}:wide.{kind}")["x_train"].shape == (4, columns)
            times.append(time.process_time() - start)
        return min(times)

    seconds(10)
    assert seconds(6000) < 20 * seconds(600) + 0.3
