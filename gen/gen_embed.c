/* gen_embed: the templates' bytes, put into the program by the assembler, so that a header can be written wherever the
 * program runs. The paths are those seen from the root folder, where the compiler is started. */
#include "gen_internal.h"

#define EMBED(symbol, path) \
	__asm__(".pushsection .rodata\n" \
		".global " #symbol "\n" #symbol ":\n" \
		".incbin \"" path "\"\n" \
		".byte 0\n" \
		".popsection\n")

EMBED(gen_template_best, "gen/best.h.in");
EMBED(gen_template_entry, "gen/best_entry.h.in");
