/* The job's protocol strategy: found by its name in the gate page, its options applied, its hooks
 * set, its services. */
#include "mpi/objects.h"
#include "mpi/requests.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct dv_protocol *dv_protocol;
struct dv_hooks dv_hooks;

static struct dv_protocol instance;
static char explanation[400];

void dv_explain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(explanation, sizeof explanation, format, arguments);
    va_end(arguments);
}

const char *dv_explained(void)
{
    return explanation;
}

/* ---- services and hooks -------------------------------------------------- */

static const struct dv_protocol_core core = {
    .reach_collective_cut = dv_cut_reach,
    .complete_collectives = dv_collectives_complete,
    .drain_messages = dv_messages_drain,
    .explain = dv_explain,
};

static struct dv_msg describe(const struct dv_comm *comm, const struct dv_side *side)
{
    struct dv_msg message = {comm->name, side->peer, side->tag, 0, side->buffer, 0};
    MPI_Datatype type = dv_datatype_real(side->type);
    MPI_Count type_bytes = 0, *to = &type_bytes;
    if (DV_REAL(MPI_Type_size_x, type, to) == MPI_SUCCESS && type_bytes > 0 && side->count > 0)
        message.bytes = (uint64_t)type_bytes * (uint64_t)side->count;
    return message;
}

int dv_hook_send(struct dv_comm *comm, const struct dv_side *side)
{
    if (comm == NULL || side->peer < 0 || side->peer >= dv_comm_peers(comm))
        return MPI_SUCCESS; /* to nobody, or an error that the real library finds */
    struct dv_msg message = describe(comm, side);
    message.index = comm->sent[side->peer];
    return dv_hooks.on_send(dv_protocol, &message) == DV_OK ? MPI_SUCCESS : MPI_ERR_OTHER;
}

int dv_hook_recv(struct dv_comm *comm, const struct dv_side *side)
{
    if (comm == NULL || side->peer < 0 || side->peer >= dv_comm_peers(comm))
        return MPI_SUCCESS;
    struct dv_msg message = describe(comm, side);
    message.index = comm->received[side->peer];
    return dv_hooks.on_recv(dv_protocol, &message) == DV_OK ? MPI_SUCCESS : MPI_ERR_OTHER;
}

/* ---- start and stop ------------------------------------------------------ */

static const struct dv_protocol_ops *find(const char *name)
{
    const char *names[32] = {NULL};
    char text[512] = "no protocol strategy is called \"";
    for (size_t i = 0; dv_protocol_table[i] != NULL; i++) {
        if (strcmp(dv_protocol_table[i]->name, name) == 0)
            return dv_protocol_table[i];
        if (i + 1 < sizeof names / sizeof *names)
            names[i] = dv_protocol_table[i]->name;
    }
    const char *near = dv_did_you_mean(name, names);
    dv_text_add(text, sizeof text, name);
    dv_text_add(text, sizeof text, near != NULL ? "\"; did you mean \"" : "\"; there are:");
    if (near != NULL) {
        dv_text_add(text, sizeof text, near);
        dv_text_add(text, sizeof text, "\"?");
    }
    for (size_t i = 0; near == NULL && names[i] != NULL; i++) {
        dv_text_add(text, sizeof text, " ");
        dv_text_add(text, sizeof text, names[i]);
    }
    dv_say(text);
    return NULL;
}

static enum dv_status say_failure(const char *what, enum dv_status status, const char *why)
{
    char text[768] = "protocol ";
    dv_text_add(text, sizeof text, DV_GATE->protocol);
    dv_text_add(text, sizeof text, ": ");
    dv_text_add(text, sizeof text, what);
    dv_text_add(text, sizeof text, ": ");
    dv_text_add(text, sizeof text, why[0] != '\0' ? why : dv_status_text(status));
    dv_say(text);
    return status;
}

enum dv_status dv_protocol_start(void)
{
    char why[400] = "";
    const struct dv_protocol_ops *ops = find(DV_GATE->protocol);
    if (ops == NULL)
        return DV_ERR_USAGE;
    if (ops->api != DV_PROTOCOL_API)
        return say_failure("made for another version of DejaVu", DV_ERR_UNSUPPORTED, "");
    instance = (struct dv_protocol){
        .ops = ops,
        .core = &core,
        .state = dv_arena_alloc(ops->state_size + 1),
        .rank = dv_world->rank,
        .size = dv_world->size,
    };
    enum dv_status status = DV_OK;
    if (ops->options != NULL || DV_GATE->protocol_options[0] != '\0') {
        static const struct dv_option none[] = {{.name = NULL}};
        status = dv_options_apply(ops->options != NULL ? ops->options : none,
                                  DV_GATE->protocol_options, instance.state, why, sizeof why);
        if (status != DV_OK)
            return say_failure("options", status, why);
    }
    int rc = dv_internal_start();
    if (rc != MPI_SUCCESS) {
        dv_refuse_mpi(why, sizeof why, "MPI_Comm_dup", rc);
        return say_failure("making DejaVu's own communicator", DV_ERR_INTERNAL, why);
    }
    if (ops->init != NULL)
        status = ops->init(&instance);
    if (status != DV_OK)
        return say_failure("start", status, explanation);
    dv_hooks = (struct dv_hooks){ops->on_send, ops->on_recv, ops->on_collective};
    dv_protocol = &instance;
    return DV_OK;
}

void dv_protocol_stop(void)
{
    if (dv_protocol == NULL)
        return;
    dv_requests_end(); /* may stop for a checkpoint, so everything must still be there */
    if (instance.ops->fini != NULL)
        instance.ops->fini(&instance);
    dv_hooks = (struct dv_hooks){NULL, NULL, NULL};
    dv_protocol = NULL;
    dv_arena_free(instance.state, instance.ops->state_size + 1);
    dv_internal_stop();
}
