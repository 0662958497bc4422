# Every target runs in .venv, which ./dev makes on first use.
.PHONY: help run demo test check bench format

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run:  ## Start a server on port 5555 and say how to join
	@./dev true
	@echo "Join from other terminals:  .venv/bin/chat-client --nick alice   and   .venv/bin/chat-client --nick bob"
	@./dev chat-server run

demo:  ## Watch scripted clients talk on a server of their own
	@./dev python -m tests.demo

test:  ## Run the tests
	@./dev python -m pytest

check:  ## Run the linter, the format check and the type checker
	@./dev ruff check .
	@./dev ruff format --check .
	@./dev mypy

bench:  ## Measure the server beside its peers (two minutes)
	@./dev python -m tests.bench

format:  ## Put the code into its format
	@./dev ruff format .
	@./dev ruff check --fix .
