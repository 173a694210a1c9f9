"""A page of the person's own that leads a browser to the desk, so that no program's arguments hold the token.

Everybody on a machine can read the arguments of a program; a file of mode 0600 only its owner can. The folder (0700)
is made anew in the person's home folder, with a name that any browser may see: one that came as a snap has a /tmp of
its own, and is shown no folder whose name begins with a dot.
"""

from __future__ import annotations

import os
import webbrowser
from contextlib import suppress
from html import escape
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

NAME = "splittally-desk-"
PAGE = """<!DOCTYPE html>
<html lang="en-GB">
<head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"><title>To your desk</title></head>
<body><main><h1>To your desk</h1><p><a href="{address}">Go on to your desk</a></p></main></body>
</html>
"""


class Doorway:
    """The page while it is there. ``beneath``: the folder that its own is made in; default: the home folder."""

    def __init__(self, beneath: Path | None = None) -> None:
        self._beneath = beneath
        self._folder: Path | None = None

    def open(self, address: str) -> bool:
        """Writes the page and shows it to the browser; False where no page can be written or no browser is found."""
        try:
            self._folder = Path(mkdtemp(prefix=NAME, dir=self._beneath or Path.home()))
            page = self._folder / "desk.html"
            with os.fdopen(os.open(page, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(PAGE.format(address=escape(address)))
        except (OSError, RuntimeError):  # RuntimeError: nobody knows of a home folder
            self.close()
            return False
        opened = False
        with suppress(OSError, webbrowser.Error):
            opened = webbrowser.open(page.as_uri())
        return opened

    def close(self) -> None:
        """Removes the page; nothing to do once it was."""
        if self._folder is not None:
            rmtree(self._folder, ignore_errors=True)
            self._folder = None
