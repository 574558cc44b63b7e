"""The streams of a command: the result on stdout, findings, notes and progress on stderr."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

from rnnforecast.cli.text import best_effort, output_error
from rnnforecast.errors import ExitCode
from rnnforecast.escaping import json_text, visible
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.masking import masked
from rnnforecast.options import Format
from rnnforecast.progress import NoProgress, Progress

if TYPE_CHECKING:
    from rnnforecast.charts.page import Page
    from rnnforecast.data.files.overwrite import Owned
    from rnnforecast.json_values import Document
    from rnnforecast.workflows.model_rows import Files


@dataclass(frozen=True)
class View:
    """The two streams of a run and the options for them; stdout carries only the result."""

    format: Format
    quiet: bool
    out: TextIO
    err: TextIO

    def show(self, result: Document, *, if_quiet: bool = True) -> None:
        """Write a result to stdout in the chosen format, after its findings and notes on stderr.

        With `--quiet`, a table is written only `if_quiet`, because cron mails all output. Raises typer.Exit with the code
        for partial work if a finding is an error: a series was rejected.
        """
        self._notices(result)
        try:
            if if_quiet or not self.quiet or self.format != "table":
                self._write(result)
            self.out.flush()
        except BrokenPipeError:
            raise  # the reader left
        except OSError as error:
            raise output_error(error, written=getattr(result, "output", None)) from error
        if any(finding.severity == "error" for finding in getattr(result, "findings", ())):
            raise typer.Exit(ExitCode.PARTIAL)

    def draw(self, result: Document, *, plot: str | None, report: str | None = None) -> None:
        """Draw a result and write its page, where `--plot` and `--report` name a file. Raises OutputError, UsageError."""
        if plot is not None:
            from rnnforecast.charts.plot import plot as draw

            draw(result, plot)
            self.say(f"picture written to {plot}")
        if report is not None:
            from rnnforecast.charts.report import result_page

            self.page(result_page(result, command=self.command), report)

    def page(self, page: Page, path: str) -> None:
        """Write a page. Raises OutputError."""
        from rnnforecast.charts.report import write_page

        write_page(page, path)
        self.say(f"page written to {path}")

    @property
    def command(self) -> str:
        """The command line of this process, to be run again; passwords in it are masked."""
        return masked(shlex.join(["rnnforecast", *sys.argv[1:]]))

    def _write(self, result: Document) -> None:
        if self.format == "json":
            self.out.write(json_text(result.to_dict(), indent=2 if self.out.isatty() else None) + "\n")
        elif self.format == "csv":
            from rnnforecast.cli.render.csv import write_csv

            write_csv(result, self.out)
        else:
            from rnnforecast.cli.render import render

            self.out.write(render(result, stream=self.out))

    def say(self, text: str) -> None:
        """Write one line to stderr, unless `--quiet` was given."""
        if not self.quiet:
            with best_effort(self.err):
                self.err.write(f"{visible(text)}\n")
                self.err.flush()

    def _notices(self, result: Document) -> None:
        findings: tuple[Finding, ...] = getattr(result, "findings", ())
        if self.quiet:  # a series that is left out is a failure in part, and said as every failure
            findings = tuple(finding for finding in findings if finding.severity == "error")
            if not findings:
                return
        from rnnforecast.cli.render.notices import write_notices

        if self.format == "table" and result.SHOWS_FINDINGS:
            findings = ()
        with best_effort(self.err):
            write_notices(findings, notes=() if self.quiet else getattr(result, "notes", ()), stream=self.err)

    @contextmanager
    def progress(self, *, patience: float = 0.0) -> Iterator[Progress]:
        """Open a progress bar on stderr if it is a terminal, after `patience` seconds."""
        if self.quiet or not self.err.isatty():
            yield NoProgress()
            return
        bar: Progress
        if patience:
            bar = LateProgress(self.err, patience=patience)
        else:
            from rnnforecast.cli.render.progress import BarProgress

            bar = BarProgress(self.err)
        try:
            yield bar
        finally:
            bar.finish()


def check_drawings(
    plot: str | None,
    report: str | None,
    *,
    files: Files,
    model: str | None = "base",
    store: str | None = None,
    others: Iterable[Owned] = (),
) -> None:
    """Check before the work starts that `--plot` and `--report` can be written, and overwrite nothing that is read.

    `others` are further files that the command reads or writes. Raises UsageError, ResourceError, OutputError or
    ModelFileError.
    """
    if plot is None and report is None:
        return
    from rnnforecast.data.files.overwrite import check_outputs
    from rnnforecast.workflows.model_rows import owned_files

    check_outputs({"--plot": plot, "--report": report}, [*owned_files(model, files, store=store), *others])
    if plot is not None:
        from rnnforecast.charts.plot import check_picture

        check_picture(plot)
    if report is not None:
        from rnnforecast.charts.report import check_page

        check_page(report)


class LateProgress:
    """A bar that opens after a while: quick work neither flickers nor imports the bar."""

    def __init__(self, stream: TextIO, *, patience: float) -> None:
        self._stream = stream
        self._opens = time.monotonic() + patience
        self._stage = ("", 1)
        self._bar: Progress | None = None

    def start(self, stage: str, total: int) -> None:
        """Remember a new stage; it is shown if the bar is open."""
        self._stage = (stage, total)
        if self._bar is not None:
            self._bar.start(stage, total)

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Advance the bar, or open it when it is time."""
        if self._bar is None and time.monotonic() >= self._opens:
            from rnnforecast.cli.render.progress import BarProgress

            self._bar = BarProgress(self._stream)
            self._bar.start(*self._stage)
        if self._bar is not None:
            self._bar.update(step, loss=loss, score=score)

    def finish(self) -> None:
        """Remove the bar, if there is one."""
        if self._bar is not None:
            self._bar.finish()
