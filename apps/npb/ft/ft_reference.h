#ifndef FT_REFERENCE_H
#define FT_REFERENCE_H

struct ft_checksum {
    double re, im;
};

/* One per iteration of the class; the index is that of NPB_CLASSES. */
const struct ft_checksum *ft_reference(int class_index);

#endif
