"""The analyst's client: ``connect``, then ``query(...).wait()``."""

from engine.client.session import connect

__all__ = ["connect"]
