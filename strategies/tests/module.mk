# Conformance: each strategy against a scripted core.

# capture
UNIT_TESTS += conformance-capture
conformance-capture_SRCS := strategies/tests/conformance_capture.c strategies/tests/capture_suite.c
conformance-capture_LIBS := dvcapturestrategies dvcaptureskeleton dvcommon
