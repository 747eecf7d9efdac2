/* tune_memory: what a tool found of machine code, kept below build/tools under the hash of all that decides it: the tool's
 * program, the machine code and its launches, the device and its driver. A run that meets the same again takes it from
 * there. Only what is final is kept; a file that cannot be read or written is as good as none. */
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "tune_tool.h"

#define KEPT_MAX (1u << 20)

/* NULL: what was asked of is not known well enough to be recognised. */
static char *place(const struct tune *t, const struct slot *slot, const char *program)
{
	const char *driver = json_string_value(json_object_get(t->s.device, "driver"));
	const char *device = json_string_value(json_object_get(t->s.device, "name"));
	char tool[HASH_HEX], key[HASH_HEX];
	struct buf path;

	if (!slot->code[0] || !driver || !device || hash_file(tool, program, NULL) < 0)
		return NULL;
	hash_parts(key, 5, (const void *const[]){ t->s.o.kernel, tool, slot->code, device, driver },
		   (const size_t[]){ strlen(t->s.o.kernel), strlen(tool), strlen(slot->code), strlen(device), strlen(driver) });
	buf_init(&path);
	buf_addf(&path, "%s/build/tools/%s.json", t->s.o.root, key);
	return buf_take(&path);
}

json_t *tool_recall(const struct tune *t, const struct slot *slot, const char *program)
{
	char *path = place(t, slot, program);
	json_t *record = NULL;
	struct buf text;

	buf_init(&text);
	if (path && fs_exists(path) && fs_read(path, &text, KEPT_MAX, NULL) == 0)
		record = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (record && !json_is_object(record)) {
		json_decref(record);
		record = NULL;
	}
	if (record) {
		json_object_set_new(record, "candidate", json_string(slot->text));
		json_object_set_new(record, "kept", json_true());
	}
	buf_free(&text);
	free(path);
	return record;
}

void tool_keep(const struct tune *t, const struct slot *slot, const char *program, const json_t *record)
{
	char *path = place(t, slot, program), *folder = path ? fs_join(t->s.o.root, "build/tools") : NULL;
	char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);

	if (path && text && fs_mkdirs(folder, NULL) == 0)
		(void)fs_write_atomic(path, text, strlen(text), NULL);
	free(text);
	free(folder);
	free(path);
}
