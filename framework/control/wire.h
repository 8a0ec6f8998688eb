/* The wire between the supervisor (`dejavu run`) and one agent thread per rank, and between the
 * supervisor and the other verbs: frames over TCP, authenticated by the job's token (JOB/token, 32
 * bytes) in the first frame. */
/* clang-format off */
/*
 *      | magic u32 | type u16 | rank u16 (agents) | length u32 | payload ... |    all little-endian
 *
 * Life of an epoch:
 *
 *      supervisor                                   agents
 *        STOP(epoch) ------------------------------> set gate->stop, signal the main thread
 *        <-------- PARKED(epoch, version, entries)   main thread is at a safe point
 *        <-------- RAISE(epoch, entry)               main thread has entered a collective
 *        TARGET(epoch, version, entries) ----------> maxima grew: who is behind runs on; who is not
 *                                                    answers
 *        <-------- PARKED(epoch, version, 0 entries: unchanged)
 *        STEP(epoch) ------------------------------> nothing moves although not all are parked:
 *                                                    parked ranks run on for at least one MPI call,
 *                                                    then park again
 *        TARGET(epoch, version + 1, entries) ------> follows every STEP, so that a PARKED that
 *                                                    crossed the STEP on the wire is known to be
 *                                                    old: from STEP on the agent holds the rank to
 *                                                    be running, and does not answer TARGET until it
 *                                                    parks again
 *        PROCEED(epoch) ---------------------------> all parked, same version, all counters equal
 *                                                    the targets
 *        <-------- WRITTEN(epoch, figures)           memory is captured: copied, forked, or written
 *        RESUME(epoch) ----------------------------> all have: the application goes on
 *        <-------- DECISIONS(epoch, text)            what the strategy decided, if it did
 *        <-------- DURABLE(epoch, figures)           written, synced and renamed, from the writer thread
 *        COMMITTED(epoch) -------------------------> manifest is written; strategies hear of it
 *      at any time:
 *        <-------- FAILED(epoch, status, text)       cannot checkpoint now / could not write
 *        ABORT(epoch) -----------------------------> forget it, the application runs on
 *        <-------- EXITING(status)                   the application ends by itself
 *
 * The supervisor does not know strategies; ranks of a job that is not at the same phase (before
 * MPI_Init, in MPI, after MPI_Finalize) are brought together by the same clocks (DV_CUT_PHASE in
 * gate.h). */
/* clang-format on */
#ifndef DV_CONTROL_WIRE_H
#define DV_CONTROL_WIRE_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

#define DV_WIRE_MAGIC 0x4a565744u
#define DV_WIRE_VERSION 3u
#define DV_WIRE_TOKEN_BYTES 32
#define DV_WIRE_MAX_PAYLOAD (16u << 20)

enum dv_wire_type {
    DV_WIRE_HELLO = 1, /* agent: struct dv_wire_hello */
    DV_WIRE_WELCOME,   /* supervisor: struct dv_wire_welcome */
    DV_WIRE_STOP,      /* struct dv_wire_epoch + directory and recycle paths */
    DV_WIRE_PARKED,    /* struct dv_wire_parked + entries */
    DV_WIRE_RAISE,     /* struct dv_wire_parked (1 entry) */
    DV_WIRE_TARGET,    /* struct dv_wire_parked + entries */
    DV_WIRE_STEP,      /* struct dv_wire_epoch */
    DV_WIRE_PROCEED,   /* struct dv_wire_epoch */
    DV_WIRE_WRITTEN,   /* struct dv_wire_figures */
    DV_WIRE_RESUME,    /* struct dv_wire_epoch */
    DV_WIRE_DURABLE,   /* struct dv_wire_figures */
    DV_WIRE_COMMITTED, /* struct dv_wire_epoch */
    DV_WIRE_FAILED,    /* struct dv_wire_failed */
    DV_WIRE_DECISIONS, /* struct dv_wire_epoch + text, a line for each region whose tracking was decided on */
    DV_WIRE_ABORT,    /* struct dv_wire_epoch */
    DV_WIRE_EXITING,  /* struct dv_wire_exiting */
    DV_WIRE_RESTORED, /* struct dv_wire_figures: the upper half runs again */
    DV_WIRE_COMMAND,  /* a verb to the supervisor: struct dv_wire_command */
    DV_WIRE_ANSWER,   /* struct dv_wire_answer */
};

struct dv_wire_header {
    uint32_t magic;
    uint16_t type, rank;
    uint32_t length;
};

struct dv_wire_hello {
    uint8_t token[DV_WIRE_TOKEN_BYTES];
    uint32_t version, rank, size, pid;
    uint32_t incarnation; /* of the job: 0 first, +1 with every restart; given to the rank by its
                             launcher */
    uint32_t restored;    /* 1: will restore from an image */
    char host[64];
};

