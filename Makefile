# The two commands of the README:
#
#   make demo    build and install the package, run the example programs and the real jobs
#   make test    run every test: the core's own program (plain and under sanitizers) and testthat
#
# Both work with R 4.2 or newer. `.ci/run` also tests with the newest R, in a folder that debootstrap
# fills with Debian's unstable suite: as root on Debian.
#
# For work on the package:
#
#   make soak    the tests again, many more rounds        make core-test   the core's tests only
#   make install the package into the user's library      make clean       forget what was built
#   make exports what R calls: RcppExports.cpp and RcppExports.R, after a change of an exported function
#   make layers  do all arrows between files point down?
#   make site    the pages, the help and a search as a web site, in .build/site
#   make chapter record the tutorial again, on a quiet machine
#   make fuzz    10 million damaged frames for the decoder; RUNS and SEED choose others
#
# R packages that are missing are installed first, into the first library of .libPaths() that is
# writable. All that is built here lies in .build/; the library there is the one that is tested.

R ?= R
RSCRIPT ?= Rscript
BUILD := $(CURDIR)/.build
LIBRARY := $(BUILD)/library
INSTALLED := $(LIBRARY)/multiprocessing/DESCRIPTION
FILES := DESCRIPTION NAMESPACE $(shell find R src inst -type f ! -name '*.o' ! -name '*.so' ! -path 'src/core/tests/*' ! -path 'src/codec/fuzz/*' 2>/dev/null)

# The package under test comes first, in every R that the tests or the programs start.
with_library = R_LIBS="$(LIBRARY)$${R_LIBS:+:$$R_LIBS}"

.PHONY: help demo test r-test soak install exports layers rcpp-test core-test fuzz deps-demo deps-test need-r clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: install
	@$(with_library) $(RSCRIPT) .ci/demo.R

test: deps-test $(INSTALLED)
	@$(MAKE) --no-print-directory layers; layers=$$?; \
	$(RSCRIPT) .ci/exports.R; exports=$$?; \
	$(MAKE) --no-print-directory core-test; core=$$?; \
	$(MAKE) --no-print-directory fuzz RUNS=200000; fuzz=$$?; \
	$(MAKE) --no-print-directory rcpp-test; rcpp=$$?; \
	$(MAKE) --no-print-directory r-test && [ $$layers$$exports$$core$$fuzz$$rcpp = 00000 ]

r-test: deps-test $(INSTALLED)
	@$(with_library) NOT_CRAN=true $(RSCRIPT) .ci/test.R $(if $(ONLY),testthat '$(ONLY)')

exports: need-r
	@$(RSCRIPT) -e 'Rcpp::compileAttributes(".")'

layers: need-r
	@$(RSCRIPT) .ci/layers.R

# The boundary with Rcpp's run time, see src/Rcpp.h: it is built, and a part of the tests is run.
RCPP := $(BUILD)/library-rcpp
rcpp-test: deps-test $(INSTALLED)
	@mkdir -p "$(RCPP)" && cd "$(BUILD)" && \
	MULTIPROCESSING_RCPP=1 MAKEFLAGS=-j2 $(R) CMD INSTALL --no-docs --library="$(RCPP)" multiprocessing_*[0-9].tar.gz \
	>logs/compile-rcpp.log 2>&1 || { cat logs/compile-rcpp.log; exit 1; }
	@R_LIBS="$(RCPP)$${R_LIBS:+:$$R_LIBS}" NOT_CRAN=true $(RSCRIPT) .ci/test.R rcpp \
	'^(bad-input|child-process|interrupt|pool|sync-lock|sync-queue|thread-map)$$'

soak: export MULTIPROCESSING_SOAK = 1
soak: test

core-test: deps-test
	@$(MAKE) --no-print-directory -C src/core/tests BUILD="$(BUILD)/core" R="$(R)" RSCRIPT="$(RSCRIPT)"

