"""The files of one Mailman: those an administrator installs, and those it writes."""

from __future__ import annotations

import configparser
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.house import configfile
from tests.house.waiting import PATIENCE, wait_until


REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "example_cfg"

# In the order in which mail moves on, so that a look at one after the other does
# not miss what moves meanwhile; what is sent again goes back to the last.
IDLE_QUEUES = (
    *("in", "command", "pipeline", "digest", "virgin"),
    *("out", "retry", "out"),
)
BROKEN_QUEUES = ("shunt", "bad")


class Installation:
    """A directory with the example files where an administrator puts them."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mailman-arc-")).resolve()
        self.etc = self.root / "etc/mailman3"
        self.config = self.etc / "mailman.cfg"
        self.arc_config = self.etc / "arc.cfg"
        self.var = self.root / "var/lib/mailman3"
        self.logs = self.root / "var/log/mailman3"
        for directory in (self.etc, self.var, self.logs, self.root / "run/mailman3"):
            directory.mkdir(parents=True)

    # Configuration

    def configure_mailman(
        self, *changes: configfile.Changes, plugin: bool = True
    ) -> None:
        """Write mailman.cfg; later changes add to what is there."""
        text = self._text_of(self.config)
        if not plugin:
            text = configfile.without_plugin(text)
        self._write(self.config, text, changes)

    def configure_arc(self, *changes: configfile.Changes) -> None:
        """Write arc.cfg; later changes add to what is there."""
        self._write(self.arc_config, self._text_of(self.arc_config), changes)

    @property
    def key_file(self) -> Path:
        """Where arc.cfg says that the private key is."""
        return Path(parsed(self.arc_config)["arc"]["key_file"])

    def install_key(self, key: bytes) -> None:
        """Put the private key in its place, readable for us alone."""
        self.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.key_file.touch(mode=0o600)
        self.key_file.write_bytes(key)

    def _text_of(self, path: Path) -> str:
        if path.exists():
            return path.read_text(encoding="utf-8")
        example = (EXAMPLES / path.name).read_text(encoding="utf-8")
        return configfile.moved_under(example, self.root)

    def _write(
        self, path: Path, text: str, changes: Sequence[configfile.Changes]
    ) -> None:
        for change in changes:
            text = configfile.changed(text, change)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    @property
    def console_file(self) -> Path:
        """What Mailman's processes printed; tracebacks of REST are only here."""
        return self.logs / "console.out"

    # Logs and queues

    def log(self, name: str) -> str:
        """The text of a log: plugins, smtp, mailman (errors too), bounce, …"""
        try:
            path = self.logs / f"{name}.log"
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, name: str, containing: str) -> list[str]:
        return [line for line in self.log(name).splitlines() if containing in line]

    def wait_for_log(
        self, name: str, containing: str, timeout: float = PATIENCE
    ) -> list[str]:
        """Wait until a line with this text is in the log; all such lines."""
        return wait_until(
            lambda: self.log_lines(name, containing),
            timeout,
            f"{containing!r} in {name}.log",
            self.report,
        )

    def errors(self) -> str:
        """What Mailman logged as tracebacks, and what it printed."""
        console = self.console_file
        printed = console.read_text(errors="replace") if console.exists() else ""
        return "\n".join(
            text for text in (self.log("mailman"), printed) if "Traceback" in text
        )

    def queue(self, name: str) -> list[Path]:
        """The files in a queue, also those being worked on."""
        return sorted((self.var / "queue" / name).glob("*.[pb][ca]k"))

    def shunted(self) -> list[Path]:
        """Posts that Mailman could not handle; after each test there are none."""
        return [file for name in BROKEN_QUEUES for file in self.queue(name)]

    def wait_until_idle(self, timeout: float = PATIENCE) -> None:
        """Wait until no queue has anything left to do."""
        wait_until(
            lambda: not any(self.queue(name) for name in IDLE_QUEUES),
            timeout,
            "empty queues",
            self.report,
        )

    def report(self) -> str:
        """The last lines of all logs, for the message of a failed test."""
        files = [*sorted(self.logs.glob("*.log")), self.console_file]
        tails = [
            f"--- {file.name}\n" + "\n".join(lines[-30:])
            for file in files
            if file.exists() and (lines := file.read_text(errors="replace").split("\n"))
        ]
        return "\n".join(tails)


def parsed(*files: Path) -> configparser.ConfigParser:
    """Configuration files, a later one over an earlier one."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(files, encoding="utf-8")
    return parser
