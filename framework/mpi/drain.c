/* Draining: every message that is under way at the cut is received into this rank's memory.
 *
 * Ranks tell each other how many messages they have sent on each channel, in packets on DejaVu's
 * own communicator (not by collectives on the application's: a checkpoint may be given up at any
 * moment on some ranks and not yet on others, and a collective that only some ranks begin would
 * poison the communicator). Then each rank receives until it has as many as were sent to it, and
 * until its own sends are over. A last exchange tells everybody that all are so far: until then
 * each keeps the real library going, because others may still need its help; and it agrees whether
 * all succeeded.
 *
 *      packet:  | epoch | kind, value | count | count x {communicator, sender's rank, sent} |
 *
 * Runs on the main thread at a safe point, no libc but memory functions. */
#include "mpi/requests.h"

#include <string.h>

#define GIVE_UP_NS 10000000000u /* after an abort, for a rank that does not come */
#define LAST_LOOKS 16

enum packet_kind { PACKET_COUNTS, PACKET_ROUND };

struct entry {
    uint64_t comm, rank, sent;
};

struct packet {
    uint64_t epoch;
    uint32_t kind, value; /* ROUND: value is the round, with FAILED if somebody cannot go on */
    uint64_t count;
    struct entry entries[];
};
#define FAILED 0x80000000u

/* Packets on their way: they outlive an epoch that was given up. */
struct outgoing {
    struct outgoing *next;
    MPI_Request request;
    size_t bytes;
    struct packet packet;
};
static struct outgoing *outgoing;

struct channel {
    struct dv_comm *comm;
    uint64_t *expected; /* [peers] */
};

struct drain {
    uint64_t epoch;
    struct channel *channels; /* sorted by name */
    size_t channel_count;
    int heard;                /* of how many ranks' counts */
    uint32_t rounds;          /* bits: arrived */
    uint32_t failed;          /* FAILED if it is so for somebody */
    uint64_t messages, bytes; /* received */
};

/* ---- packets ------------------------------------------------------------- */

static struct outgoing *packet_new(size_t entries)
{
    size_t bytes = sizeof(struct outgoing) + entries * sizeof(struct entry);
    struct outgoing *o = dv_arena_alloc(bytes);
    o->bytes = bytes;
    return o;
}

static int packet_send(struct outgoing *o, int world_rank)
{
    size_t bytes = sizeof o->packet + o->packet.count * sizeof(struct entry);
    const struct dv_side side = {&o->packet, (MPI_Count)bytes, MPI_BYTE, world_rank, DV_TAG_DRAIN};
    MPI_Comm comm = dv_internal;
    MPI_Request *request = &o->request;
    int rc = DV_DOWN(isend, &side, comm, DV_SEND_STANDARD, request);
    if (rc != MPI_SUCCESS || o->request == MPI_REQUEST_NULL) {
        dv_arena_free(o, o->bytes);
        return rc;
    }
    o->next = outgoing;
    outgoing = o;
    return rc;
}

static void test_outgoing(void)
{
    struct outgoing **link = &outgoing;
    while (*link != NULL) {
        struct outgoing *o = *link;
        MPI_Status status, *to = &status;
        MPI_Request *request = &o->request;
        int done;
        DV_DOWN(wait, request, DV_WAIT_ONCE, to, &done);
        if (done) {
            *link = o->next;
            dv_arena_free(o, o->bytes);
        } else {
            link = &o->next;
        }
    }
}

void dv_drain_forget(void)
{
    while (outgoing != NULL) {
        struct outgoing *o = outgoing;
        outgoing = o->next;
        dv_arena_free(o, o->bytes);
    }
}

static struct channel *channel_find(const struct drain *d, uint64_t name)
{
    size_t low = 0, high = d->channel_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->channels[middle].comm->name < name)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->channel_count && d->channels[low].comm->name == name ? &d->channels[low] : NULL;
}

static void packet_read(struct drain *d, const struct packet *packet, size_t bytes)
{
    if (bytes < sizeof *packet || packet->epoch != d->epoch ||
        (bytes - sizeof *packet) / sizeof(struct entry) < packet->count)
        return; /* of an epoch that was given up */
    if (packet->kind == PACKET_ROUND) {
        d->rounds |= 1u << (packet->value & ~FAILED);
        d->failed |= packet->value & FAILED;
        return;
    }
    for (uint64_t i = 0; i < packet->count; i++) {
        const struct entry *e = &packet->entries[i];
        struct channel *channel = channel_find(d, e->comm);
        if (channel != NULL && e->rank < (uint64_t)dv_comm_peers(channel->comm))
            channel->expected[e->rank] = e->sent;
    }
    d->heard++;
}

