"""Standard output and error that end nothing: what cannot be written is left out, and the program goes on.

A reader that leaves (`| head -1`), a terminal that is closed and a full device are no reasons to end a job. All of
them meet the program in one place, the write to the descriptor, so that is where they are taken in: printing,
displays, error messages and Python's own flush at the exit come by there.
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
    """A descriptor to which every write succeeds: from the first that the system refuses on, nothing is written.

    `error` is that refusal. With silence from there on, what was written misses no line in its middle.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all of it, as far as the system takes it; the size of all."""
        view = memoryview(data).cast("B")
        written = 0
        while self.error is None and written < view.nbytes:
            try:
                written += self._write_some(view[written:])
            except OSError as error:
                self.error = error
        return view.nbytes

    def _write_some(self, view: memoryview) -> int:
        # None: the descriptor was made non-blocking, by whoever else has the terminal or the pipe.
        while (written := super().write(view)) is None:
            select.select([], [self], [])
        return written


def make_patient() -> None:
    """Have `sys.stdout` and `sys.stderr` written through a `PatientFile`; idempotent.

    One that was replaced, as tests do, is left alone. Descriptors that were closed before the program began lead
    to nowhere, lest the next file or socket that is opened becomes the standard output.
    """
    for descriptor in (STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR):
        _keep_open(descriptor)
    sys.stdout = _patient(sys.stdout, STANDARD_OUTPUT)
    sys.stderr = _patient(sys.stderr, STANDARD_ERROR)


def why_unwritten(stream: TextIO) -> str:
    """Why the stream lacks something that was written to it; empty where it lacks nothing.

    A reader that has left has all that it wanted.
    """
    raw = _raw_of(stream)
    if not isinstance(raw, PatientFile):
        return ""
    stream.flush()
    if raw.error is None or raw.error.errno == errno.EPIPE:
        return ""
    return raw.error.strerror or str(raw.error)


def tell_at_once(text: bytes) -> None:
    """Write to standard error past every buffer, as a signal handler has to; if that fails, nothing is said."""
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
