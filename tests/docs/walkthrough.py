"""Runs a page of the manual as it is written: real commands, each on the machine of the person whose prompt it has.

In ```console blocks `NAME$ COMMAND` is typed at NAME's machine: a folder of its own, which is its home directory too.
What follows is all that the command prints, `[exit N]` where it does not end with 0, and `[soon]` where it is repeated
until it prints that. A command that ends in `&` goes on running, until `^C` ends it. A block such as ```yaml
NAME/FILE is a file. In what is printed

    …           stands for whatever differs from time to time: digests, dates, noisy figures
    a line of … for any number of lines
    <word>      is what later commands call <word>: an id, a number or a fingerprint

Runs of blanks count as one, and lines drawn under headings do not count.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.warm.ask import RUNS_ON, write_command

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"([a-z][a-z-]*)\$ (.*)")
WORD = re.compile(r"<([a-z]+)>")
EXIT, SOON, STOP = re.compile(r"\[exit (\d)\]"), "[soon]", "^C"
PORT = "7443"
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the page; ``printed``: the lines that it shows."""

    line: int
    machine: str
    text: str
    printed: tuple[str, ...]
    status: int = 0
    soon: bool = False

    @property
    def runs_on(self) -> bool:
        return self.text.endswith(" &")


@dataclass(frozen=True, slots=True)
class File:
    """One file that somebody writes."""

    line: int
    path: str
    text: str


def steps_of(page: str) -> list[Command | File]:
    """The page's commands and files, in order."""
    found: list[Command | File] = []
    for block in BLOCK.finditer(page):
        kind, path, body = block.groups()
        line = page.count("\n", 0, block.start()) + 2
        if path:
            found.append(File(line, path, body))
        elif kind == "console":
            found.extend(_commands(body, line))
    return found


def _commands(body: str, first: int) -> list[Command]:
    starts: list[tuple[int, str, str, list[str]]] = []
    lines = body.splitlines()
    for number, line in enumerate(lines):
        prompt = PROMPT.fullmatch(line)
        if prompt:
            starts.append((first + number, prompt[1], prompt[2], []))
        elif starts[-1][2].endswith("\\"):
            starts[-1] = (*starts[-1][:2], f"{starts[-1][2]}\n{line}", [])
        else:
            starts[-1][3].append(line)
    return [_command(*start) for start in starts]


def _command(line: int, machine: str, text: str, printed: list[str]) -> Command:
    status = [int(mark[1]) for mark in map(EXIT.fullmatch, printed) if mark]
    shown = tuple(line for line in printed if line != SOON and not EXIT.fullmatch(line))
    return Command(line, machine, text, shown, sum(status), SOON in printed)


def differs(expected: tuple[str, ...], printed: str, words: dict[str, str]) -> str:
    """Why what was printed is not what the page shows, or nothing; words that the page names are put into ``words``."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    lines = [line for line in lines if line.strip("─ ")]
    wanted = [" ".join(line.split()) for line in expected if line.strip("─ ")]
    pattern = "".join(r"(?:[^\n]*\n)*?" if line == "…" else f"{_pattern(line, words)}\n" for line in wanted)
    found = re.fullmatch(pattern, "".join(f"{line}\n" for line in lines))
    if found is None:
        return "\n".join(["the page shows", *wanted, "", "printed was", *lines])
    words.update(found.groupdict())
    return ""


def _pattern(line: str, words: dict[str, str]) -> str:
    parts: list[str] = []
    for part in re.split(r"(…|<[a-z]+>)", line):
        word = WORD.fullmatch(part)
        if word and word[1] not in words:
            parts.append(f"(?P<{word[1]}>[0-9a-z]+(?: [0-9a-f]{{4}})*)")
        else:
            parts.append(r"[^\n]+?" if part == "…" else re.escape(words[word[1]] if word else part))
    return "".join(parts)


@dataclass
class Walk:
    """The machines below ``folder``; leaving it ends what runs on them."""

    folder: Path
    words: dict[str, str] = field(default_factory=dict)
    running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)  # machine and process
    port: str = ""
    printed: str = ""  # by the last command
    put: dict[str, str] = field(default_factory=dict)  # words of the page -> what stands for them here

    def __enter__(self) -> Walk:
        with socket.socket() as free:  # another one than the page's, which may be taken here
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        (self.folder / "bin").mkdir(parents=True)
        write_command(self.folder / "bin")
        python = self.folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        for _, process in reversed(self.running):
            os.killpg(process.pid, signal.SIGTERM)
        for _, process in self.running:
            process.wait(SECONDS)

    def take(self, step: Command | File) -> str:
        """Takes one step; what is wrong with it, or nothing."""
        if isinstance(step, File):
            path = self.folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._here(step.text))
            return ""
        text = WORD.sub(lambda word: self.words[word[1]], self._here(step.text))
        if text == STOP:
            return self._stop(step.machine)
        if step.runs_on:
            return self._start(step, text.removesuffix(" &"))
        end = time.monotonic() + SECONDS
        while (wrong := self._run(step, text)) and step.soon and time.monotonic() < end:
            time.sleep(0.2)
        return wrong

    def _here(self, text: str) -> str:
        for word, here in {PORT: self.port, **self.put}.items():
            text = text.replace(word, here)
        return text

    def _run(self, step: Command, text: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self._machine(step.machine),
            env=self._environment(step.machine),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.printed = done.stdout.replace(self.port, PORT)
        if done.returncode != step.status:
            return f"ended with {done.returncode}, not {step.status}:\n{self.printed}"
        return differs(step.printed, self.printed, self.words)

    def _start(self, step: Command, text: str) -> str:
        with (self.folder / f"{step.machine}.log").open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", text if "&&" in text else f"exec {text}"],
                cwd=self._machine(step.machine),
                env={**self._environment(step.machine), RUNS_ON: "yes"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append((step.machine, process))
        return ""

    def _stop(self, machine: str) -> str:
        """Ends what was started last on a machine, as its terminal does."""
        [*_, last] = [entry for entry in self.running if entry[0] == machine]
        self.running.remove(last)
        os.killpg(last[1].pid, signal.SIGINT)
        last[1].wait(SECONDS)
        return ""

    def _machine(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def _environment(self, name: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "HOME": str(self.folder / name), "PATH": path, "PYTHONPATH": str(ROOT)}


def main(page: str, folder: str) -> None:
    """What each command prints, for whoever writes the page."""
    with Walk(Path(folder)) as walk:
        for step in steps_of(Path(page).read_text(encoding="utf-8")):
            start = time.monotonic()
            wrong, shown = walk.take(step), step.text if isinstance(step, Command) else step.path
            took = time.monotonic() - start
            sys.stdout.write(f"== {step.line}: {shown}\n{wrong or walk.printed}({took:.1f} s)\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
