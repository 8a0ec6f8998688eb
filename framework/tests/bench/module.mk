# What `make bench` (mk/bench.sh) runs beside the harness: two programs to be measured, and what records them.
TEST_PROGRAMS += bench-pingpong bench-memory bench-memory-alone bench-record
bench-pingpong_SRCS := framework/tests/bench/pingpong.c
bench-pingpong_CC := mpicc.mpich
bench-memory_SRCS := framework/tests/bench/memory.c
bench-memory_CC := mpicc.mpich
bench-memory-alone_SRCS := framework/tests/bench/memory.c
bench-memory-alone_CPPFLAGS := -DWITHOUT_MPI

TEST_PROGRAMS += bench-dirty
bench-dirty_SRCS := framework/tests/bench/dirty.c
bench-dirty_CC := mpicc.mpich

# Tables, environment and statistics are the harness's.
bench-record_SRCS := $(addprefix framework/tests/bench/,record.c record_tables.c record_summary.c record_stall.c record_restart.c record_cost.c sample.c)
bench-record_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
bench-record_LIBS = $(HARNESS_LIBS)
