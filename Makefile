# Everything below needs Python >= 3.11 and make, nothing else: services come from PyPI wheels.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EMBEDDED := $(BIN)/python -m config.embedded run
RANDOM = $(BIN)/python -c "import secrets; print(secrets.token_urlsafe(60))"
export PYTHONUNBUFFERED = 1

.PHONY: help demo serve test lint format bench messages schema clean

help:
	@echo "make demo          play the whole story on embedded services, then stay up (ONCE=1: end after the story)"
	@echo "make serve         run the product for real work (DATABASE_URL and REDIS_URL point it to real services)"
	@echo "make test          all tests          (ONLY=tests/delivery: some of them)"
	@echo "make lint          ruff, mypy, import contracts, migrations, deployment check, catalogues, API schema"
	@echo "make schema        write docs/openapi.yaml anew after a change of the API"
	@echo "make bench         hot paths beside their limits   (ONLY=send, SHORT=1)"

$(STAMP): requirements.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: $(STAMP) messages
	$(BIN)/python -m demo $(if $(ONCE),--once)

serve: $(STAMP) messages
	$(BIN)/python -m config.stack serve

test: $(STAMP) messages
	REKINDLE_ENV=development $(EMBEDDED) --ephemeral -- $(BIN)/python -m pytest $(ONLY)

lint: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	REKINDLE_ENV=development DATABASE_URL=postgres://lint/lint REDIS_URL=redis://lint $(BIN)/python -m mypy .
	$(BIN)/lint-imports
	REKINDLE_ENV=development $(EMBEDDED) --ephemeral -- $(BIN)/python manage.py makemigrations --check --dry-run
	REKINDLE_ENV=production DATABASE_URL=postgres://lint/lint REDIS_URL=redis://lint ALLOWED_HOSTS=lint.example \
		PUBLIC_URL=https://lint.example SECRET_KEY=$$($(RANDOM)) SUPPRESSION_HASH_KEY=$$($(RANDOM)) \
		FIELD_ENCRYPTION_KEYS=$$($(BIN)/python -c "from cryptography.fernet import Fernet as F; print(F.generate_key().decode())") \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(STAMP)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

messages: $(STAMP)
	$(BIN)/pybabel --quiet compile --domain django --directory config/locale

schema: $(STAMP)
	REKINDLE_ENV=development $(EMBEDDED) --ephemeral -- $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

bench: $(STAMP)
	REKINDLE_ENV=development $(EMBEDDED) --ephemeral -- $(BIN)/python -m bench $(ONLY) $(if $(SHORT),--short)

clean:
	rm -rf $(VENV) var