static int packets_receive(struct drain *d)
{
    for (;;) {
        MPI_Message message = MPI_MESSAGE_NULL, *taken = &message;
        MPI_Status status = dv_status_empty, *to = &status;
        MPI_Comm comm = dv_internal;
        MPI_Request request, *posted = &request;
        int found = 0, done;
        int rc =
            DV_DOWN(probe, MPI_ANY_SOURCE, DV_TAG_DRAIN, comm, DV_WAIT_ONCE, &found, taken, to);
        if (rc != MPI_SUCCESS || !found)
            return rc;
        size_t bytes = dv_status_bytes(&status);
        void *packet = dv_arena_alloc(bytes);
        const struct dv_side side = {packet, (MPI_Count)bytes, MPI_BYTE, 0, 0};
        rc = DV_DOWN(imrecv, &side, taken, posted);
        if (rc == MPI_SUCCESS)
            rc = DV_DOWN(wait, posted, DV_WAIT_FOREVER, to, &done);
        if (rc == MPI_SUCCESS)
            packet_read(d, packet, bytes);
        dv_arena_free(packet, bytes);
        if (rc != MPI_SUCCESS)
            return rc;
    }
}

/* ---- telling what was sent ----------------------------------------------- */

static int peer_world_rank(const struct dv_comm *comm, int peer)
{
    return comm->remote_size > 0 ? comm->remote_world_ranks[peer] : comm->world_ranks[peer];
}

/* Call `each` for every channel on which something was sent. */
static void for_sent(const struct drain *d,
                     void (*each)(void *arg, const struct dv_comm *comm, int peer), void *arg)
{
    for (size_t i = 0; i < d->channel_count; i++) {
        const struct dv_comm *comm = d->channels[i].comm;
        for (int peer = 0; peer < dv_comm_peers(comm); peer++)
            if (comm->sent[peer] > 0 && peer_world_rank(comm, peer) >= 0)
                each(arg, comm, peer);
    }
}

static void count_entry(void *arg, const struct dv_comm *comm, int peer)
{
    size_t *counts = arg;
    counts[peer_world_rank(comm, peer)]++;
}

static void add_entry(void *arg, const struct dv_comm *comm, int peer)
{
    struct outgoing **packets = arg;
    struct packet *packet = &packets[peer_world_rank(comm, peer)]->packet;
    packet->entries[packet->count++] =
        (struct entry){comm->name, (uint64_t)comm->rank, comm->sent[peer]};
}

static int counts_send(struct drain *d)
{
    size_t size = (size_t)dv_world->size, bytes = size * sizeof(size_t);
    size_t *counts = dv_arena_alloc(bytes);
    struct outgoing **packets = dv_arena_alloc(size * sizeof(*packets));
    int rc = MPI_SUCCESS;
    for_sent(d, count_entry, counts);
    for (size_t i = 0; i < size; i++) {
        packets[i] = packet_new(counts[i]);
        packets[i]->packet.epoch = d->epoch;
        packets[i]->packet.kind = PACKET_COUNTS;
    }
    for_sent(d, add_entry, packets);
    for (size_t i = 0; i < size; i++) {
        if ((int)i == dv_world->rank) {
            struct packet *own = &packets[i]->packet;
            packet_read(d, own, sizeof *own + own->count * sizeof(struct entry));
        }
        if ((int)i == dv_world->rank || rc != MPI_SUCCESS)
            dv_arena_free(packets[i], packets[i]->bytes);
        else
            rc = packet_send(packets[i], (int)i);
    }
    dv_arena_free(packets, size * sizeof(*packets));
    dv_arena_free(counts, bytes);
    return rc;
}

/* ---- receiving what is under way ----------------------------------------- */

/* Begin to receive a matched message as bytes. */
static int begin_receive(struct dv_drained *message, MPI_Message *real)
{
    if (message->bytes > 0)
        message->data = dv_arena_alloc(message->bytes);
    const struct dv_side side = {message->data, (MPI_Count)message->bytes, MPI_BYTE, 0, 0};
    MPI_Request *request = &message->receiving;
    return DV_DOWN(imrecv, &side, real, request);
}

