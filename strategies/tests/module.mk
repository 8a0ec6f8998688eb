# Conformance: each strategy against a scripted core.

# capture
UNIT_TESTS += conformance-capture
conformance-capture_SRCS := strategies/tests/conformance_capture.c strategies/tests/capture_suite.c
conformance-capture_LIBS := dvcapturestrategies dvcaptureskeleton dvcommon
UNIT_TESTS += unit-incremental-policy
unit-incremental-policy_SRCS := strategies/tests/incremental_policy.c
unit-incremental-policy_LIBS := dvcapturestrategies dvcommon -lcmocka

# protocol
UNIT_TESTS += conformance-protocol
conformance-protocol_SRCS := strategies/tests/conformance_protocol.c strategies/tests/protocol_suite.c
conformance-protocol_LIBS := dvprotocolstrategies dvcommon
