"""Clothes of 28x28 pixels, in the form of MNIST and harder: 60000 to learn from, 10000 to test.

H. Xiao, K. Rasul and R. Vollgraf, arXiv:1708.07747 (2017).
"""

from hil.tasks.idx import IdxFiles
from hil.tasks.task import Task

FILES = IdxFiles(
    task="fashion_mnist",
    base_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    sha256={
        "train-images-idx3-ubyte": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)

TASK = Task(
    "fashion_mnist",
    "pieces of clothing of 28x28 pixels, 10 classes",
    FILES.load,
    {
        "network": {"hidden": [800]},
        "optimiser": {"learning_rate": 2e-3},
        "training": {"epochs": 16},
    },
    {"bp": {"optimiser": {"learning_rate": 5e-4}}},
    files=FILES.files,
)
