# make demo    recommendations from a real retailer's orders, in a fresh environment
# make test    all tests, on DuckDB 2.0; the SQL surface and the server on 1.5.5 too
# make lint    ruff and mypy
# make bench   benchmarks with their peers (minutes)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt
SQL_SURFACE = tests/sql tests/doors tests/data tests/selection

# What reads a published file without recsql: a bare duckdb, DuckDB's command line, Node.
CLIENTS = 1.5.5

.PHONY: demo test lint bench clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) 'duckdb==2.0.*' -e '.[test,train,dbt,notebook]'
	touch $@

.venv-1.5/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-1.5
	.venv-1.5/bin/python $(PIP_INSTALL) 'duckdb==1.5.5' duckdb-cli==1.5.5 \
		-e '.[test,train,dbt,notebook,serve]'
	touch $@

.venv/bench: .venv/ready
	.venv/bin/python $(PIP_INSTALL) -e '.[bench]'
	touch $@

.clients/ready: Makefile
	$(PYTHON) -m venv --clear .clients/bare
	.clients/bare/bin/python -m pip install --quiet --disable-pip-version-check duckdb==$(CLIENTS)
	$(PYTHON) -m venv --clear .clients/cli
	.clients/cli/bin/python -m pip install --quiet --disable-pip-version-check \
		duckdb-cli==$(CLIENTS)
	npm install --silent --no-audit --no-fund --prefix .clients/node @duckdb/node-api@1.5.5-r.1
	touch $@

demo: .venv/ready
	.venv/bin/recsql demo

test: .venv/ready .venv-1.5/ready .clients/ready
	.venv/bin/python -m pytest -n auto --dist loadgroup
	.venv-1.5/bin/python -m pytest -n auto --dist loadgroup $(SQL_SURFACE)

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: .venv/bench
	.venv/bin/python -m benchmarks

clean:
	rm -rf .venv .venv-1.5 .clients build dist *.egg-info
