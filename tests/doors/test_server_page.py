"""What docs/server.md says runs: every block that can run here does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import BIN, CAN_SERVE, WHY_NOT, Served, served

from recsql.server.address import free_port

pytestmark = [
    pytest.mark.skipif(not CAN_SERVE, reason=WHY_NOT),
    pytest.mark.xdist_group("serve page"),
]

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text("utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
ADDRESS = "127.0.0.1:9494"


def block(language: str, number: int = 0) -> str:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language][number]


def token() -> str:
    found = re.search(r"RECSQL_TOKEN=(\S+)", block("sh", 1))
    assert found is not None
    return found[1]


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def server(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("page") / "shop.duckdb"
    file.write_bytes(trained_template.read_bytes())
    with served(file, token=token()) as running:
        yield running


def at(server: Served, text: str) -> str:
    """Put the address of the test's server in the place of the page's."""
    return text.replace(f"quack:{ADDRESS}", server.ready["uri"])


def test_the_sql_of_a_client_runs_in_the_command_line(server: Served, tmp_path: Path) -> None:
    script = "\n".join([*server.ready["load"], at(server, block("sql"))])
    assert "item_id" in run(str(BIN / "duckdb"), "-bail", "-csv", "-c", script, folder=tmp_path)


def test_the_python_block_runs(trained_file: Path) -> None:
    script = trained_file.parent / "page.py"
    script.write_text(block("python"))
    assert run(sys.executable, str(script), folder=trained_file.parent).startswith("[(1, ")


def test_the_command_of_the_page_starts_a_server_and_a_signal_stops_it(trained_file: Path) -> None:
    port = free_port("127.0.0.1")
    start = block("sh", 1).replace("recsql serve", f"exec {BIN}/recsql serve")
    process = subprocess.Popen(
        ["sh", "-c", f"{start.rstrip()} --address 127.0.0.1:{port}"],
        cwd=trained_file.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(6)]
        assert told[0].startswith(
            f"Serving shop.duckdb at quack:127.0.0.1:{port}. Stop with Ctrl+C"
        )
        assert told[4] == f"ATTACH 'quack:127.0.0.1:{port}' AS shop (TOKEN '…');\n"
        process.terminate()
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_node_block_runs(server: Served, tmp_path: Path) -> None:
    root = node_modules()
    if root is None:
        pytest.skip("node with @duckdb/node-api is not installed: make .clients/ready")
    loads = iter(server.ready["load"])
    text = re.sub(r'"LOAD \w+"', lambda _: f'"{next(loads)}"', at(server, block("js")))
    (tmp_path / "ask.mjs").write_text(text)
    (tmp_path / "node_modules").symlink_to(root)
    shell = f"RECSQL_TOKEN={token()} node ask.mjs"
    assert "item_id" in run("sh", "-c", shell, folder=tmp_path)


def node_modules() -> Path | None:
    """Give the folder of modules that `make test` fills, or None."""
    root = Path(__file__).parents[2] / ".clients" / "node" / "node_modules"
    there = shutil.which("node") is not None and (root / "@duckdb" / "node-api").is_dir()
    return root if there else None


def test_the_nginx_block_carries_the_protocol_over_tls(server: Served, tmp_path: Path) -> None:
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed: apt-get install nginx-light openssl")
    port = free_port("127.0.0.1")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "shop-key.pem",
        "-out", "shop.pem", folder=tmp_path)  # fmt: skip
    site = block("nginx").replace("listen 443", f"listen 127.0.0.1:{port}")
    site = site.replace("/etc/ssl", str(tmp_path)).replace("shop.example.org", "localhost")
    site = site.replace(ADDRESS, server.ready["uri"].removeprefix("quack:"))
    scratch = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
        f"events {{}}\nhttp {{ access_log off;\n{scratch}{site}}}\n"
    )
    proxy = subprocess.Popen(
        ["nginx", "-e", f"{tmp_path}/errors", "-c", f"{tmp_path}/nginx.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        attach = (
            f"ATTACH 'quack:localhost:{port}' AS shop (TOKEN '{token()}', DISABLE_SSL false);"
            "FROM shop.query('FROM recommend_next(1, k := 2)'); "
            "SELECT count(*) AS n FROM shop.query('FROM range(1000000)');"
        )
        trust = f"SET ca_cert_file = '{tmp_path}/shop.pem';"
        time.sleep(1)
        loads = "".join(server.ready["load"])
        duckdb = str(BIN / "duckdb")
        assert "1000000" in run(duckdb, "-bail", "-csv", "-c", loads + trust + attach,
                                folder=tmp_path)  # fmt: skip
        refused = subprocess.run(
            [duckdb, "-bail", "-c", loads + attach],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert refused.returncode != 0
        assert "SSL" in refused.stderr
    finally:
        proxy.terminate()
        proxy.wait(timeout=60)
