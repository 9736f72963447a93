"""Check the bound data."""

from __future__ import annotations

from recsql.statements.core import Call, Rows, require_bound, statement


@statement
def validate(call: Call) -> Rows:
    """Say what is worth knowing about the bound data, with a remedy for each finding."""
    from recsql.data.validate import find_all

    require_bound(call.session)
    found = find_all(call.session, schema=call.schema, visible_rows=call.visible_rows)
    return [finding.row() for finding in found]
