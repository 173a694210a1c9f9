"""Requests, rounds and released results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("analyst", sa.String, nullable=False, index=True),
        sa.Column("submission", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Integer, nullable=False, index=True),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("chosen", sa.LargeBinary, nullable=True),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rounds",
        sa.Column("round", sa.LargeBinary, primary_key=True),
        sa.Column("request", sa.LargeBinary, sa.ForeignKey("requests.digest"), nullable=False, index=True),
        sa.Column("phase", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("result", sa.LargeBinary, nullable=True),
        sa.UniqueConstraint("request", "phase", "attempt"),
    )
    op.create_table(
        "bodies",
        sa.Column("round", sa.LargeBinary, sa.ForeignKey("rounds.round"), primary_key=True),
        sa.Column("kind", sa.Integer, primary_key=True),
        sa.Column("sender", sa.String, primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
