# Tests of the framework: one unit-test binary per module; programs that other tests and `make bench` run.

# common and image
TEST_PROGRAMS += bench-image
bench-image_SRCS := framework/tests/bench_image.c
bench-image_LIBS := dvstore dvimage dvcommon -pthread
UNIT_TESTS += unit-common-option unit-common-io
unit-common-option_SRCS := framework/tests/unit/common_option.c
unit-common-option_LIBS := dvcommon -lcmocka
unit-common-io_SRCS := framework/tests/unit/common_io.c
unit-common-io_LIBS := dvcommon -lcmocka -pthread
UNIT_TESTS += unit-image-file unit-image-damage unit-image-chain unit-image-codec
unit-image-chain_SRCS := framework/tests/unit/image_chain.c
unit-image-chain_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-codec_SRCS := framework/tests/unit/image_codec.c
unit-image-codec_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-file_SRCS := framework/tests/unit/image_file.c
unit-image-file_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-damage_SRCS := framework/tests/unit/image_damage.c
unit-image-damage_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
UNIT_TESTS += unit-image-failure unit-image-manifest unit-image-prepare
unit-image-prepare_SRCS := framework/tests/unit/image_prepare.c
unit-image-prepare_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-failure_SRCS := framework/tests/unit/image_failure.c
unit-image-failure_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-manifest_SRCS := framework/tests/unit/image_manifest.c
unit-image-manifest_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
UNIT_TESTS += unit-image-levels unit-image-compact
unit-image-levels_SRCS := framework/tests/unit/image_levels.c
unit-image-levels_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
unit-image-compact_SRCS := framework/tests/unit/image_compact.c
unit-image-compact_LIBS := dvstore dvimage dvcommon -lcmocka -pthread
UNIT_TESTS += unit-store-faults
unit-store-faults_SRCS := framework/tests/unit/store_faults.c
unit-store-faults_LIBS := dvstore dvimage dvcommon -lcmocka -pthread

# The image reader's fuzz target: with libFuzzer (`make fuzz`), and with a main that replays the corpus.
TEST_PROGRAMS += fuzz-image-corpus
fuzz-image-corpus_SRCS := $(addprefix framework/tests/fuzz/,corpus_main.c image_reader.c)
fuzz-image-corpus_LIBS := dvstore dvimage dvcommon -pthread
FUZZ_SRCS := $(addprefix framework/tests/fuzz/,image_reader.c image_repair.c image_mutate.c) \
             $(wildcard framework/image/*.c framework/common/*.c)
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
$(O)/fuzz/image-reader: $(FUZZ_SRCS) $(wildcard framework/image/*.h framework/common/*.h framework/tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  FUZZ    $@")
	$(Q)$(CLANG) $(DV_CPPFLAGS) $(FUZZ_CFLAGS) $(FUZZ_SRCS) $(dvimage_SYSTEM) -o $@

# capture
DV_CAPTURE_TESTS := roundtrip regions descriptors lazy protect wp
UNIT_TESTS += $(addprefix unit-capture-,$(DV_CAPTURE_TESTS))
$(foreach t,$(DV_CAPTURE_TESTS),$(eval unit-capture-$(t)_SRCS := framework/tests/unit/capture_$(t).c) \
  $(eval unit-capture-$(t)_LIBS := dvcapture dvcapturestrategies dvstore dvimage dvcommon -lcmocka -pthread))

# control and the command
TEST_PROGRAMS += fault-commit
fault-commit_SRCS := framework/tests/programs/fault_commit.c
fault-commit_CPPFLAGS := -I. -Iframework
fault-commit_LIBS := dvcommon -lcmocka
TEST_PROGRAMS += fake-rank
fake-rank_SRCS := framework/tests/programs/fake_rank.c
fake-rank_LIBS := dvcontrol dvstore dvimage dvcommon -lxxhash -pthread
DV_CONTROL_TESTS := epoch decide job helper
UNIT_TESTS += $(addprefix unit-control-,$(DV_CONTROL_TESTS))
$(foreach t,$(DV_CONTROL_TESTS),$(eval unit-control-$(t)_SRCS := framework/tests/unit/control_$(t).c) \
  $(eval unit-control-$(t)_LIBS := dvcontrol dvstore dvimage dvcommon -lcmocka -lxxhash -pthread))
UNIT_TESTS += unit-control-events
unit-control-events_SRCS := framework/tests/unit/control_events.c
unit-control-events_LIBS := dvcontrol dvcommon -lcmocka -pthread
UNIT_TESTS += unit-control-supervisor
unit-control-supervisor_SRCS := framework/tests/unit/control_supervisor.c
unit-control-supervisor_LIBS := dvcommon -lcmocka
unit-control-supervisor_LINK_DEPS := $(O)/bin/dejavu $(O)/bin/dejavu-stdio $(O)/tests/fake-rank

# MPI programs that check themselves: run natively, attached, and under checkpoints and kills
TEST_PROGRAMS += mpi-messages mpi-collectives
# (GCC 12 takes MPI_STATUSES_IGNORE for an array that is too short)
$(foreach t,messages collectives,$(eval mpi-$(t)_SRCS := framework/tests/mpi/$(t).c) $(eval mpi-$(t)_CC := $(MPICC)) \
  $(eval mpi-$(t)_CFLAGS := -Wno-stringop-overflow))
