"""Options and fixtures for the whole suite."""

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

LIBRARIES = {"simavr": Path("/usr/include/simavr/sim_avr.h")}
"""What is no program and no Python package, by a file that it has."""


def pytest_configure() -> None:
    """Take signals again that the shell which started this in the background had ignored: children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the committed tables and generated files anew")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], None]:
    """Skip where a program, a Python package or a library is missing; in CI, where everything must be there, fail."""

    def require(name: str) -> None:
        if shutil.which(name) or importlib.util.find_spec(name) or (name in LIBRARIES and LIBRARIES[name].is_file()):
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must have it")
        pytest.skip(f"{name} is not installed")

    return require
