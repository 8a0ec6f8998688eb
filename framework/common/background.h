/* Work of a rank that nobody waits for: files and memory that are made ready for the next checkpoint. While the application
 * is stopped it makes way: it is given up, and done when it is asked for the next time. Any thread; no locks. */
#ifndef DV_COMMON_BACKGROUND_H
#define DV_COMMON_BACKGROUND_H

void dv_background_halt(void);
void dv_background_go_on(void);
/* To be asked every few milliseconds: is the work to be given up? */
int dv_background_halted(void);

#endif
