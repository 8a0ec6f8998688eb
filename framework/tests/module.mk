# Tests of the framework: one unit-test binary per module; programs that other tests and `make bench` run.

# common and image
TEST_PROGRAMS += bench-image
bench-image_SRCS := framework/tests/bench_image.c
bench-image_LIBS := dvimage dvcommon -pthread
UNIT_TESTS += unit-common-option unit-common-io
unit-common-option_SRCS := framework/tests/unit/common_option.c
unit-common-option_LIBS := dvcommon -lcmocka
unit-common-io_SRCS := framework/tests/unit/common_io.c
unit-common-io_LIBS := dvcommon -lcmocka -pthread
