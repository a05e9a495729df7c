"""Count in QEMU, by a plugin of ours that is compiled when it is used for the first time."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from edgelstm.device.compiled import Helper, ensure_compiled
from edgelstm.device.compilers import Compiler
from edgelstm.device.process import run, tail
from edgelstm.device.profile.records import RawCount, read_plugin_results
from edgelstm.device.runners.qemu import QemuRunner
from edgelstm.errors import ToolFailedError
from edgelstm.resources import targets_dir

RESULTS_FILE = "profile.txt"

_FLAGS = ("-std=c99", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
_UNDEFINED_ALLOWED = ("-Wl,-undefined,dynamic_lookup",) if sys.platform == "darwin" else ()
_VERSION_TIMEOUT_S = 30
_API_2_SINCE = 9


def plugin_api(qemu: str) -> tuple[str, int]:
    """QEMU's version, and that of the plugin interface it accepts.

    Raises:
        ToolFailedError: this QEMU was built without plugins.
    """
    # An option that it does not have makes it fail; one that it has waits for the machine, which -version spares.
    completed = run([qemu, "-plugin", "file=none", "-version"], timeout_s=_VERSION_TIMEOUT_S)
    version = re.search(r"version (\d+)(?:\.\d+)*", completed.output)
    if completed.exit_code != 0 or version is None:
        raise ToolFailedError(
            f"{qemu} cannot load plugins:{tail(completed.output)}", "install a QEMU with plugins, or choose unicorn"
        )
    return version.group(0).removeprefix("version "), 2 if int(version.group(1)) >= _API_2_SINCE else 1


def ensure_plugin(api: int, compiler: Compiler | None = None, source: Path | None = None) -> Path:
    """The compiled plugin: from the user's cache, or compiled now.

    Args:
        api: version of QEMU's plugin interface.
        compiler: for this computer; None takes the first found.
        source: its C file; None takes ours.

    Raises:
        ToolMissingError: there is no C compiler.
        ToolFailedError: the compiler refused.
        ToolError: others may write the cache.
        OutputError: the cache cannot be written.
    """
    helper = Helper(
        "profile.so",
        (source or targets_dir() / "qemu" / "profile.c",),
        (*_FLAGS, *_UNDEFINED_ALLOWED, f"-DPLUGIN_API={api}"),
        (),
        "the plugin that counts in QEMU",
        "install another C compiler for this computer, or count with --runner unicorn",
    )
    return ensure_compiled(helper, compiler)


def count_in_qemu(
    runner: QemuRunner,
    plugin: Path,
    regions: Sequence[tuple[int, int]],
    after: int,
    narrow: Sequence[int],
    elf: Path,
    arguments: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
) -> tuple[int, str, tuple[RawCount, ...]]:
    """Run a firmware to its end.

    Args:
        runner: for the firmware's target.
        plugin: from `ensure_plugin`.
        regions: address and number of calls of each function to count, at most 8.
        after: nothing counts before this address was reached.
        narrow: addresses before the end of a page where an instruction has 2 bytes, at most 4096.
        elf: the firmware.
        arguments: of the firmware.
        cwd: its folder, which also receives `RESULTS_FILE`.
        timeout_s: wall-clock limit in seconds.

    Returns:
        exit code, output, and counts unless the exit code tells of a failure.
    """
    file = str(plugin).replace(",", ",,")
    wanted = "".join(f",region={address}:{calls}" for address, calls in regions)
    wanted += "".join(f",narrow={address}" for address in narrow)
    options = ("-plugin", f"file={file},out={RESULTS_FILE},after={after}{wanted}")
    (cwd / RESULTS_FILE).unlink(missing_ok=True)
    completed = run(runner.command(elf, arguments, options), timeout_s=timeout_s, cwd=cwd)
    if not (cwd / RESULTS_FILE).is_file():
        raise ToolFailedError(
            f"QEMU did not run with the plugin that counts:{tail(completed.output)}", "count with --runner unicorn"
        )
    with (cwd / RESULTS_FILE).open() as lines:
        counts = read_plugin_results(lines, len(regions)) if completed.exit_code == 0 else ()
    return completed.exit_code, completed.output, counts