/* Is all of it here? */
static bool is_received(struct dv_drained *message, int *rc)
{
    if (message->receiving != MPI_REQUEST_NULL) {
        MPI_Request *request = &message->receiving;
        MPI_Status status, *to = &status;
        int done;
        int wait_rc = DV_DOWN(wait, request, DV_WAIT_ONCE, to, &done);
        if (wait_rc != MPI_SUCCESS)
            *rc = wait_rc;
        if (done)
            message->receiving = MPI_REQUEST_NULL;
    }
    return message->receiving == MPI_REQUEST_NULL;
}

/* All messages that have arrived on a communicator and that no posted receive wants. */
static int take_arrived(struct drain *d, struct dv_comm *comm)
{
    for (;;) {
        MPI_Message real = MPI_MESSAGE_NULL, *taken = &real;
        MPI_Status status = dv_status_empty, *to = &status;
        MPI_Comm real_comm = comm->object.real;
        int found = 0;
        int rc =
            DV_DOWN(probe, MPI_ANY_SOURCE, MPI_ANY_TAG, real_comm, DV_WAIT_ONCE, &found, taken, to);
        if (rc != MPI_SUCCESS || !found)
            return rc;
        struct dv_drained *message = dv_arena_alloc(sizeof *message);
        message->source = status.MPI_SOURCE;
        message->tag = status.MPI_TAG;
        message->bytes = dv_status_bytes(&status);
        message->receiving = MPI_REQUEST_NULL;
        rc = begin_receive(message, taken);
        if (rc != MPI_SUCCESS) {
            dv_drained_free(message);
            return rc;
        }
        dv_ledger_received(comm, message->source);
        dv_drained_add(comm, message);
        d->messages++;
        d->bytes += message->bytes;
    }
}

/* What MPI_Mprobe took and nobody has received yet comes into memory too; it was counted when it
 * was taken. */
static int take_matched(struct drain *d)
{
    const struct dv_table *table = &dv_tables[DV_KIND_MESSAGE];
    for (uint32_t i = 0; i < table->used; i++) {
        struct dv_message *m = (struct dv_message *)table->items[i];
        if (m == NULL || m->drained != NULL)
            continue;
        struct dv_drained *message = dv_arena_alloc(sizeof *message);
        message->source = m->source;
        message->tag = m->tag;
        message->bytes = (uint64_t)m->bytes;
        message->receiving = MPI_REQUEST_NULL;
        MPI_Message *real = &m->object.real;
        int rc = begin_receive(message, real);
        m->drained = message;
        if (rc != MPI_SUCCESS)
            return rc;
        d->messages++;
        d->bytes += message->bytes;
    }
    return MPI_SUCCESS;
}

/* ---- are we there? ------------------------------------------------------- */

/* Operations of this rank; receives may stay pending, they are posted again after a restore. */
static bool requests_level(void)
{
    struct dv_request *r;
    bool level = true;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;) {
        if (r->what != DV_REQUEST_SEND && r->what != DV_REQUEST_RECV &&
            r->what != DV_REQUEST_MATCHED)
            continue;
        dv_request_advance(r, DV_WAIT_ONCE);
        if (r->state == DV_REQUEST_PENDING && r->what != DV_REQUEST_RECV)
            level = false;
    }
    return level;
}

static bool contents_level(const struct drain *d, int *rc)
{
    const struct dv_table *table = &dv_tables[DV_KIND_MESSAGE];
    bool level = true;
    for (uint32_t i = 0; i < table->used; i++) {
        struct dv_message *m = (struct dv_message *)table->items[i];
        if (m != NULL && m->drained != NULL && !is_received(m->drained, rc))
            level = false;
    }
    for (size_t i = 0; i < d->channel_count; i++)
        for (struct dv_drained *m = d->channels[i].comm->drained; m != NULL; m = m->next)
            if (!is_received(m, rc))
                level = false;
    return level;
}

/* Messages still to come on the communicator; *over if there were more than were sent, which cannot
 * be. */
static bool channel_level(const struct channel *channel, bool *over)
{
    const struct dv_comm *comm = channel->comm;
    bool level = true;
    for (int peer = 0; peer < dv_comm_peers(comm); peer++) {
        if (comm->received[peer] < channel->expected[peer])
            level = false;
        if (comm->received[peer] > channel->expected[peer])
            *over = true;
    }
    return level;
}

static bool channels_level(struct drain *d, int *rc, bool *over)
{
    bool level = true;
    for (size_t i = 0; i < d->channel_count && *rc == MPI_SUCCESS; i++) {
        if (channel_level(&d->channels[i], over))
            continue;
        *rc = take_arrived(d, d->channels[i].comm);
        level = level && channel_level(&d->channels[i], over);
    }
    return level;
}

