"""Options and fixtures for the whole suite."""

import importlib.util
import os
import shutil
from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the committed tables and generated files anew")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], None]:
    """Skip where a program or a Python package is missing; in CI, where everything must be there, fail."""

    def require(name: str) -> None:
        if shutil.which(name) or importlib.util.find_spec(name):
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must have it")
        pytest.skip(f"{name} is not installed")

    return require
