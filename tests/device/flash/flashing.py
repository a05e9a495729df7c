"""Flashing through the fake server, with success or with an error."""

from pathlib import Path

import pytest
from fake_gdb_server import FakeGdbServer

from edgelstm.device.flash import FlashResult, GdbFlasher
from edgelstm.errors import FlashError


def flash(
    server: FakeGdbServer,
    elf: Path,
    *,
    timeout_s: float = 5,
    verify: bool = True,
    run: bool = True,
    wait_s: float = 5,
) -> FlashResult:
    flasher = GdbFlasher("127.0.0.1", server.port, timeout_s, flash_timeout_s=timeout_s)
    return flasher.flash(elf, verify=verify, run=run, wait_s=wait_s)


def failure(server: FakeGdbServer, elf: Path, *, timeout_s: float = 5) -> FlashError:
    with pytest.raises(FlashError) as caught:
        flash(server, elf, timeout_s=timeout_s)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value
