"""Handwritten digits, and clothes, of 28x28 pixels: 60000 to learn from and 10000 to test.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Proc. IEEE 86, 2278 (1998); H. Xiao, K. Rasul and
R. Vollgraf, arXiv:1708.07747 (2017).

They come in four IDX files. One is two zero bytes, a type code (8: unsigned byte), the number of
dimensions, each dimension as a big-endian u32, and the values in row-major order; it may be
gzipped. Format: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from gzip import GzipFile
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers.errors import FileFormatError, shorten
from drivers.files.bounded import RATIO, UNPACKED, open_file
from hil.tasks.labels import Labels
from hil.tasks.task import Data, Task, split_off

_CLASSES = 10
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class IdxFiles:
    """The four IDX files of a task, and their source.

    Attributes:
        task: Name of the task, and of its folder.
        base_url: Where the gzipped files are, ending in `/`.
        sha256: Checksum of each gzipped file, in the order of `NAMES`.
    """

    task: str
    base_url: str
    sha256: tuple[str, ...]

    def load(self, rng: Generator, validation_fraction: float) -> Data:
        """Read the task's files.

        They are looked for in `$HIL_DATA_DIR/<task>`, gzipped or not, named as in
        `train-images-idx3-ubyte` or `train-images.idx3-ubyte`. If that folder holds none of the
        four, they are taken from the user's cache, and downloaded into it if need be. The images
        may have any size and the files any number of them.

        Args:
            rng: Draws the validation part.
            validation_fraction: Share of the training samples set aside for validation.

        Returns:
            uint8 images of 10 classes.

        Raises:
            ValueError: When a file is missing, damaged, or does not go with the others.
        """
        paths = self.files()
        x, y = _read_pair(paths[0], paths[1])
        x_test, y_test = _read_pair(paths[2], paths[3])
        if x.shape[1:] != x_test.shape[1:]:
            raise ValueError(
                f"{paths[2]}: images of {x_test.shape[1:]} pixels, but {x.shape[1:]} in {paths[0]}"
            )
        features = prod(x.shape[1:])
        return Data(
            **split_off(x.reshape(-1, features), y, validation_fraction, rng),
            x_test=x_test.reshape(-1, features),
            y_test=y_test,
            classes=_CLASSES,
            image_shape=(x_test.shape[1], x_test.shape[2]),
        )

    def files(self) -> list[Path]:
        """The four files: images and labels to learn from, images and labels to test with.

        Raises:
            ValueError: When they are nowhere.
        """
        return _find_own_files(self.task) or [
            self._fetch(name, checksum) for name, checksum in zip(NAMES, self.sha256, strict=True)
        ]

    def _fetch(self, name: str, checksum: str) -> Path:
        import pooch

        url = f"{self.base_url}{name}.gz"
        folder = Path(pooch.os_cache("spikeloop")) / self.task
        try:
            return Path(pooch.retrieve(url, f"sha256:{checksum}", f"{name}.gz", folder))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{name} is neither in $HIL_DATA_DIR/{self.task} nor in {folder}, and {url} gave "
                f"{type(error).__name__}: put the four IDX files in $HIL_DATA_DIR/{self.task}"
            ) from error


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Args:
        path: The file, gzipped or not, which its first bytes tell.

    Returns:
        The array, of the file's own number of dimensions.

    Raises:
        ValueError: When it is no such file, or is cut short or empty.
    """
    try:
        with open_file(path) as handle:
            packed = handle.read(2) == b"\x1f\x8b"
            handle.seek(0)
            size = os.fstat(handle.fileno()).st_size
            if packed:
                with GzipFile(fileobj=handle) as unpacked:
                    return _read(path, unpacked, max(UNPACKED, RATIO * size))
            return _read(path, handle, size)
    except FileFormatError:
        raise
    except EOFError as error:
        raise ValueError(f"{path}: the gzip stream is cut short: fetch the file again") from error
    except (OSError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({error}): fetch the file again") from error


def _read(path: Path, source: IO[bytes] | GzipFile, most: int) -> NDArray[np.uint8]:
    """The array of an IDX file, which has no more than so many bytes."""
    start = source.read(4)
    if not start.startswith(b"\x00\x00\x08"):
        raise ValueError(
            f"{path}: begins with {start.hex() or 'nothing'}: an IDX file of unsigned bytes "
            "begins with 000008"
        )
    dimensions = start[3] if len(start) > 3 else 0
    sizes = source.read(4 * dimensions)
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
    length = prod(shape)
    content = source.read(length + 1) if 1 <= dimensions <= 3 and length <= most else b""
    if len(sizes) != 4 * dimensions or len(content) != length or not 1 <= dimensions <= 3:
        stated = f"{dimensions} dimensions {shorten(str(shape))}"
        raise ValueError(
            f"{path}: its bytes are not those that its header announces, {stated}: the file is "
            "damaged, fetch it again"
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _find_own_files(task: str) -> list[Path]:
    """Find the four files under `$HIL_DATA_DIR`, or none: parts of two collections never mix."""
    root = os.environ.get("HIL_DATA_DIR")
    if not root:
        return []
    folder = Path(root) / task
    places = {name: _find_spelling(folder, name) for name in NAMES}
    paths = [path for path in places.values() if path is not None]
    if paths and len(paths) < len(NAMES):
        missing = ", ".join(name for name, path in places.items() if path is None)
        raise ValueError(f"{folder}: {missing} is missing: put all four IDX files there, or none")
    return paths


def _find_spelling(folder: Path, name: str) -> Path | None:
    spellings = (name, name.replace("-idx", ".idx"))
    candidates = [folder / f"{stem}{ending}" for stem in spellings for ending in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], Labels]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise ValueError(f"{images_path}: has {images.ndim} dimensions: images have 3")
    if labels.ndim != 1:
        raise ValueError(f"{labels_path}: has {labels.ndim} dimensions: labels have 1")
    if images.size == 0:
        raise ValueError(f"{images_path}: is empty, its shape is {images.shape}: give some images")
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path}"
        )
    if labels.max() >= _CLASSES:
        raise ValueError(
            f"{labels_path}: holds the label {labels.max()}: give 0 to {_CLASSES - 1}, or use "
            "npz:FILE for another number of classes"
        )
    return images, labels.astype(np.int64)


DIGITS_FILES = IdxFiles(
    task="mnist",
    base_url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    sha256=(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

DIGITS = Task(
    "mnist",
    "handwritten digits of 28x28 pixels, 10 classes",
    DIGITS_FILES.load,
    {
        "network": {"hidden": [800]},
        "augmentation": {"rotation": 0.2, "scale": 0.1, "shear": 0.1, "shift": 1.0},
        "optimiser": {"learning_rate": 2e-3},
        "training": {"epochs": 16},
    },
    # Faster, its weights run to the edge of what the device stores.
    {"bp": {"optimiser": {"learning_rate": 5e-4}}},
    files=DIGITS_FILES.files,
)

CLOTHES_FILES = IdxFiles(
    task="fashion_mnist",
    base_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    sha256=(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)

CLOTHES = Task(
    "fashion_mnist",
    "pieces of clothing of 28x28 pixels, 10 classes",
    CLOTHES_FILES.load,
    {
        "network": {"hidden": [800]},
        # Classes are near each other: counts of 20 steps alone leave many outputs equal.
        "readout": {"source": "both"},
        "optimiser": {"learning_rate": 2e-3},
        "training": {"epochs": 16},
    },
    {"bp": {"optimiser": {"learning_rate": 5e-4}}},
    files=CLOTHES_FILES.files,
)
TASKS = {task.name: task for task in (DIGITS, CLOTHES)}
