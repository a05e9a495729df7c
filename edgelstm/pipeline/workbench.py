"""What the targets of one build have in common, each part made once and when it is first wanted."""

from dataclasses import dataclass, field

from edgelstm.codegen.emit import Generated
from edgelstm.device.compilers import Compiler
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import Object
from edgelstm.once import Once
from edgelstm.pipeline.firmware import generate, twin_hash
from edgelstm.pipeline.quantized_model import Quantized
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.pipeline.verified import common_rungs
from edgelstm.report.progress import Progress
from edgelstm.report.result import Rung
from edgelstm.verification.ladder import Expectation, ProgramRun


@dataclass(frozen=True)
class Workbench:
    """Safe to use from several threads.

    Attributes:
        host: the compiler for this computer.
        progress: hears of what is common to all.
        objects: object files, which targets with the same code share.
        runs: of programs, which targets share whose firmware and emulated machine are the same.
    """

    quantized: Quantized
    request: BuildRequest
    data: Data
    host: Compiler
    progress: Progress
    objects: Once[Object] = field(default_factory=Once)
    runs: Once[ProgramRun] = field(default_factory=Once)
    _sources: Once[Generated] = field(default_factory=Once)
    _twin: Once[str] = field(default_factory=Once)
    _common: Once[tuple[Expectation, tuple[Rung, ...]]] = field(default_factory=Once)

    def sources(self, isa: str) -> Generated:
        """The C for an instruction set."""
        return self._sources.get(isa, lambda: generate(self.quantized, isa, self.request))

    def twin(self) -> str:
        """Hash of the C that this computer runs, and of all it is compiled with."""
        host = load_target("host")
        return self._twin.get("", lambda: twin_hash(self.sources(host.isa), host, self.host))

    def common(self) -> tuple[Expectation, tuple[Rung, ...]]:
        """What every target must equal, and the rungs that no target changes."""
        return self._common.get("", self._climb)

    def _climb(self) -> tuple[Expectation, tuple[Rung, ...]]:
        twin = self.sources(load_target("host").isa)
        return common_rungs(self.quantized, twin, self.request, self.data, self.host, self.objects, self.progress)
