/* scratch: a folder of a test's own, gone after it, and other small help for suites. */
#ifndef ATTUNE_TESTS_SCRATCH_H
#define ATTUNE_TESTS_SCRATCH_H
#include <check.h>
#include <stdbool.h>
#include <stddef.h>

/* A fresh folder, kept in a static buffer; for tcase_add_checked_fixture. */
void scratch_make(void);
void scratch_remove(void);
/* The same for those who keep its name themselves, and remove it. */
void scratch_new_folder(char *path, size_t size);
/* A new empty file, open for writing and closed on exec: its descriptor. */
int scratch_new_file(char *path, size_t size);
/* scratch folder "/" name, valid for the next 255 calls. */
const char *scratch_path(const char *name);
/* Writes a file in one go, without the code under test. */
void scratch_write(const char *path, const void *data, size_t len);
/* Becomes an unprivileged user, for what root may always do. False where that cannot be had. */
bool scratch_drop_root(void);
/* Runs one case as a suite; returns the status for main. */
int scratch_run(const char *suite, TCase *cases);

#endif
