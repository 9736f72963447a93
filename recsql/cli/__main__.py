"""``python -m recsql.cli`` is the command ``recsql``."""

from recsql.cli import main

main()
