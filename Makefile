# The single entry: `make help` lists what there is. Needs git, make, a C++ compiler, Python 3 with pip, and Rust.
# libtorch comes into .libtorch/; set LIBTORCH to use one of your own. CARGO_TARGET_DIR is respected.

PYTHON ?= python3
CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

# A LIBTORCH that is set but empty would win over .cargo/config.toml and mean the current folder.
ifeq ($(strip $(LIBTORCH)),)
unexport LIBTORCH
endif

.DEFAULT_GOAL := help
.PHONY: help libtorch libtorch-cuda fetch setup build quickstart test test-s3 test-slurm test-browser chaos fmt lint doc check clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

libtorch: ## install libtorch for CPU into .libtorch/ (13 s and 0.5 GB on a fast line); reused when there
	@$(PYTHON) scripts/install_libtorch.py cpu

libtorch-cuda: ## install libtorch with CUDA 13 (2.5 GB to download, 3.4 GB on disk); needs no rebuild
	@$(PYTHON) scripts/install_libtorch.py cuda

fetch:
	@command -v $(CARGO) >/dev/null || { echo "no $(CARGO): install Rust, see https://rustup.rs" >&2; exit 3; }
	@$(CARGO) fetch --locked --quiet --target "$$(rustc -vV | sed -n 's/^host: //p')"

# Both downloads at once.
setup:
	@$(MAKE) --no-print-directory -j2 libtorch fetch

build: setup ## build tacq-sweep and tacq-engine in release mode
	$(CARGO) build --release --locked --workspace --bins

quickstart: build ## build, then run experiments/quickstart.yaml on the model in assets/: tables and differences
	$(TARGET)/release/tacq-sweep run experiments/quickstart.yaml
	@cat results/quickstart/matched.md results/quickstart/table.md
	@echo; echo "The report lies in $(CURDIR)/results/quickstart/."

test: setup ## run all tests: no network, no GPU
	$(PYTHON) -m unittest discover --start-directory scripts
	$(PYTHON) -m unittest discover --start-directory benches
	$(CARGO) test --workspace --locked

test-s3: setup ## tests of remote stores against an S3 server on loopback, installed from PyPI
	$(CARGO) build --workspace --locked
	$(PYTHON) scripts/s3_server.py run -- $(CARGO) test --workspace --locked --test driver -- remote

chaos: setup ## half an hour of kills, full disks, damaged files and wrong clocks; SECS and SEED choose another chaos
	TACQ_CHAOS_SECS=$(or $(SECS),1800) TACQ_CHAOS_SEED=$(or $(SEED),5) $(CARGO) test --workspace --locked --test driver -- chaos --nocapture

test-slurm: setup ## run sweeps on a real Slurm cluster, private to the tests; as root it installs Slurm if missing
	@$(CARGO) build --workspace --bins --locked
	@dir=$$(mktemp -d) && cluster="$(PYTHON) scripts/slurm_cluster.py --dir $$dir"; \
	    $$cluster up --install && \
	    TACQ_SLURM_CONF=$$dir/slurm.conf $(CARGO) test --workspace --locked --test slurm -- --test-threads=1 real::; \
	    status=$$?; $$cluster down; exit $$status

test-browser: setup ## open the pages in headless Chromium; as root on Debian it installs Chromium if missing; pictures in target/browser
	@$(CARGO) build --workspace --bins --locked
	@command -v chromium >/dev/null || [ -n "$$CHROMIUM" ] || { apt-get update --quiet && \
	    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends chromium fonts-dejavu-core; } || \
	    { echo "no chromium: install it, or set CHROMIUM to a Chromium or Chrome of yours" >&2; exit 3; }
	@$(PYTHON) -m pip install --quiet --upgrade --target $(TARGET)/browser-python --requirement tests/browser/requirements.txt
	PYTHONPATH=$(TARGET)/browser-python $(PYTHON) -m unittest discover --start-directory tests/browser

fmt: ## format the code
	$(CARGO) fmt --all

lint: setup ## formatting and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings

doc: setup ## the API documentation, warnings denied
	RUSTDOCFLAGS="--deny warnings --allow rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items --locked

check: test lint doc ## all that continuous integration does

clean: ## remove builds; keeps .libtorch/, the store and results
	$(CARGO) clean
