"""The YAML that a federation writes about its datasets, compiled to the ``Catalogue`` that nodes read."""

from engine.catalogue.load import load_catalogue, parse_catalogue

__all__ = ["load_catalogue", "parse_catalogue"]
