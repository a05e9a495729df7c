"""The settings of a project, as records."""

from dataclasses import dataclass, field
from pathlib import Path

from edgelstm.numerics.contracts import Contract


@dataclass(frozen=True)
class DataSection:
    """[data]. `source` is what `data.load_dataset` takes; None where the project names no data."""

    source: str | None = None


@dataclass(frozen=True)
class ModelSection:
    """[model]: where the trained model lies, and how to train it.

    Attributes:
        file: the model, relative to the project's folder.
        build: "file.py:function" that makes an untrained Keras model from (input shape, data set); None for
            a stack of `lstm` and `dense` layers.
        lstm: units of each LSTM layer.
        dense: units of each hidden dense layer behind them.
        activation: of the hidden dense layers.
        dropout: share of values dropped behind each LSTM layer while training.
        epochs: how often training sees all data.
        batch_size: sequences a training step.
        learning_rate: of the Adam optimizer in the first step; it falls to zero along half a cosine.
        seed: of everything random.
        qat_epochs: how often all data are seen once more, in the integers that a build makes of the model; 0 for not.
        qat_learning_rate: `learning_rate` of these.
    """

    file: str = "model.keras"
    build: str | None = None
    lstm: tuple[int, ...] = (32,)
    dense: tuple[int, ...] = ()
    activation: str = "relu"
    dropout: float = 0.0
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.003
    seed: int = 0
    qat_epochs: int = 0
    qat_learning_rate: float = 0.001


CLIP_CHOICES = ("none", "mse")
INT4 = "int4"
WEIGHTS_CHOICES = ("int8", INT4)
NEAREST, DATA = ROUNDING_CHOICES = ("nearest", "data")
RESET, TF = "reset", "tf"
CALIBRATION_CHOICES = (RESET, TF)
"""Each sequence from a reset state, or as TensorFlow's converter does it."""

INT8, INT16, AUTO = ACTIVATION_CHOICES = ("int8", "int16", "auto")
LEAST_MARGIN, LARGEST_MARGIN = 1.0, 8.0
MOST_CELL_BITS = 6
"""Integer bits of a cell state: the functions of both runtimes end at Q6.9."""

DRIFT_STEPS, LEAST_DRIFT_STEPS, MOST_DRIFT_STEPS = 100_000, 1_000, 1_000_000
LEAST_DRIFT, LARGEST_DRIFT = 1e-6, 100.0
"""Percent of full scale."""

SMALLEST_LSB, LARGEST_LSB = 1e-12, 1e12


@dataclass(frozen=True)
class QuantizeSection:
    """[quantize]. `calibration_samples` sequences are observed; None for all.

    `margin` multiplies the ends of all ranges; `clip` is "mse" to narrow them, or "none"; `weights` is one of
    WEIGHTS_CHOICES, `rounding` of ROUNDING_CHOICES, `calibration` of CALIBRATION_CHOICES. `cell_bits` are the
    integer bits that every cell state has at least; None for what its range asks for.
    """

    calibration_samples: int | None = None
    margin: float = 1.0
    clip: str = "none"
    cell_bits: int | None = None
    weights: str = "int8"
    rounding: str | None = None
    calibration: str = RESET


@dataclass(frozen=True)
class BuildSection:
    """[build]. What is not set is None.

    `max_flash`, `max_ram` (both in bytes) and `max_instructions` (of the slowest sample) limit what `activations` =
    "auto" may cost. `compiler` and `runner` are None where the target's own order of preference decides, `main`,
    relative to the project's folder, where the generated main.c serves.
    """

    targets: tuple[str, ...] = ("cortex-m4",)
    optimize: str = "balanced"
    constant_time: bool = False
    no_asm: bool = False
    wide_weights: bool = False
    raw_lsb: tuple[float, ...] = ()
    contract: Contract | None = None
    activations: str = INT8
    max_flash: int | None = None
    max_ram: int | None = None
    max_instructions: int | None = None
    compiler: str | None = None
    runner: str | None = None
    main: str | None = None


@dataclass(frozen=True)
class VerifySection:
    """[verify]. `sequences` of the test data are compared bit for bit.

    `max_drift` is the largest error, in percent of full scale, along a stream of `drift_steps`; None to look at none.
    """

    sequences: int = 16
    max_drift: float | None = None
    drift_steps: int = DRIFT_STEPS


@dataclass(frozen=True)
class FlashSection:
    """[flash]. `runner` writes the program; `address` is where the probe or board is found, "host:port" or a
    serial port. None where the target's own settings decide."""

    runner: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Project:
    """All settings of the project in `folder`. `name` is a C identifier and starts every C symbol."""

    folder: Path
    name: str
    data: DataSection = field(default_factory=DataSection)
    model: ModelSection = field(default_factory=ModelSection)
    quantize: QuantizeSection = field(default_factory=QuantizeSection)
    build: BuildSection = field(default_factory=BuildSection)
    verify: VerifySection = field(default_factory=VerifySection)
    flash: FlashSection = field(default_factory=FlashSection)

    @property
    def model_path(self) -> Path:
        """Where the trained model lies, or will lie."""
        return self.folder / self.model.file
