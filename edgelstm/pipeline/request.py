"""What a build is asked to do, and the inputs it reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgelstm.codegen.layouts import PORTABLE, WIDE_LAYOUTS
from edgelstm.codegen.options import Options
from edgelstm.data import Dataset, load_dataset
from edgelstm.device.targets import Target
from edgelstm.errors import ProjectError
from edgelstm.numerics.contracts import Contract
from edgelstm.output import content_hash
from edgelstm.project import Project
from edgelstm.project.settings import DATA, DRIFT_STEPS, INT4, INT8, INT16, RESET
from edgelstm.report.limits import Limits

_LARGEST_MAIN_BYTES = 1 << 20


@dataclass(frozen=True)
class BuildRequest:
    """Everything that decides a build.

    Attributes:
        model: .keras, .h5 or .tflite; in a project it may not exist yet.
        output: the folder to write; with several targets, one folder for each below it.
        data: as `load_dataset` takes it, relative to `base`; None to verify with stress inputs alone.
        base: the folder that `data` starts from.
        name: the model's C name; None takes the file's.
        timesteps: the window of `run`; None takes the model's or the data's.
        contract: None takes `litert`, or what the activations ask for.
        project: where to train the model if it is missing or out of date; None outside a project.
        constant_time: run the same instructions whatever the data.
        no_asm: leave assembler out of the C.
        wide_weights: spend half as much flash again on weights to save instructions.
        raw_lsb: what a count of the sensor is in real units, for all channels or each; () for no function of counts.
        main: a C file that takes the place of the generated main.c.
        tflite_recurrent: one of `step_file.RECURRENT_CHOICES`.
        margin: what the ends of all ranges are multiplied by.
        clip: one of `project.settings.CLIP_CHOICES`: how ranges are narrowed.
        cell_bits: integer bits that every cell state has at least; None for what its range asks for.
        max_drift: the largest error along a stream with which a model is built, in percent of full scale; None for any.
        drift_steps: of that stream.
        rounding: one of `project.settings.ROUNDING_CHOICES`: of weights; None takes what the activations ask for.
        weights: one of `project.settings.WEIGHTS_CHOICES`: what a weight takes, where that gains something.
        calibration: one of `project.settings.CALIBRATION_CHOICES`: how ranges are observed.
        activations: one of `project.settings.ACTIVATION_CHOICES`: the integers between layers that have both.
        limits: within which `activations` are chosen where that is "auto".
        may_train: whether training is wanted at all. It is not where data other than the project's were named.
    """

    model: Path
    output: Path
    targets: tuple[str, ...] = ("cortex-m4",)
    data: str | None = None
    base: Path = field(default_factory=Path)
    name: str | None = None
    timesteps: int | None = None
    contract: Contract | None = None
    optimize: str = "balanced"
    constant_time: bool = False
    no_asm: bool = False
    wide_weights: bool = False
    raw_lsb: tuple[float, ...] = ()
    compiler: str | None = None
    runner: str | None = None
    sequences: int = 16
    calibration_samples: int | None = None
    margin: float = 1.0
    clip: str = "none"
    cell_bits: int | None = None
    max_drift: float | None = None
    drift_steps: int = DRIFT_STEPS
    weights: str = "int8"
    rounding: str | None = None
    calibration: str = RESET
    activations: str = "int8"
    limits: Limits = field(default_factory=Limits)
    project: Project | None = None
    main: Path | None = None
    tflite_recurrent: str = "layer"
    may_train: bool = True

    @classmethod
    def of(cls, project: Project) -> "BuildRequest":
        """What a project's file asks for."""
        build, quantize, verify = project.build, project.quantize, project.verify
        return cls(
            model=project.model_path,
            output=project.folder / "out",
            targets=build.targets,
            data=project.data.source,
            base=project.folder,
            name=project.name,
            contract=build.contract,
            activations=build.activations,
            limits=Limits(build.max_flash, build.max_ram, build.max_instructions),
            optimize=build.optimize,
            constant_time=build.constant_time,
            no_asm=build.no_asm,
            wide_weights=build.wide_weights,
            raw_lsb=build.raw_lsb,
            compiler=build.compiler,
            runner=build.runner,
            main=None if build.main is None else project.folder / build.main,
            sequences=verify.sequences,
            calibration_samples=quantize.calibration_samples,
            margin=quantize.margin,
            clip=quantize.clip,
            cell_bits=quantize.cell_bits,
            max_drift=verify.max_drift,
            drift_steps=verify.drift_steps,
            weights=quantize.weights,
            rounding=quantize.rounding,
            calibration=quantize.calibration,
            project=project,
        )

    @property
    def choices(self) -> str:
        """How the C is to be written, in words."""
        return ", ".join((self.optimize, *self.code_options(PORTABLE, "").chosen))

    def rounds_to_data(self, *, is_wide: bool) -> bool:
        """Whether calibration data say how weights are rounded. With int16, that is what is left to lose."""
        return self.rounding == DATA or (self.rounding is None and is_wide)

    @property
    def expected_contract(self) -> Contract:
        """The contract, before it is known whether a file that is read asks for another."""
        if self.weights == INT4 and self.contract is None:
            return Contract.NATIVE
        return self.contract or (Contract.TFLM if self.activations == INT16 else Contract.LITERT)

    def code_options(self, isa: str, sha256: str) -> Options:
        """The options of the generator for an instruction set."""
        return Options(
            isa,
            self.optimize,
            sha256,
            constant_time=self.constant_time,
            no_asm=self.no_asm,
            wide_weights=self.wide_weights,
            raw_lsb=self.raw_lsb,
        )

    def main_source(self) -> str | None:
        """The text of `main`; ProjectError if it cannot be read."""
        if self.main is None:
            return None
        try:
            with self.main.open("rb") as stream:
                return stream.read(_LARGEST_MAIN_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ProjectError(
                f"cannot read {self.main}: {reason}", "[build] main in edgelstm.toml names it"
            ) from error

    def require_wide_weights(self, targets: Sequence[Target]) -> None:
        """Raise ProjectError where wide weights are wanted for a core, or of a width, that has none."""
        lacking = [target.name for target in targets if target.isa not in (*WIDE_LAYOUTS, PORTABLE)]
        if self.wide_weights and lacking:
            raise ProjectError(
                f"there are no wide weights for {', '.join(lacking)}",
                "leave --wide-weights out; they are for Cortex-M4, M7 and M33",
            )
        other = {
            f"--weights {self.weights}": self.weights == INT4,
            f"--activations {self.activations}": self.activations != INT8,
        }
        for option, is_chosen in other.items():
            if self.wide_weights and is_chosen:
                raise ProjectError(
                    f"--wide-weights and {option} exclude each other: wide are weights of 8 bits for int8 values",
                    "leave one of them out",
                )


@dataclass(frozen=True, eq=False)
class Data:
    """A data set with the hash of its contents; neither, where there is none."""

    dataset: Dataset | None
    sha256: str


def read_data(spec: str | None, base: Path) -> Data:
    """Load the data and hash every array."""
    if spec is None:
        return Data(None, content_hash())
    dataset = load_dataset(spec, base=base)
    named = [array for one in dataset.inputs for array in (one.x, one.x_calib, one.x_test)]
    arrays = (
        *named, dataset.x, dataset.y, dataset.x_calib, dataset.x_test, dataset.y_test,
        dataset.lengths, dataset.lengths_calib, dataset.lengths_test,
    )  # fmt: skip
    parts = [
        part
        for array in arrays
        for part in ((b"",) if array is None else (f"{array.dtype}{array.shape}", array.tobytes()))
    ]
    return Data(dataset, content_hash(*parts, *dataset.labels, *(one.name for one in dataset.inputs)))
