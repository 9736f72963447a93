"""Execute the example notebooks and write what came out: python examples/execute.py.

Outputs are kept in the repository, so that a reader sees them without running anything. They are
the same in every run (a test compares the text), so only a real change is a change of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbclient
import nbformat

FOLDER = Path(__file__).parent
SECONDS = 300


def notebooks() -> list[Path]:
    """List the example notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path) -> Any:
    """Execute a notebook in a kernel of its own; gives it without what differs from run to run."""
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {}
        cell.id = f"cell-{number}"
    return notebook


def texts(notebook: Any) -> list[str]:
    """Give the text of every output but pictures, cell by cell."""
    return [
        "\n".join(
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
            if "image/png" not in output.get("data", {})
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


if __name__ == "__main__":
    for path in notebooks():
        nbformat.write(executed(path), path)
        print(path.relative_to(FOLDER.parent))
