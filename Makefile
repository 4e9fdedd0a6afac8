# edge-video. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
NATS_CLI := v0.5.1
export PATH := $(CURDIR)/bin:$(PATH)
# Without the checkout's path in them, compiled packages serve all checkouts.
export GOFLAGS := $(GOFLAGS) -trimpath

APT_RUN := ffmpeg
APT_TEST := ffmpeg redis-server rabbitmq-server mosquitto mosquitto-clients python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base \
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gcc libc6-dev jq prometheus chromium

.PHONY: help build run test bench profile lint fuzz soak deps deps-run

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

build: ## compile bin/edge-video
	$(GO) build -ldflags '-X main.version=$(VERSION)' -o bin/edge-video ./cmd/edge-video

run: deps-run build ## show the main job at work; bridges too where RABBITMQ_URL, REDIS_URL or MQTT_URL is set
	bin/edge-video demo

# Tests named TestTime hold what goes by the clock, so nothing runs beside them. Of the others the packages that take longest come first, so
# that the rest run beside them. Linking takes half the time without debug information, vet is part of lint, and what passed before says
# nothing of the programs that tests run today.
TEST := $(GO) test -race -count=1 -vet=off -ldflags=-w -timeout 20m
TIMED = $(shell grep -rl --include='*_test.go' '^func TestTime' . | xargs dirname | sort -u)

test: deps ## pass every test, with real FFmpeg, RTSP, RabbitMQ, Redis, Mosquitto and Prometheus
	$(TEST) -p 2 -skip '^TestTime' ./test/e2e ./node/camera ./test/page ./...
	$(TEST) -p 1 -run '^TestTime' $(TIMED)

soak: deps ## the long form of the tests that `make test` scales down
	EDGE_VIDEO_SOAK=1 $(GO) test -race -v -timeout 3h -run 'Kill9|TestLinks|TestCluster' ./test/e2e
	EDGE_VIDEO_SOAK=1 $(GO) test -race -v -timeout 1h -run TestTime ./node/camera
	EDGE_VIDEO_SOAK=1 $(GO) test -race -v -timeout 1h -run 'TestSink/Cuts' ./bridge/rabbitmq
	EDGE_VIDEO_SOAK=1 $(GO) test -race -v -run TestCrowd ./node/web

bench: deps ## measure, with the bare tools in the same run
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 1h -p 1 ./node ./test/bench

profile: deps ## write bin/cpu.prof and bin/heap.prof of the node with 100 cameras, for go tool pprof, and print the top of each
	mkdir -p bin
	$(GO) test -run '^$$' -bench '^BenchmarkFleet$$' -benchtime 1x -o bin/node.test -cpuprofile bin/cpu.prof -memprofile bin/heap.prof -outputdir . ./node
	$(GO) tool pprof -top -cum -nodecount 40 -ignore test/harness bin/node.test bin/cpu.prof
	$(GO) tool pprof -top -sample_index=alloc_space -nodecount 25 -ignore test/harness bin/node.test bin/heap.prof

lint: ## gofmt, vet, staticcheck, errorlint
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool go-errorlint ./...
	$(GO) mod tidy -diff

fuzz: ## run every fuzz test for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$pkg; done; done

deps: deps-run bin/nats ## set up what tests need and this machine lacks (Debian, Ubuntu)
	@$(call install,$(APT_TEST))

deps-run:
	@command -v ffmpeg >/dev/null || { $(call install,$(APT_RUN)); }

# install sets up the packages of a list that are missing.
define install
missing=$$(for p in $(1); do dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
if [ -n "$$missing" ]; then \
  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -q && \
  $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $$missing; \
fi
endef

bin/nats:
	GOBIN=$(CURDIR)/bin $(GO) install github.com/nats-io/natscli/nats@$(NATS_CLI)
