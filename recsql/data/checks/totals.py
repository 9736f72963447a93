"""What there is, what is checked of it, and what training leaves out."""

from __future__ import annotations

from recsql.data.checks.evidence import REASONS, Evidence
from recsql.data.checks.finding import Finding, counted, share_of


def overview(evidence: Evidence) -> list[Finding]:
    """Say how much there is: rows, customers, items and the range of time."""
    facts, rows = evidence.facts, evidence.rows
    name = evidence.interactions.relation
    sentence = (
        f"{name} has {counted(rows, 'row')}, {counted(facts['purchases'], 'purchase')} of them."
    )
    found = [evidence.finding("rows", rows, counted(rows, "row"), sentence, severity="info")]
    for column, noun, missing in (
        ("user_id", "customer", facts["anonymous"]),
        ("item_id", "item", facts["null items"]),
    ):
        distinct, bought = evidence.session.rows(
            "SELECT count(*), count(*) FILTER (WHERE s.bought > 0) "
            f"FROM {evidence.seen[column]} AS s"
        )[0]
        ids = counted(distinct, noun)
        sentence = f"{ids} in {counted(rows - missing, 'row')}, {bought:,} of them in a purchase."
        check = column.replace("_id", "s")
        found.append(evidence.finding(check, rows - missing, ids, sentence, severity="info"))
    if facts["first ts"] is not None:
        span = f"{facts['first ts']} to {facts['last ts']}"
        timed = rows - facts["null times"]
        sentence = f"The rows with a time run from {span}."
        found.append(evidence.finding("time_range", timed, span, sentence, severity="info"))
    return found


def uncommitted(evidence: Evidence) -> list[Finding]:
    """Say that the caller's transaction has rows that are not checked."""
    seen = evidence.visible_rows
    if seen is None or seen == evidence.rows:
        return []
    sentence = (
        f"The interactions must be committed to be checked, got {seen:,} rows in this transaction "
        f"and {evidence.rows:,} committed. COMMIT, and call again."
    )
    return [evidence.finding("uncommitted", abs(seen - evidence.rows), None, sentence)]


def filtered(evidence: Evidence) -> list[Finding]:
    """Count the rows of the user's table that the binding itself leaves out."""
    count, source = evidence.filtered_rows, evidence.interactions
    if not count:
        return []
    causes = [name for name in ("filter", "net_returns") if source.arguments.get(name)]
    sentence = (
        f"{counted(count, 'row')} of {source.relation} never reach recsql.interactions, because "
        f"of {' and '.join(causes)}. To count them, bind again without."
    )
    share = share_of(count, count + evidence.rows)
    return [Finding("filtered", "interactions", "info", count, share, None, sentence)]


def left_out(evidence: Evidence) -> list[Finding]:
    """Add up what training leaves out, by reason; each row counts for its first reason."""
    facts, rows, purchases = evidence.facts, evidence.rows, evidence.facts["purchases"]
    reasons = [
        f"{reason}: {facts[f'reason {number}']:,}"
        for number, reason in enumerate(REASONS, start=1)
        if facts[f"reason {number}"]
    ]
    sentences = [f"Training uses {purchases:,} of {counted(rows, 'row')}."]
    by_task = [
        f"{task} leaves out {purchases - used:,} more ({reason})"
        for task, used, reason in _used_by_task(evidence)
        if used < purchases
    ]
    if by_task:
        sentences.append(f"{', '.join(by_task)}.")
    if evidence.filtered_rows:
        sentences.append(f"The binding had left out {evidence.filtered_rows:,} before.")
    example, advice = "; ".join(reasons) or None, " ".join(sentences)
    return [evidence.finding("left_out", rows - purchases, example, advice, severity="info")]


def _used_by_task(evidence: Evidence) -> list[tuple[str, int, str]]:
    """Give (task, purchases it uses, what the others lack) where the task can be trained."""
    facts, source = evidence.facts, evidence.interactions
    used = []
    if source.is_given("user_id"):
        used.append(("related", facts["known purchases"], "no user_id"))
    if source.is_given("basket_id"):
        used.append(("bundle", facts["basket purchases"], "no basket_id"))
    elif evidence.reader.baskets == "windows":
        used.append(("bundle", facts["window purchases"], "no user_id or no ts"))
    if source.is_given("ts"):
        used.append(("trending", facts["timed purchases"], "no ts"))
    return used
