/* mpc/isa.h - which instruction set the arithmetic runs on.
 *
 * Chosen once: the best that processor and operating system support, or the one that the
 * environment variable VEILSUM_ISA names (portable, avx2, avx512). A name that is unknown or not
 * supported here ends the program with one line that says what this machine has, exit status 2. */
#ifndef VS_MPC_ISA_H
#define VS_MPC_ISA_H

#include <stdbool.h>

const char *vs_isa_name(void);           /* the chosen one */
bool vs_isa_supported(const char *name); /* false for an unknown name too */
const char *vs_isa_list(void);           /* "portable avx2 avx512": what this machine has */

#endif /* VS_MPC_ISA_H */
