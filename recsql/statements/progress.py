"""How far learning is: a line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from recsql.networks.limits import told_to

SECONDS_BETWEEN = 10.0  # plain lines of one training


@contextmanager
def learning_shown(what: str, wanted: bool) -> Iterator[Callable[[Sequence[str]], Iterator[str]]]:
    """Show on standard error how far the learning within the block is; nothing if not wanted.

    Gives a wrapper of the names that are worked on. On a terminal there is one line: a bar over the
    names, and what the network that learns told last. Elsewhere a network that learns gets a line
    for its first round, and then one at most every 10 seconds.
    """
    if not wanted:
        yield iter
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        with told_to(_plain_lines()):
            yield iter
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    told = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
    )
    columns = (TextColumn(what), BarColumn(bar_width=20), TaskProgressColumn(), told)
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task("", total=None)

        def over(names: Sequence[str]) -> Iterator[str]:
            progress.update(line, total=len(names))
            for name in names:
                progress.update(line, description=name)
                yield name
                progress.advance(line)

        with told_to(lambda text: progress.update(line, description=text)):
            yield over


def _plain_lines() -> Callable[[str], None]:
    """Give a listener that prints the first line of each training, and then some of them."""
    subject, printed = "", 0.0

    def listen(text: str) -> None:
        nonlocal subject, printed
        now, begins = time.perf_counter(), text.partition(":")[0]
        if begins != subject or now - printed >= SECONDS_BETWEEN:
            print(text, file=sys.stderr, flush=True)
            subject, printed = begins, now

    return listen
