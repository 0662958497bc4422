# Every target runs in .venv, which ./dev makes on first use.
.PHONY: help run demo test check bench chaos format

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run:  ## Start a server on port 5555 (or PORT=5556) and say how to join
	@./dev true
	@echo "Once it listens, join from other terminals (Ctrl-C here stops it):"
	@echo "    .venv/bin/chat-client --nick alice$(if $(PORT), --port $(PORT))"
	@echo "    .venv/bin/chat-client --nick bob$(if $(PORT), --port $(PORT))"
	@./dev chat-server run $(if $(PORT),--port $(PORT))

demo:  ## Watch scripted clients talk on a server of their own
	@./dev python -m tests.demo

test:  ## Run the tests
	@./dev python -m pytest

check:  ## Run the linter, the format check and the type checker
	@./dev ruff check .
	@./dev ruff format --check .
	@./dev mypy

bench:  ## Measure the server beside its peers (three minutes)
	@./dev python -m tests.bench

chaos:  ## Kill the server, cut connections and power, and judge the logs (twenty minutes)
	@./dev python -m tests.chaos all --cycles 500 --cuts 10000

format:  ## Put the code into its format
	@./dev ruff format .
	@./dev ruff check --fix .
