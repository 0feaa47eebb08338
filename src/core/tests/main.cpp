// The test runner. See Makefile for how it is built; the tests are in the files beside it.
#define CATCH_CONFIG_RUNNER
#include "catch.h"

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
