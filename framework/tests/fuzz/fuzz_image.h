/* Fuzzing the image reader. An input is two images in one:
 *
 *      uint32 bytes of the first image | uint8 mode | 3 bytes unused | first image | second image
 *
 * The first one is opened by itself, and as the head of a chain whose other images are, by mode, itself or the second one. */
#ifndef DV_TESTS_FUZZ_IMAGE_H
#define DV_TESTS_FUZZ_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_PREFIX 8u
#define FUZZ_MAX_BYTES (96u << 10)

enum fuzz_mode { FUZZ_PARENT_OTHER, FUZZ_PARENT_SELF, FUZZ_THREADS = 4 };

/* The two images of an input; lengths may be 0. */
struct fuzz_input {
    uint8_t *first, *second;
    size_t first_bytes, second_bytes;
    unsigned mode;
};

struct fuzz_input fuzz_parse(uint8_t *data, size_t size);
/* Make checksums and digests of an image right, and unless `sums_only` magic numbers and totals, as far as its tables can be
 * found. */
void fuzz_repair(uint8_t *image, size_t bytes, int sums_only);
/* Let the first image name the second one as its parent. */
void fuzz_link(struct fuzz_input *in);

/* libFuzzer's. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
