/* main: what the subcommands share. Only main.c and main_*.c include it. */
#ifndef ATTUNE_MAIN_H
#define ATTUNE_MAIN_H
#include <getopt.h>
#include "attune/tune.h"

/* Exit codes: 0 done, 1 failed or something judged wrong, 2 bad usage, 3 verified but stale, 130 stopped by a signal. */
enum { EXIT_OK = 0, EXIT_BAD = 1, EXIT_USAGE = 2, EXIT_STALE = 3, EXIT_STOPPED = 130 };

/* Options that every subcommand with a session takes. */
#define MAIN_SESSION_OPTIONS \
	{ "kernel", required_argument, NULL, 'k' }, { "problem", required_argument, NULL, 'p' }, \
	{ "arch", required_argument, NULL, 'a' }, { "runner", required_argument, NULL, 'r' }, \
	{ "nvcc", required_argument, NULL, 'n' }, { "python", required_argument, NULL, 'y' }, \
	{ "jobs", required_argument, NULL, 'j' }, { "root", required_argument, NULL, 'R' }, \
	{ "record", required_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' }
#define MAIN_SESSION_HELP \
	"  --kernel NAME     kernel family, a folder under kernels/ (attn)\n" \
	"  --problem TEXT    a named problem, or \"b=1 h=8 sq=512 ...\" in any order (seed)\n" \
	"  --arch ARCH       sm_80, sm_89, sm_90a, ... (the machine's GPU)\n" \
	"  --runner COMMAND  starts the process that owns the GPU, e.g. \"ssh jetson attune-run\"\n" \
	"  --nvcc PATH       the CUDA compiler (nvcc)\n" \
	"  --python PATH     a Python with torch, for the SDPA baselines (python3)\n" \
	"  --jobs N          compilers at once (one for each core)\n" \
	"  --record FILE     replay this recorded run instead of using a GPU\n" \
	"  --root FOLDER     holds kernels/ and lua/ (the folder above this program's)\n"

void main_session_defaults(struct session_options *o);
/* 1: taken; 0: not a session option; negative: a bad value, reported. */
int main_session_option(struct session_options *o, int option, const char *arg, struct err *e);
/* Appends the family's named problems. */
int main_named_problems(const struct session_options *o, json_t *problems, struct err *e);
/* A decimal number of at least `least`; a bad one names the flag. */
int main_number(const char *flag, const char *arg, long long least, long long *out, struct err *e);
/* Prints "attune: <error>" and returns code. */
int main_fail(const struct err *e, int code);
/* getopt found an unknown or incomplete flag (it has said which): points to --help. */
int main_usage(const char *command);
/* The folder of the winners, malloc'ed: as given, or tuned below root. */
char *main_out_folder(const char *root, const char *out);
extern volatile sig_atomic_t main_stop;

/* main_suite.c: which problems are tuned: those whose entry was made of other sources (or with another device, toolkit, policy,
 * seed, or fewer trials); of these only those whose own source would change; those without a measured entry; all. */
enum suite_retune { RETUNE_SOURCES, RETUNE_WINNER, RETUNE_MISSING, RETUNE_ALL };
/* Tunes each problem (an array of texts) whose entry is not up to date. Returns an exit code. */
int suite_run(struct tune_options *o, const json_t *problems, enum suite_retune retune);

/* main_record_names.c: completes the names of candidates in a journal's records, in place: axes that a name lacks get the
 * family's defaults. What was completed is noted in the run lines ("completed") and printed; with nothing to complete,
 * nothing changes. */
void record_names_complete(struct script *script, json_t *records);
/* Takes what was completed out of the trials' names again: what is left are the axes that were searched. */
void record_names_searched(json_t *records);

int main_tune(int argc, char **argv);
int main_judge(int argc, char **argv);
int main_compile(int argc, char **argv);
int main_record(int argc, char **argv);
int main_measure(int argc, char **argv);
int main_list(int argc, char **argv);
int main_drop(int argc, char **argv);
int main_emit(int argc, char **argv);
int main_verify(int argc, char **argv);

#endif
