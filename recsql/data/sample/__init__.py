"""The bundled sample: one year of order lines of an online retailer."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from recsql.errors import UnknownNameError, did_you_mean

SAMPLE_NAMES = ("interactions", "items", "users")


def sample_path(name: str) -> Path:
    """Give the Parquet file of a table of the sample; ATTRIBUTION.md beside it names the source.

    Raises
    ------
    UnknownNameError
        The sample has no such table.
    """
    if name not in SAMPLE_NAMES:
        raise UnknownNameError(
            f"The sample table must be one of {', '.join(SAMPLE_NAMES)}, got {name!r}."
            f"{did_you_mean(name, SAMPLE_NAMES)}"
        )
    # A wheel is unpacked when it is installed, so a resource of this package is a file.
    return Path(str(resources.files(__name__).joinpath(f"{name}.parquet")))
