"""The C that people write here is formatted by .clang-format; templates are formatted by hand."""

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("templates", "targets", "tests/c", "tests/device")


def test_plain_c_is_formatted(require_tool: Callable[[str], None]) -> None:
    require_tool("clang-format")
    files = [str(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.[ch]"))]
    assert len(files) > 10
    ran = subprocess.run(
        ["clang-format", "--dry-run", "-Werror", *files],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
