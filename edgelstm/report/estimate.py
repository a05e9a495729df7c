"""What a model would cost on a target, and whether that is within limits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgelstm.report.result import FlashBytes


@dataclass(frozen=True)
class Load:
    """What samples cost, as an emulator counts.

    Attributes:
        counter: what counted, "QEMU 7.2.22".
        step: instructions of a mean call of step.
        output: a mean output of the model, all its slices together; 0 where the step yields it.
        worst: the most that one sample cost, with the output that it set off.
        stack_bytes: the deepest stack use.
        cycles_per_instruction: lowest and highest, over all of it; None where the core's maker publishes no timing.
    """

    counter: str
    step: float
    output: float
    worst: int
    stack_bytes: int
    cycles_per_instruction: tuple[float, float] | None


@dataclass(frozen=True)
class Memory:
    """A target's flash and RAM in bytes, and how much of that RAM its firmware reserves for the stack.

    `iram_bytes` is a RAM for code, 0 where that stays in flash.
    """

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    iram_bytes: int = 0


@dataclass(frozen=True)
class Estimate:
    """A model on a target.

    Attributes:
        model: what it is about, "LSTM(16)" or the model's name.
        target: its name.
        compiler: name and version, "" where there is none.
        flash: of the model. Without a compiler the code is missing from it: see `code_known`.
        state_bytes: RAM between steps.
        buffer_bytes: RAM within one, and stored sequences.
        firmware_flash_bytes: of the firmware that `build` writes; None without a compiler.
        firmware_ram_bytes: the same, with the stack's reserve.
        firmware_iram_bytes: its code in RAM.
        memory: of the target.
        load: None where nothing could count it.
        timesteps: the model's window.
        is_streaming: whether it has an output for each sample, or one for the whole window.
        missing: why something is unknown, one sentence each.
        refusal: why the firmware would not fit any memory of such a target, "" if it would.
        clock_hz: of the target, 0 where that stands for a core.
    """

    model: str
    target: str
    compiler: str
    flash: FlashBytes
    state_bytes: int
    buffer_bytes: int
    firmware_flash_bytes: int | None
    firmware_ram_bytes: int | None
    memory: Memory
    load: Load | None
    timesteps: int
    is_streaming: bool
    missing: tuple[str, ...] = ()
    firmware_iram_bytes: int = 0
    refusal: str = ""
    clock_hz: int = 0

    @property
    def code_known(self) -> bool:
        """Whether `flash` has all of it."""
        return self.firmware_flash_bytes is not None

    @property
    def ram_bytes(self) -> int:
        """State, buffers, and the stack if it is known."""
        return self.state_bytes + self.buffer_bytes + (self.load.stack_bytes if self.load else 0)

    @property
    def excess(self) -> Mapping[str, int]:
        """By how many bytes each memory is too small, for those that are."""
        stack = self.load.stack_bytes if self.load else 0
        found = {
            "flash": (self.firmware_flash_bytes or self.flash.total) - self.memory.flash_bytes,
            "RAM": (self.firmware_ram_bytes or self.state_bytes + self.buffer_bytes) - self.memory.ram_bytes,
            "IRAM": self.firmware_iram_bytes - self.memory.iram_bytes,
            "stack": stack - self.memory.stack_bytes,
        }
        return {name: size for name, size in found.items() if size > 0}

    @property
    def fits(self) -> bool | None:
        """Whether the firmware fits its memory; None where only what is known of it fits."""
        return False if self.excess or self.refusal else True if self.code_known else None

    @property
    def per_sample(self) -> float | None:
        """Instructions of a mean sample, with its share of the output."""
        if self.load is None:
            return None
        return self.load.step + self.load.output / (1 if self.is_streaming else self.timesteps)

    @property
    def per_run(self) -> float | None:
        """The same of a window with one output."""
        return None if self.load is None else self.load.step * self.timesteps + self.load.output

    def to_mapping(self) -> Mapping[str, Any]:
        """Plain values, as JSON has them."""
        means = {"per_sample": self.per_sample, "per_run": self.per_run}
        return {
            "model": self.model,
            "target": self.target,
            "compiler": self.compiler,
            "fits": self.fits,
            "excess_bytes": dict(self.excess),
            "flash_bytes": asdict(self.flash) | {"total": self.flash.total, "code_known": self.code_known},
            "ram_bytes": {
                "state": self.state_bytes,
                "buffers": self.buffer_bytes,
                "stack": self.load.stack_bytes if self.load else None,
                "total": self.ram_bytes,
            },
            "firmware_bytes": {"flash": self.firmware_flash_bytes, "ram": self.firmware_ram_bytes},
            "target_bytes": {"flash": self.memory.flash_bytes, "ram": self.memory.ram_bytes},
            "load": None if self.load is None else asdict(self.load) | means,
            "missing": list(self.missing),
            "refusal": self.refusal,
        }
