"""Handwritten digits of 28x28 pixels: 60000 to learn from and 10000 to test.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Proc. IEEE 86, 2278 (1998).
"""

from hil.tasks.idx import IdxFiles
from hil.tasks.task import Task

FILES = IdxFiles(
    task="mnist",
    base_url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    sha256={
        "train-images-idx3-ubyte": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)

TASK = Task(
    "mnist",
    "handwritten digits of 28x28 pixels, 10 classes",
    FILES.load,
    {
        "network": {"hidden": [800]},
        "augmentation": {"rotation": 0.2, "scale": 0.1, "shear": 0.1, "shift": 1.0},
        "optimiser": {"learning_rate": 2e-3},
        "training": {"epochs": 16},
    },
    # Faster, its weights run to the edge of what the device stores.
    {"bp": {"optimiser": {"learning_rate": 5e-4}}},
    files=FILES.files,
)
