"""What becomes of a request, on one line while one waits: at a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.client.states import status_words

if TYPE_CHECKING:
    from engine.trusted.messages import RequestStatus


@contextmanager
def on_screen() -> Iterator[Callable[[RequestStatus], None]]:
    """To be told each status; the line goes away at the end."""
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("submitting") as line:
        yield lambda status: line.update(Text(status_words(status)))
