"""The analyst's side of a federation: ``from engine.client import connect``."""

from engine.client.session import connect

__all__ = ["connect"]
