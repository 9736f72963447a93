"""dbt build of examples/dbt_shop: the whole year of the sample, from nothing.

Each run is a copy of the example in a fresh folder, with a fresh database and nothing parsed
before: the plugin writes the sources, four threads build and test the models, one hook binds and
trains. One build before them compiles the kernels. The time is that of the command, start and
parsing included; that of training is what recsql.runs holds.

    python -m benchmarks.dbt_build
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._report import report

ROOT = Path(__file__).parents[1]
PARTS = ("examples/dbt_shop", "recsql/dbt/project")
TARGET_S = 60.0
RUNS = 3


def main() -> None:
    """Time three builds and print each, and their median."""
    built()
    runs = [built() for _ in range(RUNS)]
    middle = statistics.median(run["build_s"] for run in runs)
    rows = [
        {"ratio to 60 s": run["build_s"] / TARGET_S, "run": n} | run for n, run in enumerate(runs)
    ]
    share = statistics.median(run["training_share"] for run in runs)
    again = statistics.median(run["again_s"] for run in runs)
    rows.append(
        {"ratio to 60 s": middle / TARGET_S, "run": "median", "build_s": middle}
        | {"training_s": share * middle, "training_share": share, "again_s": again}
    )
    report("dbt_build", "dbt build of the example: seconds", rows)


def built() -> dict[str, Any]:
    """Build the example in a fresh folder, and once more with nothing new: seconds of each."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            ignored = shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb*")
            shutil.copytree(ROOT / part, Path(folder) / part, ignore=ignored)
        project = Path(folder) / PARTS[0]
        dbt(project, "deps")
        build_s = dbt(project, "build")
        with duckdb.connect(str(project / "shop.duckdb"), read_only=True) as con:
            training_s = con.execute(
                "SELECT sum(r.seconds) FROM recsql.runs AS r WHERE r.statement = 'train'"
            ).fetchall()[0][0]
        again_s = dbt(project, "build")
    return {
        "build_s": build_s,
        "training_s": training_s,
        "training_share": training_s / build_s,
        "again_s": again_s,
    }


def dbt(folder: Path, *arguments: str) -> float:
    """Run dbt in a folder; gives the seconds it took."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    started = time.perf_counter()
    subprocess.run(
        ["dbt", "--quiet", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "DO_NOT_TRACK": "1"},
        check=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
