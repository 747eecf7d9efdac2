/* tune_tool: attune-run under another program (compute-sanitizer, ncu), beside the runner that measures. What it is asked is
 * written down beforehand and it ends by itself, so several tools can work at a time. Only tune_*.c include it. */
#ifndef ATTUNE_TUNE_TOOL_H
#define ATTUNE_TUNE_TOOL_H
#include "attune/proc.h"
#include "attune/tune.h"

struct tool_run {
	const char *label;   /* "memcheck": names its files */
	struct proc proc;
	double took_s;
	bool ended;          /* by itself, within the limit */
	int status;
	char *log_path, *answers_path, *errors_path;
	struct buf log;      /* what the tool wrote to its --log-file */
	struct buf errors;   /* what it, or the runner, wrote to standard error */
	json_t *result;      /* the runner's answer to the judgement, NULL when there is none */
	char why[400];       /* why there is none */
};

/* The program in PATH or where CUDA is usually installed, malloc'ed; NULL: not installed. */
char *tool_find(const char *name);
/* Why a tool cannot be put before this session's runner, NULL when it can. */
const char *tool_obstacle(const struct session *s);
/* Writes the requests into <run folder>/tool: these problems (numbers in s->specs) are given, the candidate is judged. */
int tool_prepare(struct tune *t, const struct slot *slot, const size_t *problems, size_t n, struct err *e);
/* Starts `argv` (the tool and its options, without the log's) before the runner's command; *log_option is "--log-file". One
 * call may take limit_s. label must outlive the run. */
int tool_start(struct tune *t, struct tool_run *r, const char *label, const char *const *argv, double limit_s, struct err *e);
/* Lets the run go on until it has ended: 1; 0: it runs; then what it left is in r. */
int tool_poll(struct tool_run *r);
/* Ends it, whatever it does. */
void tool_kill(struct tool_run *r);
/* The files stay where they are. */
void tool_free(struct tool_run *r);
/* Names of the kernels that a candidate launches for the tuned problem, a new array of texts. */
int tool_entries(struct tune *t, const struct slot *slot, json_t **names, struct err *e);

/* --- tune_memory.c --- */

/* What `program` found of this slot's machine code and launches on this device in an earlier run: its record, with the slot's
 * candidate and "kept": true. A new object; NULL: nothing. */
json_t *tool_recall(const struct tune *t, const struct slot *slot, const char *program);
/* Keeps a record that is final. */
void tool_keep(const struct tune *t, const struct slot *slot, const char *program, const json_t *record);

#endif