fuzz: RUNS ?= 10000000
fuzz: SEED ?= 1
fuzz: need-r
	@$(MAKE) --no-print-directory -C src/codec/fuzz BUILD="$(BUILD)/fuzz" R="$(R)" RUNS="$(RUNS)" SEED="$(SEED)"

install: deps-demo $(INSTALLED)
	@lib=$$($(RSCRIPT) .ci/deps.R library) && cd "$(BUILD)" && \
	$(R) CMD INSTALL --library="$$lib" multiprocessing_*_R_*.tar.gz >logs/install.log 2>&1 || \
	{ cat logs/install.log; exit 1; }
	@$(RSCRIPT) .ci/articles.R "$$($(RSCRIPT) .ci/deps.R library)"

# A source package first, then that one compiled: what is tested is what would be published.
$(INSTALLED): $(FILES) | deps-demo
	@echo "Building and compiling the package ..."
	@mkdir -p "$(LIBRARY)" "$(BUILD)/logs"
	@cd "$(BUILD)" && rm -f multiprocessing_*.tar.gz && \
	{ $(R) CMD build --no-build-vignettes --no-manual .. && \
	MAKEFLAGS=-j2 $(R) CMD INSTALL --build --library="$(LIBRARY)" multiprocessing_*.tar.gz; } \
	>logs/compile.log 2>&1 || { cat logs/compile.log; exit 1; }
	@touch $@

deps-demo deps-test: deps-%: need-r
	@$(RSCRIPT) .ci/deps.R $*

# `make` on a machine without R, or with one that is too old, says what to do.
need-r:
	@command -v $(R) >/dev/null 2>&1 && command -v $(RSCRIPT) >/dev/null 2>&1 || { \
	  echo "R is not installed (or not on the PATH). Get R 4.2 or newer:"; \
	  echo "  Debian, Ubuntu   sudo apt-get install r-base-dev"; \
	  echo "  Fedora           sudo dnf install R"; \
	  echo "  macOS            brew install r"; \
	  echo "  other systems    the R project's home page, under Download"; \
	  exit 1; } >&2
	@$(RSCRIPT) --vanilla -e 'if (getRversion() < "4.2") { message("R ", getRversion(), " is too old: R 4.2 or newer is needed."); quit(status = 1) }'
	@command -v $$($(R) CMD config CXX17 | cut -d" " -f1) >/dev/null 2>&1 || { \
	  echo "No C++17 compiler found. Debian, Ubuntu: sudo apt-get install g++;" \
	  "Fedora: sudo dnf install gcc-c++; macOS: xcode-select --install" >&2; exit 1; }
	@for lib in "$${R_LIBS%%:*}" "$${R_LIBS_USER%%:*}"; do \
	  case "$$lib" in ''|*%*|NULL) ;; *) mkdir -p "$$lib" 2>/dev/null || true;; esac; done

clean:
	rm -rf "$(BUILD)"
	rm -f src/*.o src/*/*.o src/*/*/*.o src/*/*/*/*.o src/*.so

# The pages' texts and programs are in chapter/; record.R runs them on a quiet machine and writes them into vignettes/.
.PHONY: chapter check-chapter bench figures site
chapter: deps-test $(INSTALLED) figures
	@$(with_library) $(RSCRIPT) chapter/record.R $(if $(TRIAL),--trial)

check-chapter: deps-test $(INSTALLED)
	@$(with_library) $(RSCRIPT) chapter/record.R --check

# All benchmarks on a quiet machine, or those of ONLY="sync large"; their figures, tables and pictures go into vignettes/ and bench/.
bench: deps-test $(INSTALLED)
	@$(with_library) $(RSCRIPT) bench/run_all.R $(ONLY); $(RSCRIPT) chapter/speed.R

figures: need-r
	@$(RSCRIPT) chapter/drawings.R && $(RSCRIPT) chapter/speed.R

site: deps-test $(INSTALLED)
	@$(with_library) $(RSCRIPT) chapter/site.R
