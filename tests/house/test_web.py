"""The example settings of mailman-web agree with those of Mailman."""

from __future__ import annotations

import ast
from typing import Any

from tests.house.installation import EXAMPLES, parsed


def settings() -> dict[str, Any]:
    """What the example sets to a plain value."""
    tree = ast.parse((EXAMPLES / "mailman-web.py").read_text(encoding="utf-8"))
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and not isinstance(statement.value, ast.List | ast.Name)
    }


def test_the_pages_ask_the_mailman_of_the_example() -> None:
    said, mailman = settings(), parsed(EXAMPLES / "mailman.cfg")["webservice"]

    where = f"http://{mailman['hostname']}:{mailman['port']}"
    assert said["MAILMAN_REST_API_URL"] == where
    assert said["MAILMAN_REST_API_USER"] == mailman["admin_user"]
    assert said["MAILMAN_REST_API_PASS"] == mailman["admin_pass"]
