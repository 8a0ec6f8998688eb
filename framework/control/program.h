/* The application's program file: found as execvp would, and checked before anything is started. No
 * state; reports its failures once. */
#ifndef DV_CONTROL_PROGRAM_H
#define DV_CONTROL_PROGRAM_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

/* The absolute path (symbolic links in it kept) of what `name` means here: itself if it has a
 * slash, else the first executable file on `search_path` (the value of PATH; NULL: none). */
enum dv_status dv_program_resolve(const char *name, const char *search_path, char *path,
                                  size_t path_bytes) DV_CHECKED;
/* Can DejaVu run it: an executable, dynamically linked ELF file for x86-64. */
enum dv_status dv_program_check(const char *path) DV_CHECKED;
/* What identifies it in images: XXH3-128 of its bytes in canonical order. */
enum dv_status dv_program_digest(const char *path, uint8_t digest[16]) DV_CHECKED;

#endif
