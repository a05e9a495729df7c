"""Every error a user can meet. Each carries a message and what to do about it.

EdgelstmError
├── ProjectError              edgelstm.toml, an option or an argument is wrong
├── ModelError                a model cannot be used
│   ├── ModelFormatError      the file is damaged, or is not what its name says
│   ├── DriftError            the integers go too far from the float model along a stream
│   └── UnsupportedModelError layers or options outside what we compile; lists all of them
├── DataError                 arrays of the wrong shape, NaN, too few samples
├── TargetError               unknown target
│   └── DoesNotFitError       the firmware is too large for the target's memory
├── OutputError               a file or folder that we must not overwrite, or cannot write
├── ToolError                 a compiler, emulator or other program
│   ├── ToolMissingError      is not installed
│   ├── ToolFailedError       ran and failed
│   └── ToolTimeoutError      ran longer than its limit and was ended
├── FlashError                writing a program to a chip failed
└── MismatchError             two rungs of the verification ladder differ (exit code 2)
"""

from collections.abc import Sequence


class EdgelstmError(Exception):
    """Base of all errors that the command line prints without a traceback.

    Attributes:
        message: what is wrong, in one sentence or a list.
        hint: what to do about it, or "".
        exit_code: the process exit code, 1 for the user's problem, 2 for a verification mismatch.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProjectError(EdgelstmError):
    """edgelstm.toml, an option or an argument is wrong."""


class ModelError(EdgelstmError):
    """A model cannot be used."""


class ModelFormatError(ModelError):
    """A model file is damaged or is not what its name says."""


class DriftError(ModelError):
    """A quantized model goes further from its float model along a stream than it may."""


class UnsupportedModelError(ModelError):
    """A model uses layers or options that we do not compile, or cannot do what `headline` says.

    Attributes:
        problems: one line for each unsupported layer or option, all of them.
    """

    def __init__(self, problems: Sequence[str], hint: str = "", headline: str = "the model cannot be compiled") -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{headline}:\n{listed}", hint)
        self.problems = tuple(problems)


class DataError(EdgelstmError):
    """Arrays of the wrong shape or content."""


class TargetError(EdgelstmError):
    """An unknown target, or one that cannot be used."""


class DoesNotFitError(TargetError):
    """A firmware is too large for the memory of its target."""


class OutputError(EdgelstmError):
    """A file or folder that must not be overwritten, or cannot be written."""


class ToolError(EdgelstmError):
    """A compiler, emulator or other external program."""


class ToolMissingError(ToolError):
    """A program or package that is not installed."""


class ToolFailedError(ToolError):
    """A program that ran and failed."""


class ToolTimeoutError(ToolError):
    """A program that ran longer than its limit and was ended."""


class FlashError(EdgelstmError):
    """Writing a program to a chip failed."""


class MismatchError(EdgelstmError):
    """Two rungs of the verification ladder differ."""

    exit_code = 2
