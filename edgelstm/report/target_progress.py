"""News of several targets that are built side by side."""

from dataclasses import dataclass, field
from threading import Lock

from edgelstm.report.progress import Progress


@dataclass
class TargetsProgress:
    """Counts the targets that are done, and lets one thread speak at a time."""

    whole: Progress
    total: int
    lock: Lock = field(default_factory=Lock)
    _done: int = 0

    def of(self, target: str) -> "TargetProgress":
        """The news of one target; their lines begin with its name."""
        return TargetProgress(self, target)

    def finish(self, text: str) -> None:
        """One more target is done."""
        with self.lock:
            self._done += 1
            self.whole.note(text)
            self.whole.advance("targets", self._done, self.total)


@dataclass(frozen=True)
class TargetProgress:
    """Of all that happens to one of several targets only warnings are worth a line, unless more was asked for."""

    targets: TargetsProgress
    name: str

    def note(self, text: str) -> None:
        """A detail among so many."""
        self.detail(text)

    def detail(self, text: str) -> None:
        """Pass it on."""
        with self.targets.lock:
            self.targets.whole.detail(f"{self.name}: {text}")

    def warn(self, text: str) -> None:
        """Pass it on."""
        with self.targets.lock:
            self.targets.whole.warn(f"{self.name}: {text}")

    def advance(self, what: str, done: int, total: int) -> None:
        """Ignore: the bar counts targets."""
