"""Journals of the members and the coordinator's own; releases shared between analysts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("member", sa.String, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "subtrees",
        sa.Column("member", sa.String, primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "heads",
        sa.Column("member", sa.String, primary_key=True),
        sa.Column("head", sa.LargeBinary, nullable=True),
        sa.Column("contrary", sa.LargeBinary, nullable=True),
    )
    op.create_table(
        "shared",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("request", sa.LargeBinary, nullable=False, index=True),
        sa.Column("reader", sa.String, nullable=False, index=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
