"""The tables of the state database: portable types only, the same on SQLite and PostgreSQL.

What is searched or pruned by is a column; what is only ever read whole is a document
(`iolaus.store.packing`). Rows carry numbers that we assign ourselves, so that a batch whose
outcome is unknown can simply be written again. A change here needs a migration; a test compares.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

positions = Table(
    "positions",
    metadata,
    Column("name", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""How far the picture follows what is told elsewhere: the log, and each sender in it."""

# `mark` is drawn anew for each batch: a row with a known one has not changed (`store.picture`).
targets = Table(
    "targets",
    metadata,
    Column("address", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    Column("mark", BigInteger),
)

statuses = Table(
    "statuses",
    metadata,
    Column("address", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    Column("mark", BigInteger),
)

parts = Table(
    "parts",
    metadata,
    Column("address", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    Column("mark", BigInteger),
)

assets = Table(
    "assets",
    metadata,
    Column("uid", String, primary_key=True),
    Column("endpoint", String, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("doc", LargeBinary, nullable=False),
    Column("carry", LargeBinary, nullable=False),
    Column("mark", BigInteger),
)

history = Table(
    "history",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("asset", String),
    Column("component", Text),
    Column("field", String, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("source", Text, nullable=False),
    Index(None, "asset", "number"),
    Index(None, "endpoint", "number"),
    Index(None, "at"),
)

events = Table(
    "events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", String, index=True),
    Column("doc", LargeBinary, nullable=False),
    Column("mark", BigInteger),
)

logs = Table(
    "logs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("endpoint", String, nullable=False),
    Column("uri", Text, nullable=False),
    Column("doc", LargeBinary, nullable=False),
    Index(None, "endpoint", "number"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", String, primary_key=True),
    Column("baseline", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("parent", String),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("heard", BigInteger, nullable=False),
    Column("doc", LargeBinary, nullable=False),
)
"""`state` and `heard` (the last intent answered) follow the journal, in its transaction."""

approvals = Table(
    "approvals",
    metadata,
    Column("plan", String, primary_key=True),
    Column("who", String, primary_key=True),
    Column("groups", Text, nullable=False),
    Column("at", Double, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("plan", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("what", String, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Double, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("plan", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("node", String),
    Column("step", Text),
    Column("doc", LargeBinary, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Double, nullable=False),
)

baselines = Table(
    "baselines",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("endpoint", String, nullable=False),
    Column("attester", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("turned", Boolean, nullable=False),
    Column("digest", String, nullable=False),
    Column("doc", LargeBinary, nullable=False),
    Index(None, "endpoint", "attester", "number"),
)
"""What attesters gave, as it came; `turned` ones changed a verdict."""

appraisals = Table(
    "appraisals",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("attester", Text, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("asset", String, primary_key=True),
    Column("attester", Text, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)
"""Who an attester was when it was enrolled, by its asset's uid and its own name."""
advisories = Table(
    "advisories",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

surfaces = Table(
    "surfaces",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)
"""What an endpoint shows to whoever has no login, by its address."""

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("before", String, nullable=False),
    Column("digest", String, nullable=False),
)
"""Plain columns, so that anybody with the database can check the chain with other tools."""

drains = Table(
    "drains",
    metadata,
    Column("uid", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

drain_marks = Table(
    "drain_marks",
    metadata,
    Column("uid", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("word", String, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Double, nullable=False),
)


reference_values = Table(
    "reference_values",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)
"""By the subject's uid and the code."""

expected_hardware = Table(
    "expected_hardware",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)

candidates = Table(
    "candidates",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)
"""By their address."""

retirements = Table(
    "retirements",
    metadata,
    Column("name", String, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
)
"""What was wiped of a node, by its plan."""

saved_files = Table(
    "saved_files",
    metadata,
    Column("subject", String, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
)

saved_pieces = Table(
    "saved_pieces",
    metadata,
    Column("subject", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""Of the file with that key, in order."""
