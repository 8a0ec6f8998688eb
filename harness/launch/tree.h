/* The processes of a run: everything below the harness, which is a subreaper while a run is on, so
 * that nothing escapes. And what an earlier, killed harness left behind, known by a variable in its
 * environment. */
#ifndef DV_HARNESS_TREE_H
#define DV_HARNESS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* In the environment of all processes of a run: "<campaign id>.<run>" */
#define DV_RUN_VARIABLE "DEJAVU_BENCH_RUN"

enum dv_victim { DV_VICTIM_RANK, DV_VICTIM_ALL_RANKS, DV_VICTIM_MPIEXEC, DV_VICTIM_EVERYTHING };

/* SIGKILL all descendants of this process that are `victim` (a rank is a process that has PMI_RANK
 * in its environment while its parent has not). Returns how many were killed; 0: there is none
 * (yet). `*sent`: CLOCK_MONOTONIC just before the signals were sent, or NULL. */
size_t dv_tree_kill_victims(enum dv_victim victim, int64_t rank, struct timespec *sent);

/* SIGKILL every process of this user whose DEJAVU_BENCH_RUN begins with `campaign`. */
size_t dv_tree_kill_strays(const char *campaign);

#endif
