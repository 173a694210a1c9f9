"""The tables of error codes: sentence and hint of each. Codes are never reused or renamed.

One file a prefix, and in it one table: a code is looked up in the file of its first part, and cannot stand in two.
Sentences are filled with public facts in braces. Prefixes decide the exit status (engine/errors.py).
"""

from __future__ import annotations

from engine.error_codes.approval import CODES as APPROVAL
from engine.error_codes.budget import CODES as BUDGET
from engine.error_codes.bug import CODES as BUG
from engine.error_codes.file import CODES as FILE
from engine.error_codes.node import CODES as NODE
from engine.error_codes.policy import CODES as POLICY
from engine.error_codes.round import CODES as ROUND
from engine.error_codes.row import ErrorCode
from engine.error_codes.sql import CODES as SQL

CODES: dict[str, ErrorCode] = {**FILE, **SQL, **POLICY, **BUDGET, **APPROVAL, **ROUND, **NODE, **BUG}
