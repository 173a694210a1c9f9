"""Revisions of the coordinator's tables, run by database.py at its start; later ones are added, none is edited."""
