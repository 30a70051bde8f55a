# The commands of this repository. Nothing here asks a question; what is missing is put in place or named.

SHELL := /bin/bash
.DEFAULT_GOAL := help
WITH := scripts/with-toolchain.sh
ARGS ?=
export JIXIA_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

.PHONY: help run build check fmt test test-long websocket-cases payment-interop services-up services-down fake-openai openapi clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: ## Build the release binary and start it on http://127.0.0.1:8000 (ARGS="--config config/production.toml")
	@$(WITH) cargo run --release --locked --package server --bin jixia -- $(ARGS)

build: ## Build target/release/jixia
	@$(WITH) cargo build --release --locked --package server --bin jixia

check: ## Formatting, lints and documentation, all without a warning
	@$(WITH) cargo fmt --all --check
	@$(WITH) cargo clippy --workspace --all-targets --locked -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(WITH) cargo doc --workspace --no-deps --locked --quiet

fmt: ## Format the code
	@$(WITH) cargo fmt --all

test: ## Every test on both profiles; starts private Postgres and Redis unless TEST_POSTGRES_URL, TEST_REDIS_URL are set
	@$(WITH) scripts/test.sh

test-long: ## The same with the long property tests and crash tests in full
	@TEST_LONG=1 $(WITH) scripts/test.sh

websocket-cases: ## Autobahn's WebSocket cases against the gateway's connection code (needs Python)
	@$(WITH) scripts/websocket-cases.sh

payment-interop: ## Payment signatures against wechatpayv3 and wechat-xpay in a venv of their own (needs Python; part of make test)
	@$(WITH) scripts/payment-interop.sh

services-up: ## Start the private Postgres and Redis and leave them running
	@scripts/services.sh up
	@echo 'To use them:  source .services/env'

services-down: ## Stop them and delete their data
	@scripts/services.sh down

fake-openai: ## A model endpoint that answers like a provider, on http://127.0.0.1:9100/v1 (ARGS="--port 9200")
	@$(WITH) cargo run --release --locked --package tests --bin fake_openai -- $(ARGS)

openapi: ## Print the OpenAPI document
	@$(WITH) cargo run --quiet --locked --package server --bin jixia -- openapi

clean: services-down ## Delete what was built (not ./data)
	@$(WITH) cargo clean
