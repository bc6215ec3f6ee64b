"""The history of posts, and how many there were."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql


revision = "0002"
down_revision = "0001"

_OPTIONS: dict[str, Any] = {
    f"{backend}_{name}": value
    for backend in ("mysql", "mariadb")
    for name, value in (
        ("engine", "InnoDB"),
        ("charset", "utf8mb4"),
        ("collate", "utf8mb4_bin"),
    )
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "arc_history_list",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.String(320)),
        sa.Column("counted_until", sa.Integer(), nullable=False),
        sa.Column("expired_until", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_arc_history_list"),
        sa.UniqueConstraint("list_id", name="uq_arc_history_list_list_id"),
        **_OPTIONS,
    )
    _create_history()
    op.create_table(
        "arc_history_detail",
        *_key(),
        sa.Column("results", _long_text(), nullable=False),
        sa.Column("details", _long_text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "list_number", "entry_id", name="pk_arc_history_detail"
        ),
        **_OPTIONS,
    )
    op.create_table(
        "arc_history_day",
        sa.Column("list_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        _string("author_domain", 255),
        _string("verdict"),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Integer(), nullable=False),
        sa.Column("unsealed", sa.Integer(), nullable=False),
        sa.Column("broken_chain", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "list_number", "day", "author_domain", "verdict", name="pk_arc_history_day"
        ),
        **_OPTIONS,
    )


def _create_history() -> None:
    op.create_table(
        "arc_history",
        *_key(),
        sa.Column("arrived_at", sa.BigInteger()),
        _string("message_id_hash", 64),
        _string("message_id", 500),
        _string("author_domain", 255),
        _string("author", 320),
        _string("subject", 500),
        _string("verdict"),
        _string("dkim"),
        _string("spf"),
        _string("arc"),
        _string("dmarc"),
        sa.Column("decision", sa.SmallInteger(), nullable=False),
        _string("decision_reason", 500),
        sa.Column("left_at", sa.BigInteger()),
        sa.Column("sealed", sa.SmallInteger()),
        _string("unsealed", 500),
        sa.Column("instance", sa.Integer()),
        _string("domain", 255),
        _string("selector", 255),
        _string("chain_status"),
        sa.Column("copies", sa.BigInteger(), nullable=False),
        sa.Column("seals", sa.BigInteger(), nullable=False),
        sa.Column("recipients", sa.BigInteger(), nullable=False),
        _string("remarks", 500),
        sa.PrimaryKeyConstraint("list_number", "entry_id", name="pk_arc_history"),
        **_OPTIONS,
    )
    for name in ("verdict", "author_domain", "message_id_hash"):
        op.create_index(
            f"ix_arc_history_list_number_{name}_entry_id",
            "arc_history",
            ["list_number", name, "entry_id"],
        )


def _key() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("list_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
    )


def _string(name: str, length: int = 32) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _long_text() -> sa.Text:
    return (
        sa.Text()
        .with_variant(mysql.MEDIUMTEXT(), "mysql")
        .with_variant(mysql.MEDIUMTEXT(), "mariadb")
    )
