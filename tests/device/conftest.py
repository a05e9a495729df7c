from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cores import GCC

from edgelstm.device.compilers import find_compiler
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import Firmware, compile_firmware

SOURCES = Path(__file__).parent / "sources"
Build = Callable[..., Firmware]


@pytest.fixture(scope="session")
def build(require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build `sources/<name>.c` for a target with a compiler, once for the whole session."""
    built: dict[tuple[str, str, str], Firmware] = {}

    def compile_once(name: str, target_name: str, choice: str) -> Firmware:
        key = (name, target_name, choice)
        if key not in built:
            target = load_target(target_name)
            require_tool({"zig": "ziglang", "gcc": GCC[target.arch]}.get(choice, choice))
            built[key] = compile_firmware(
                target,
                find_compiler(target, choice),
                [SOURCES / f"{name}.c"],
                [],
                tmp_path_factory.mktemp(f"{name}-{target_name}-{choice}"),
                name,
                warnings_are_errors=True,
            )
        return built[key]

    return compile_once


@pytest.fixture
def no_process_left() -> Iterator[Callable[[str], bool]]:
    """Whether no process has `text` on its command line."""

    def is_gone(text: str) -> bool:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if text.encode() in entry.read_bytes():
                    return False
            except OSError:
                continue
        return True

    yield is_gone
