# The commands anybody has to know: make run, make serve, make test, make check, make bench NAME=...,
# make docs, make site, and, for minutes at a time: make coverage, make mutants, make legs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COVERED := core treatments allocation evaluation
# containers like to set it: then every process compiles the sources anew, and pytest its asserts (16 s of each worker)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run serve test check coverage mutants bench docs legs lowest newest no-torch s3 spark site tools clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Equipoise needs Python >= 3.11, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  apt-get install -y -qq libgomp1 >/dev/null; } || echo "LightGBM needs the library libgomp: apt-get install libgomp1" >&2
	touch $(STAMP)

run: $(STAMP)  ## the main job on real data: how much to offer whom, within a budget
	$(BIN)/equipoise run examples/voucher.toml

serve: $(STAMP)  ## the main job as a service on this machine; it prints a curl that works
	test -d runs/voucher/policy || $(BIN)/equipoise run examples/voucher.toml
	$(BIN)/equipoise serve runs/voucher

test: $(STAMP) tools  ## the whole suite; neighbours stay with one worker, which makes their fixtures once; threads that wait, sleep
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -n auto --dist worksteal

check: $(STAMP)  ## style, types, floors, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/python -m pytest -q tests/test_floors.py tests/test_house.py

coverage: $(COVERED:%=coverage-%)  ## branches of core, treatments, allocation and evaluation that the tests beside them take

coverage-treatments: BESIDE := tests/contract/test_spaces.py
coverage-allocation: BESIDE := tests/contract/test_policies.py

coverage-%: $(STAMP)  ## of one folder, by its own tests alone: 98 % or the gate is shut
	OMP_NUM_THREADS=1 $(BIN)/coverage run --data-file=.coverage-$* --source=equipoise.$* -m pytest -q tests/$* src/equipoise/$* $(BESIDE)
	$(BIN)/coverage report --data-file=.coverage-$*

mutants: $(STAMP)  ## small faults put into the code: do the tests notice?  FULL=1 for all of them (hours)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[mutants]"
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks mutants

bench: $(STAMP)  ## make bench NAME=metrics; FULL=1 for the whole form
	$(BIN)/python -m benchmarks $(NAME)

docs: $(STAMP)  ## rebuild the generated tables and pictures of README.md and docs/
	$(BIN)/python docs/generate.py

legs: lowest newest no-torch s3 spark  ## the suite in environments of their own; TESTS="tests/core tests/data" for a part of it

lowest: EXTRA := dev
lowest:  ## all that the library uses at the lower bounds of pyproject.toml
	$(PYTHON) .ci/lowest.py $(LOWEST) > .venv-lowest.txt
	$(LEG)

newest: EXTRA := dev
newest:  ## the newest versions there are, but for torch, whose plain builds have several GB
	grep '^torch==' constraints.txt > .venv-newest.txt
	$(LEG)

no-torch: EXTRA := tests
no-torch:  ## without nets: tests that need one are skipped, all others pass
	cp constraints.txt .venv-no-torch.txt
	$(LEG)

s3: $(STAMP)  ## logs, units and tables behind s3:// in a real object store, OpenStack Swift, in an environment of its own
	test -x .venv-s3/bin/swift-proxy-server || { $(PYTHON) -m venv .venv-s3 && \
	  .venv-s3/bin/python -m pip install --quiet --disable-pip-version-check "swift==2.38.3" "setuptools<81"; }
	S3_SERVER=$(CURDIR)/.venv-s3/bin $(BIN)/python -m pytest -q tests/data/test_s3.py

spark:  ## units through a policy in real Spark and Ray Data, in an environment of its own; Spark needs Java
	command -v java >/dev/null || apt-get install -y -qq default-jre-headless >/dev/null || echo "no Java: Spark's test will be skipped" >&2
	test -x .venv-spark/bin/pyspark || { $(PYTHON) -m venv .venv-spark && \
	  .venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[tests]" \
	  "pyspark==4.3.0" "ray[data]==2.60.0"; }
	ENGINES=1 .venv-spark/bin/python -m pytest -q tests/artifacts/test_batch_scorer.py

define LEG
	$(PYTHON) -m venv --clear .venv-$@
	.venv-$@/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv-$@.txt --editable ".[$(EXTRA)]"
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive .venv-$@/bin/python -m pytest -q -n auto --dist worksteal $(TESTS)
endef

site: $(STAMP)  ## the docs as a site in site/, with a reference and notebooks that are run; fails on a broken link
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

tools:  ## a real Chromium reads the pages, a real Redis keeps units, strace puts faults into what the system answers, wrk loads the service
	@for tool in chromium strace redis-server wrk; do command -v $$tool >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq $$tool >/dev/null; } || \
	  echo "no $$tool: its tests will fail or be skipped; install it with: apt-get install $$tool" >&2; done

clean:
	rm -rf $(VENV) .venv-* site .pytest_cache .mypy_cache .ruff_cache .coverage*