struct dv_wire_welcome {
    uint64_t interval_ns; /* between checkpoints; 0: only on request */
    char spare[1024];     /* directory of this rank's old image that STOP may name for recycling */
};

struct dv_wire_epoch {
    uint64_t epoch;
};

struct dv_wire_stop {
    uint64_t epoch;
    /* The newest committed epoch that this process has captured or was restored from, and this rank's image of it: what
     * the epoch may inherit from. 0: there is none, or it is damaged. */
    uint64_t parent_epoch;
    uint8_t parent_digest[16];
    uint32_t
        complete; /* 1: inherit nothing, the chain is too long (the strategy sees parent_epoch 0) */
    uint32_t reserved;
    char directory[1024]; /* absolute; exists */
    char recycle[1024];   /* absolute path of this rank's spare image, or "" */
};

struct dv_wire_entry {
    uint64_t comm, count; /* as struct dv_cut_entry */
};

struct dv_wire_parked {
    uint64_t epoch;
    uint32_t
        version; /* of the targets the rank has heard of (PARKED), or of these targets (TARGET) */
    uint32_t count; /* entries that follow; PARKED with 0: the same as last time */
    /* struct dv_wire_entry entries[count]; */
};

/* Per epoch and rank; times in nanoseconds. Zero where it does not apply. */
struct dv_wire_figures {
    uint64_t epoch;
    /* The stop: */
    uint64_t stop_ns; /* from STOP to the first safe point */
    uint64_t cut_ns;  /* from there to PROCEED */
    uint64_t collectives_ns, drain_ns;
    uint64_t select_ns; /* listing regions and the strategy's choice; contains: */
    uint64_t scan_ns;   /* asking the kernel which pages exist and which were written */
    uint64_t
        snapshot_ns; /* process state, and copying pages, forking, or (kept by stopping) writing */
    uint64_t stall_ns; /* from the safe point at which it was held to RESUME */
    /* The application running (unless kept by stopping): */
    uint64_t write_ns; /* writing pages into the image */
    uint64_t sync_ns;  /* fsync and rename */
    uint64_t
        kept; /* how pages were kept, enum dv_keep (common/keep.h): 0 stopping, 1 copying, 2 forking */
    /* What of it: */
    uint64_t populated_bytes; /* pages that hold information */
    uint64_t
        examined_bytes; /* of these, chosen by the strategy (with a tracker: written since the parent) */
    uint64_t zero_bytes;      /* of these, zero pages, left out */
    uint64_t same_bytes;      /* of these, with the same content as in the parent, left out */
    uint64_t data_bytes;      /* of these, stored; before packing */
    uint64_t inherited_bytes; /* as in the parent, not stored */
    uint64_t file_bytes;
    uint64_t parent_epoch; /* 0: complete by itself */
    uint64_t oracle_pages; /* compared with a full image of the same instant */
    uint64_t drained_messages, drained_bytes;
    uint8_t digest[16];
    /* RESTORED: */
    uint64_t split_ns, mpi_init_ns;
    uint64_t read_ns; /* memory: mapping it and reading what is read before the application runs */
    uint64_t rebuild_ns, restore_ns;
    uint64_t chain_length, loaded_bytes,
        lazy_bytes; /* images; bytes read, bytes mapped for reading on demand */
};

struct dv_wire_failed {
    uint64_t epoch;
    int32_t status; /* enum dv_status: DV_ERR_REFUSED: cannot checkpoint now */
    char reason[500];
};

struct dv_wire_exiting {
    int32_t status;
};

struct dv_wire_command {
    uint8_t token[DV_WIRE_TOKEN_BYTES];
    char verb[16]; /* "checkpoint", "status", "stop" */
};

struct dv_wire_answer {
    int32_t status; /* enum dv_status */
    uint64_t epoch;
    char text[4000];
};

/* "STOP", "PARKED" ...; "unknown" for any other number. */
const char *dv_wire_type_name(unsigned type);

/* Write one whole frame; read one whole frame (payload in `buffer`, its length in the header). EOF
 * is DV_ERR_ABORTED. Blocking, EINTR-safe, no SIGPIPE. `payload2` may be NULL. */
enum dv_status dv_wire_send(int fd, enum dv_wire_type type, unsigned rank, const void *payload,
                            size_t length, const void *payload2, size_t length2) DV_CHECKED;
enum dv_status dv_wire_receive(int fd, struct dv_wire_header *header, void *buffer,
                               size_t buffer_bytes) DV_CHECKED;

#endif
