"""Run dbt as its users do, in a process of its own, on a copy of the example."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

import recsql
from recsql.data.sample import sample_path

ROOT = Path(__file__).parents[1]
PARTS = ("examples/dbt_shop", "recsql/dbt/project")
ENVIRONMENT = {
    **os.environ,
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
}


@dataclass(frozen=True)
class Project:
    """A dbt project in a folder, with its database shop.duckdb."""

    folder: Path

    def dbt(self, *arguments: str, seconds: int = 600) -> subprocess.CompletedProcess[str]:
        """Run dbt; gives what it printed and its exit status."""
        return subprocess.run(
            ["dbt", "--no-use-colors", *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def succeed(self, *arguments: str) -> str:
        """Run dbt and give what it printed; it must succeed."""
        done = self.dbt(*arguments)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    def statuses(self) -> dict[str, str]:
        """Give the status of each node of the latest run, by the node's name."""
        results = json.loads((self.folder / "target/run_results.json").read_text("utf-8"))
        return {
            result["unique_id"].split(".")[2]: result["status"] for result in results["results"]
        }

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the database with recsql inside; close it before dbt runs again."""
        return recsql.connect(self.folder / "shop.duckdb")

    def copy(self, folder: Path) -> Project:
        """Give a copy with its database, that a test may change."""
        base = self.folder.parents[1]
        shutil.copytree(base, folder, symlinks=True)
        return Project(folder / self.folder.relative_to(base))


def small_shop(folder: Path) -> Project:
    """Copy the example, with the orders of every eighth customer in its database."""
    for part in PARTS:
        shutil.copytree(
            ROOT / part,
            folder / part,
            ignore=shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb*"),
        )
    project = Project(folder / PARTS[0])
    con = duckdb.connect(str(project.folder / "shop.duckdb"))
    con.execute("CREATE SCHEMA raw")
    for table, name in (("orders", "interactions"), ("customers", "users")):
        con.execute(
            f"CREATE TABLE raw.{table} AS FROM '{sample_path(name)}' AS s WHERE s.user_id % 8 = 0"
        )
    con.close()
    return project
