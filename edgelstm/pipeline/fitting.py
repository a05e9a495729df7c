"""What to do about a firmware that is too large for its target: options are tried, and sizes measured."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from edgelstm.codegen.emit import OPTIMIZE, Generated
from edgelstm.codegen.planning import make_plan
from edgelstm.device.compilers import Compiler
from edgelstm.device.elf import memory_use, read_elf
from edgelstm.device.target_reader import ADDRESS_LIMIT
from edgelstm.device.targets import Target
from edgelstm.device.toolchain import Firmware
from edgelstm.errors import DoesNotFitError, EdgelstmError
from edgelstm.identifiers import as_model_name
from edgelstm.pipeline.firmware import compile_sources, generate, write_sources
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.stages import EDITABLE
from edgelstm.pipeline.verified import flash_bytes
from edgelstm.pipeline.workbench import Workbench
from edgelstm.report.progress import Silent

_ROOM_BYTES = 1 << 28
"""How large a memory is taken to be where only the size of a firmware is wanted."""


@dataclass(frozen=True)
class _Size:
    """By how much a firmware exceeds each memory, 0 or less where it fits, and what its weights take of the flash."""

    flash_excess: int
    ram_excess: int
    iram_excess: int
    weights: int

    @property
    def fits(self) -> bool:
        return max(self.flash_excess, self.ram_excess, self.iram_excess) <= 0


def what_fits(
    error: DoesNotFitError, target: Target, compiler: Compiler, source_dir: Path, bench: Workbench
) -> DoesNotFitError:
    """The error again, with advice that was tried.

    Args:
        error: what the linker said.
        target: what the firmware is too large for.
        compiler: of the target.
        source_dir: the C files of the build, the user's own among them.
        bench: of the build.
    """
    smallest = None
    try:
        for words, request in _smaller(bench.request):
            with contextlib.suppress(DoesNotFitError):  # not even with all the room there is
                smallest = words, _measure(target, compiler, source_dir, bench, request)
            if smallest is not None and smallest[1].fits:
                return DoesNotFitError(error.message, f"{words} fits")
        if smallest is None:
            smallest = "", _measure(target, compiler, source_dir, bench, bench.request)
    except EdgelstmError:
        return error
    return DoesNotFitError(error.message, _advice(*smallest, target, bench))


def _smaller(request: BuildRequest) -> Iterator[tuple[str, BuildRequest]]:
    """What takes less flash than the request, the fastest first, in words."""
    if request.wide_weights:
        request = replace(request, wide_weights=False)
        yield f"--optimize {request.optimize} without --wide-weights", request
    for optimize in reversed(OPTIMIZE[: OPTIMIZE.index(request.optimize)]):
        yield f"--optimize {optimize}", replace(request, optimize=optimize)


def _measure(target: Target, compiler: Compiler, source_dir: Path, bench: Workbench, request: BuildRequest) -> _Size:
    """Build for a target with all the room there is, and compare with the memory that it has."""
    generated = generate(bench.quantized, target.isa, request)
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        sources = Path(work, "src")
        shutil.copytree(source_dir, sources)
        kept = {name.removeprefix("src/") for name in EDITABLE if Path(work, name).is_file()}
        write_sources({name: text for name, text in generated.files.items() if name not in kept}, sources)
        firmware = compile_sources(sources, _with_room(target), compiler, request.optimize, Path(work), Silent())
        return _size(firmware, generated, target, as_model_name(bench.quantized.model.name))


def _with_room(target: Target) -> Target:
    ordered = sorted(target.memory, key=lambda region: region.origin)
    ends = [following.origin for _, following in pairwise(ordered)] + [ADDRESS_LIMIT]
    sizes = {one.name: min(end - one.origin, _ROOM_BYTES) for one, end in zip(ordered, ends, strict=True)}
    return replace(target, memory=tuple(replace(one, size_bytes=sizes[one.name]) for one in target.memory))


def _size(firmware: Firmware, generated: Generated, target: Target, model: str) -> _Size:
    elf = read_elf(firmware.elf)
    use = memory_use(elf, _with_room(target))
    return _Size(
        flash_excess=use.flash_bytes - target.region("flash").size_bytes,
        ram_excess=use.ram_bytes - target.region("ram").size_bytes,
        iram_excess=use.iram_bytes - target.region("iram").size_bytes if target.runs_from_ram else 0,
        weights=flash_bytes(elf, model, generated.roles).weights,
    )


def _advice(words: str, size: _Size, target: Target, bench: Workbench) -> str:
    plan = make_plan(bench.quantized.model)
    found = f"even with {words} it exceeds" if words else "it exceeds"
    listed = []
    if size.flash_excess > 0:
        listed.append(
            f"flash by {size.flash_excess} bytes, of which it has {target.region('flash').size_bytes}; "
            f"the weights alone are {size.weights}"
        )
    if size.ram_excess > 0:
        listed.append(
            f"RAM by {size.ram_excess} bytes, of which it has {target.region('ram').size_bytes}; the model's state and "
            f"buffers are {plan.state_bytes + plan.buffer_bytes}, the stack's reserve is {target.stack_bytes}"
            + (f", and the weights, which this chip reads from RAM, {size.weights}" if target.runs_from_ram else "")
        )
    if size.iram_excess > 0:
        listed.append(f"RAM for code by {size.iram_excess} bytes, of which it has {target.region('iram').size_bytes}")
    return f"{found} {', and '.join(listed)}: take fewer units, or a larger target"
