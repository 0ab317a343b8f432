"""The command line in this process: what it prints, and its exit code."""

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

from privcredit.cli.main import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line on standard error: what an error says."""
        return self.err.strip().rpartition("\n")[2]


def run(*arguments: object, typed: str | None = None) -> Done:
    """Run `privcredit` with these arguments; `typed` is standard input (default: nobody there)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _stdin(typed or ""):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def done(*arguments: object, typed: str | None = None) -> Done:
    """`run`, for commands that must succeed."""
    result = run(*arguments, typed=typed)
    assert result.code == 0, result.err
    return result


@contextlib.contextmanager
def _stdin(text: str) -> Iterator[None]:
    with patch.object(sys, "stdin", io.StringIO(text)):
        yield
