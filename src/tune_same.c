/* tune_same: never the same machine code twice. Two candidates are the same when their cubins are equal and they launch them
 * equally for every problem of the session; whatever axis differs between them did nothing. The first of them to be ready
 * is judged and timed, the other takes over its result. Which of them repeats the other is decided in the order of
 * proposal, when they are told, so the policy is told the same whatever compiler was faster. Does not judge. */
#include <math.h>
#include <string.h>

#include "attune/hash.h"
#include "attune/tune.h"

/* Of a trial that is taken over, what belongs to the candidate alone or to the act of measuring. */
static bool own(const char *member)
{
	static const char *const names[] = { "seq", "crc", "id", "compile_s", "op", "parents", "wall_ms", "restart_ms", NULL };

	for (const char *const *n = names; *n; n++)
		if (!strcmp(*n, member))
			return true;
	return false;
}

int tune_same_learn(struct tune *t, struct slot *slot, const char *cubin_sha256, struct err *e)
{
	char *dump;

	if (!cubin_sha256 || slot->code[0])
		return 0;
	if (!slot->launches && session_launches(&t->s, slot->candidate, &slot->launches, e) < 0)
		return -1;
	dump = json_dumps(slot->launches, JSON_COMPACT | JSON_SORT_KEYS);
	if (!dump)
		return err_set(e, "%s: its launches cannot be written down", slot->text);
	hash_parts(slot->code, 2, (const void *const[]){ cubin_sha256, dump },
		   (const size_t[]){ strlen(cubin_sha256), strlen(dump) });
	free(dump);
	return 0;
}

struct slot *tune_same_done(struct tune *t, const struct slot *slot)
{
	for (long i = 0; slot->code[0] && i < t->n_slots; i++) {
		struct slot *other = &t->slots[i];

		if (other != slot && other->state == SLOT_DONE && !strcmp(other->code, slot->code))
			return other;
	}
	return NULL;
}

void tune_same_take(json_t *trial, const struct slot *other)
{
	const char *first = json_string_value(json_object_get(other->trial, "same_as")), *name;
	json_t *value;

	json_object_foreach(other->trial, name, value)
		if (!own(name) && !json_object_get(trial, name))
			json_object_set(trial, name, value);
	json_object_set_new(trial, "same_as", json_string(first ? first : other->text));
}

const struct slot *tune_same_told(struct tune *t, const struct slot *slot)
{
	for (long i = 0; slot->code[0] && &t->slots[i] < slot; i++)
		if (!strcmp(t->slots[i].code, slot->code))
			return &t->slots[i];
	return NULL;
}

long tune_same_room(const struct tune *t)
{
	return t->o.trials + t->repeats - t->n_slots;
}
