"""What requests wait for, runs of standing requests, and what people hand in.

``rounds`` gets a wider key: it is made anew, and ``bodies``, which refers to it, with it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    words = (("reason", sa.String, ""), ("account", sa.String, ""), ("waiting_for", sa.String, "[]"))
    for name, kind, empty in (*words, ("refreshes_ms", sa.BigInteger, "0"), ("run", sa.Integer, "1")):
        op.add_column("requests", sa.Column(name, kind, nullable=False, server_default=empty))
    op.create_table(
        "rounds_of_runs",
        sa.Column("round", sa.LargeBinary, primary_key=True),
        sa.Column("request", sa.LargeBinary, sa.ForeignKey("requests.digest"), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("phase", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("result", sa.LargeBinary, nullable=True),
        sa.UniqueConstraint("request", "run", "phase", "attempt"),
    )
    op.create_table(
        "bodies_of_runs",
        sa.Column("round", sa.LargeBinary, sa.ForeignKey("rounds_of_runs.round"), primary_key=True),
        sa.Column("kind", sa.Integer, primary_key=True),
        sa.Column("sender", sa.String, primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.execute(
        "INSERT INTO rounds_of_runs"
        " SELECT round, request, 1, phase, attempt, manifest, opened_ms, code, result FROM rounds"
    )
    op.execute("INSERT INTO bodies_of_runs SELECT round, kind, sender, place, body FROM bodies")
    op.drop_table("bodies")
    op.drop_table("rounds")
    op.rename_table("rounds_of_runs", "rounds")
    op.rename_table("bodies_of_runs", "bodies")
    op.create_index("ix_rounds_request", "rounds", ["request"])
    op.create_table(
        "records",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", sa.LargeBinary, nullable=False, index=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("guardians", sa.Integer, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
    )
    op.create_table(
        "refusals",
        sa.Column("analyst", sa.String, nullable=False, index=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
