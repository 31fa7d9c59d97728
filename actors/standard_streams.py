"""Standard output and error whose write errors end nothing: the program goes on without its output.

A reader that leaves (`| head -1`), a closed terminal and a full device are no reasons to end a job. They all fail the
write to the descriptor, so the errors are absorbed there: printing, displays, error messages and Python's own flush
at exit all pass through it.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR = 0, 1, 2


class PatientFile(io.FileIO):
    """A descriptor to which every write succeeds; after the first write that the system refuses, nothing is written.

    `error` is that refusal. What was written before it is complete: no line is missing in the middle.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write as much as the system takes; returns the size of all."""
        view = memoryview(data).cast("B")
        written = 0
        while self.error is None and written < view.nbytes:
            try:
                written += self._write_some(view[written:])
            except OSError as error:
                self.error = error
        return view.nbytes

    def _write_some(self, view: memoryview) -> int:
        # None: another program that shares the terminal or the pipe made the descriptor non-blocking.
        while (written := super().write(view)) is None:
            select.select([], [self], [])
        return written


def make_patient() -> None:
    """Have `sys.stdout` and `sys.stderr` written through a `PatientFile`; idempotent.

    A stream that was replaced, as tests do, is left alone. A descriptor that was closed before the program began is
    opened on /dev/null, so that the next file or socket does not become the standard output.
    """
    for descriptor in (STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR):
        _keep_open(descriptor)
    sys.stdout = _patient(sys.stdout, STANDARD_OUTPUT)
    sys.stderr = _patient(sys.stderr, STANDARD_ERROR)


def why_unwritten(stream: TextIO) -> str:
    """Why output is missing from the stream; empty where none is.

    A reader that has left is no reason: it has all that it wanted.
    """
    raw = _raw_of(stream)
    if not isinstance(raw, PatientFile):
        return ""
    stream.flush()
    if raw.error is None or raw.error.errno == errno.EPIPE:
        return ""
    return raw.error.strerror or str(raw.error)


def tell_at_once(text: bytes) -> None:
    """Write to standard error without a buffer, as a signal handler has to; a failure is ignored."""
    with suppress(OSError):
        os.write(STANDARD_ERROR, text)


def _patient(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        raw = _raw_of(stream)
        if type(raw) is not io.FileIO or raw.fileno() != descriptor:
            return stream
        stream.flush()
    file = PatientFile(descriptor)
    is_unbuffered = isinstance(getattr(stream, "buffer", None), io.FileIO)
    return io.TextIOWrapper(
        cast("BinaryIO", file) if is_unbuffered else io.BufferedWriter(file),
        encoding=stream.encoding if stream else "utf-8",
        errors=stream.errors if stream else "backslashreplace",
        line_buffering=descriptor == STANDARD_ERROR or file.isatty(),
        write_through=getattr(stream, "write_through", False),
    )


def _raw_of(stream: TextIO) -> object:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _keep_open(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
