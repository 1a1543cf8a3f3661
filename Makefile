# What a person types while working on coord. scripts/test.sh is what has to pass; `make check` is the quick part of it.

SWIFT ?= swift
IMPORTS = --explicit-target-dependency-import-check error
RELEASE = -c release --static-swift-stdlib

.PHONY: build release check lint test demo proto clean

build:
	$(SWIFT) build $(IMPORTS)

# Two programs that need only the C libraries: .build/release/coord and .build/release/coord-agent.
release:
	$(SWIFT) build $(RELEASE) --product coord
	$(SWIFT) build $(RELEASE) --product coord-agent

# Before every commit: format, warnings as errors (Package.swift), imports, unit tests.
check: lint build
	$(SWIFT) test

lint:
	find Package.swift Sources Tests -name '*.swift' ! -name '*.pb.swift' -print0 \
		| xargs -0 $(SWIFT) format lint --strict --configuration .swift-format

# Everything, with the end-to-end tests.
test:
	scripts/test.sh

demo:
	scripts/demo.sh

# Needs protoc and protoc-gen-swift, of the version that coord.proto names.
proto:
	protoc --proto_path=Sources/Protocol --swift_out=Sources/Protocol --swift_opt=Visibility=Public coord.proto

clean:
	$(SWIFT) package clean