static enum dv_status mpi_failure(const char *what, int rc)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    DV_REAL(MPI_Error_string, rc, text, &length);
    dv_explain("%s: %s", what, text);
    return DV_ERR_INTERNAL;
}

static enum dv_status receive_all(struct drain *d)
{
    int rc = counts_send(d);
    if (rc == MPI_SUCCESS)
        rc = take_matched(d);
    for (;;) {
        bool over = false;
        if (rc == MPI_SUCCESS)
            rc = packets_receive(d);
        if (rc != MPI_SUCCESS)
            return mpi_failure("draining messages", rc);
        bool level = requests_level();
        test_outgoing();
        if (d->heard == dv_world->size) {
            level = channels_level(d, &rc, &over) && level;
            level = contents_level(d, &rc) && level;
            if (over) {
                dv_explain("more messages were received than sent on a communicator: the ledger is "
                           "wrong, a bug in DejaVu");
                return DV_ERR_INTERNAL;
            }
            if (level && rc == MPI_SUCCESS && outgoing == NULL)
                return DV_OK;
        }
        if (DV_LOWER(aborted, d->epoch))
            return DV_ERR_ABORTED;
    }
}

/* Messages whose bytes are still coming when the epoch is given up: their senders finish them, so
 * wait. */
static void finish_contents(const struct drain *d)
{
    int rc = MPI_SUCCESS;
    while (!contents_level(d, &rc))
        requests_level();
}

/* ---- the last exchange --------------------------------------------------- */

static int round_send(const struct drain *d, uint32_t round)
{
    int to = (int)(((unsigned)dv_world->rank + (1u << round)) % (unsigned)dv_world->size);
    struct outgoing *o = packet_new(0);
    o->packet.epoch = d->epoch;
    o->packet.kind = PACKET_ROUND;
    o->packet.value = round | d->failed;
    return packet_send(o, to);
}

/* Every rank comes here, whether it has succeeded or not; a dissemination in log2(size) rounds. */
static enum dv_status agree(struct drain *d, enum dv_status status)
{
    uint64_t aborted_ns = 0;
    int rc = MPI_SUCCESS;
    d->failed |= status != DV_OK || DV_LOWER(aborted, d->epoch) ? FAILED : 0;
    for (uint32_t round = 0; 1u << round < (unsigned)dv_world->size && rc == MPI_SUCCESS; round++) {
        rc = round_send(d, round);
        while (rc == MPI_SUCCESS && (d->rounds & 1u << round) == 0) {
            rc = packets_receive(d);
            test_outgoing();
            if (!DV_LOWER(aborted, d->epoch))
                continue;
            if (aborted_ns == 0)
                aborted_ns = dv_clock_ns();
            if (dv_clock_ns() - aborted_ns > GIVE_UP_NS)
                return DV_ERR_ABORTED;
        }
    }
    for (int i = 0; i < LAST_LOOKS; i++) { /* what the transport still holds of ours goes out */
        DV_DOWN(progress);
        test_outgoing();
    }
    if (rc != MPI_SUCCESS)
        return mpi_failure("agreeing that all messages are drained", rc);
    if (status == DV_OK && d->failed)
        return DV_ERR_ABORTED;
    return status;
}

enum dv_status dv_messages_drain(struct dv_protocol *p, uint64_t epoch)
{
    uint64_t began_ns = dv_clock_ns();
    struct drain d = {.epoch = epoch};
    struct dv_comm *comm;
    (void)p;
    while (dv_comm_sorted(d.channel_count) != NULL)
        d.channel_count++;
    size_t channels_bytes = (d.channel_count + 1) * sizeof *d.channels;
    d.channels = dv_arena_alloc(channels_bytes);
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++)
        d.channels[i] =
            (struct channel){comm, dv_arena_alloc((size_t)dv_comm_peers(comm) * sizeof(uint64_t))};

    enum dv_status status = receive_all(&d);
    if (status != DV_OK)
        finish_contents(&d);
    status = agree(&d, status);

    for (size_t i = 0; i < d.channel_count; i++)
        dv_arena_free(d.channels[i].expected,
                      (size_t)dv_comm_peers(d.channels[i].comm) * sizeof(uint64_t));
    dv_arena_free(d.channels, channels_bytes);
    DV_LOWER_VOID(record, "drain_ns", dv_clock_ns() - began_ns);
    DV_LOWER_VOID(record, "drained_messages", d.messages);
    DV_LOWER_VOID(record, "drained_bytes", d.bytes);
    return status;
}
