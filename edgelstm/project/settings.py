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


CLIP_CHOICES = ("none", "mse")
RESET, TF = "reset", "tf"
CALIBRATION_CHOICES = (RESET, TF)
"""Each sequence from a reset state, or as TensorFlow's converter does it."""

INT4 = "int4"
WEIGHTS_CHOICES = ("int8", INT4)
INT8, INT16 = ACTIVATION_CHOICES = ("int8", "int16")
LEAST_MARGIN, LARGEST_MARGIN = 1.0, 8.0
SMALLEST_LSB, LARGEST_LSB = 1e-12, 1e12


@dataclass(frozen=True)
class QuantizeSection:
    """[quantize]. `calibration_samples` sequences are observed; None for all.

    `margin` multiplies the ends of all ranges; `clip` is "mse" to narrow them, or "none"; `weights` is one of
    WEIGHTS_CHOICES, `calibration` of CALIBRATION_CHOICES.
    """

    calibration_samples: int | None = None
    margin: float = 1.0
    clip: str = "none"
    calibration: str = RESET
    weights: str = "int8"


@dataclass(frozen=True)
class BuildSection:
    """[build]. `compiler` and `runner` are None where the target's own order of preference decides, `main`, relative to
    the project's folder, where the generated main.c serves."""

    targets: tuple[str, ...] = ("cortex-m4",)
    optimize: str = "balanced"
    constant_time: bool = False
    no_asm: bool = False
    wide_weights: bool = False
    raw_lsb: tuple[float, ...] = ()
    contract: Contract | None = None
    activations: str = INT8
    compiler: str | None = None
    runner: str | None = None
    main: str | None = None


@dataclass(frozen=True)
class VerifySection:
    """[verify]. `sequences` of the test data are compared bit for bit."""

    sequences: int = 16


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
