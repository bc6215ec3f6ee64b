# Everything people and CI run.  Needs Python 3.11 or 3.12 with venv, and make.
#
#   make demo            three posts through a real Mailman, judged and sealed
#   make test            all tests, end-to-end tests with a real Mailman included
#   make lint            format, lint, types, layers
#   make test-debian12   the tests with Mailman 3.3.8 and what Debian 12 ships
#   make coverage        that every line and branch of the pure layers is tested
#   make interop         who else verifies our seals, and we theirs; needs npm
#   make mailman-suite   Mailman's own tests, without the plugin and with it
#   make bench           ratios of our times to others' and to the bare crypto
#   make fuzz            RUNS=1000000 inputs for each parser
#   make clean           remove the virtualenvs and caches
#
# KEEP=1 make demo leaves everything running, to be played with; WEB=1 make demo
# does so with Postorius and HyperKitty.
# PYTHON=/path/to/python3.11 chooses the interpreter for the virtualenvs.

SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for python in python3 python3.11 python3.12; do \
	"$$python" -c '$(SUITABLE)' 2>/dev/null && echo "$$python" && break; done)

VENV := .venv
DEBIAN12 := .venv-debian12
BIN := $(VENV)/bin

# pip reads dependency groups since 25.1.
PIP := pip install --quiet --disable-pip-version-check
NEW_PIP := 'pip>=25.1'

RUNS := 1000000

# Which, and how: make test TESTS='-x tests/plugin'
TESTS :=

.PHONY: demo test lint coverage interop mailman-suite mailman-suite-debian12 bench fuzz test-debian12 clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed $(if $(filter 1,$(WEB)),$(VENV)/web)
	$(BIN)/python -m tests.house.demo

test: $(VENV)/tools
	$(BIN)/pytest $(TESTS)

lint: $(VENV)/tools
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# All of the two pure layers is tested.
coverage: $(VENV)/tools
	$(BIN)/coverage run -m pytest --quiet tests/mailauth tests/policy tests/interop
	$(BIN)/coverage report --include='*/mailauth/*,*/policy/*' --fail-under=100

# With mailauth, which no package of Debian 12 has, and the whole matrix.
interop: $(VENV)/tools $(VENV)/mailauth
	NODE_PATH='$(CURDIR)/$(VENV)/npm/node_modules' $(BIN)/pytest -m '' tests/interop

# Takes some ten minutes, and the ports that Mailman's tests have.
mailman-suite: $(VENV)/tools
	$(BIN)/$(PIP) --group mailman-suite
	$(BIN)/python -m tests.mailman_suite

mailman-suite-debian12: $(DEBIAN12)/tools
	$(DEBIAN12)/bin/$(PIP) --constraint tests/house/debian12.txt --group mailman-suite
	$(DEBIAN12)/bin/python -m tests.mailman_suite

bench: $(VENV)/tools
	$(BIN)/$(PIP) --group bench
	$(BIN)/python -m tests.bench

fuzz: $(VENV)/tools
	$(BIN)/$(PIP) --group fuzz
	$(BIN)/python -m tests.fuzz -runs=$(RUNS)

# Of the matrix and of the kills a part tells whether versions differ.  Not again:
# what needs nothing but Python (policy, documents), other implementations and the
# machinery of the tests.
test-debian12: $(DEBIAN12)/tools
	KILLS=$(or $(KILLS),10) $(DEBIAN12)/bin/pytest -m 'not peers and not matrix' \
		--ignore=tests/bench --ignore=tests/fuzz --ignore=tests/house \
		--ignore=tests/interop --ignore=tests/policy \
		--ignore=tests/test_documents.py

clean:
	rm -rf $(VENV) $(DEBIAN12) build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A virtualenv is current when it is newer than pyproject.toml.
$(VENV)/installed: pyproject.toml
	$(call make-venv,$(VENV))
	$(BIN)/$(PIP) --editable .
	touch $@

$(VENV)/web: $(VENV)/installed
	$(BIN)/$(PIP) --group web
	touch $@

$(VENV)/tools: $(VENV)/installed
	$(BIN)/$(PIP) --group test --group lint
	touch $@

$(VENV)/mailauth: $(VENV)/installed
	npm install --silent --no-audit --no-fund --prefix $(VENV)/npm mailauth@5.0.3
	touch $@

$(DEBIAN12)/tools: pyproject.toml tests/house/debian12.txt
	$(call make-venv,$(DEBIAN12))
	$(DEBIAN12)/bin/$(PIP) --constraint tests/house/debian12.txt \
		--editable . setuptools --group test
	touch $@

define make-venv
	@if [ -z '$(PYTHON)' ]; then \
		echo 'Found no Python 3.11 or 3.12 that can make a virtualenv.'; \
		echo 'On Debian: apt-get install python3-venv; or give PYTHON=...'; \
		exit 1; \
	fi
	[ -x $(1)/bin/python ] || $(PYTHON) -m venv $(1)
	$(1)/bin/$(PIP) --upgrade $(NEW_PIP)
endef
