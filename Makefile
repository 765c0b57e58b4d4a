# Assay. `make demo` and `make test` do all set-up by themselves.
BUILD := build/release
JOBS ?= $(shell nproc)

.PHONY: all program build demo test test-long sanitize fuzz bootstrap install clean

all: program

bootstrap:
	@scripts/bootstrap

$(BUILD)/build.ninja: | bootstrap
	@mkdir -p build
	@cmake --preset release > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

# The program alone; ninja shows its progress in one line on a terminal.
program: bootstrap $(BUILD)/build.ninja
	@cmake --build --preset release -j$(JOBS) --target face

# The program and its tests.
build: bootstrap $(BUILD)/build.ninja
	@cmake --build --preset release -j$(JOBS)

demo: program
	@scripts/demo

test: build
	@ctest --test-dir $(BUILD) -LE long -j$(JOBS) --output-on-failure

test-long: build
	@ctest --test-dir $(BUILD) -L long --output-on-failure

sanitize:
	@scripts/sanitize

# Each parser of foreign bytes for half a minute.
fuzz: bootstrap
	@scripts/fuzz

install: program
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

clean:
	rm -rf build
