/* Messages of DejaVu, on stderr, each beginning "dejavu: ".
 *
 * A message says what failed, on which object, the cause (errno text), and the remedy. Lines of one rank carry
 * "r<rank>" and, during a checkpoint, "e<epoch>": `dejavu: 12.345 r3 e7 capture: ...`. dv_log formats into a stack
 * buffer and makes one write(2); it takes no lock and allocates nothing, so it may be called from any thread of the
 * lower half and from the restorer. Level from DEJAVU_LOG (error, warn, info, debug, trace), default info for the
 * commands and warn for the ranks. */
#ifndef DEJAVU_LOG_H
#define DEJAVU_LOG_H

enum dv_log_level { DV_LOG_ERROR, DV_LOG_WARN, DV_LOG_INFO, DV_LOG_DEBUG, DV_LOG_TRACE };

/* rank < 0: a command, not a rank: lines have no time and no rank. fd: where lines go (normally 2). */
void dv_log_setup(int fd, int rank, enum dv_log_level level);
void dv_log_set_epoch(unsigned long epoch);
enum dv_log_level dv_log_level_get(void);
void dv_log(enum dv_log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define dv_error(module, ...) dv_log(DV_LOG_ERROR, module, __VA_ARGS__)
#define dv_warn(module, ...) dv_log(DV_LOG_WARN, module, __VA_ARGS__)
#define dv_info(module, ...) dv_log(DV_LOG_INFO, module, __VA_ARGS__)
#define dv_debug(module, ...)                                                                      \
    do {                                                                                           \
        if (dv_log_level_get() >= DV_LOG_DEBUG)                                                    \
            dv_log(DV_LOG_DEBUG, module, __VA_ARGS__);                                             \
    } while (0)

#endif
