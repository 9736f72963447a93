"""Copy the dbt package of this version into a project: python -m recsql.dbt FOLDER."""

from __future__ import annotations

import re
import shutil
import sys
from importlib import resources
from pathlib import Path

from recsql.errors import ParameterError, RecsqlError

USAGE = "python -m recsql.dbt recsql_dbt"


def package_path() -> Path:
    """Give the folder of the dbt package that is installed."""
    # A wheel is unpacked when it is installed, so a resource of this package is a folder.
    return Path(str(resources.files("recsql.dbt").joinpath("project")))


def copy_package(folder: Path) -> Path:
    """Copy the dbt package to ``folder``, over an earlier copy of it.

    Raises
    ------
    ParameterError
        The folder holds something else.
    """
    if folder.exists() and not _is_copy(folder):
        raise ParameterError(
            f"The folder must be new or an earlier copy of the dbt package, got {folder}, which "
            f"holds something else. Name another one: {USAGE}."
        )
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(package_path(), folder)
    return folder


def main(arguments: list[str]) -> int:
    """Copy the package and say what to write in packages.yml; gives the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"usage: {USAGE}", file=sys.stderr)
        return 2
    try:
        folder = copy_package(Path(arguments[0]))
    except RecsqlError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{folder}: macros and tests of recsql. In packages.yml, then dbt deps:")
    print(f"packages:\n  - local: {folder}")
    return 0


def _is_copy(folder: Path) -> bool:
    project = folder / "dbt_project.yml"
    return project.is_file() and bool(
        re.search(r"^name: recsql$", project.read_text("utf-8"), re.MULTILINE)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
