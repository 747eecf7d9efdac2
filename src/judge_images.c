/* judge_images: what the host has loaded, by id, kept so that a restarted GPU child can be given it again. Bounded: the
 * least recently used goes first, and the host loads an image again with the trial that needs it. */
#include <stdlib.h>
#include <string.h>

#include "judge_internal.h"

struct stored {
	char *id;
	struct buf data;
	unsigned long used;
	bool on_device, nondeterministic;
	int losses;
};

struct image_store {
	struct stored *list;
	size_t count, bytes, max_bytes;
	unsigned long clock;
};

struct image_store *images_open(size_t max_bytes)
{
	struct image_store *s = calloc(1, sizeof *s);

	if (!s)
		abort();
	s->max_bytes = max_bytes;
	return s;
}

static void drop(struct image_store *s, size_t i)
{
	s->bytes -= s->list[i].data.len;
	free(s->list[i].id);
	buf_free(&s->list[i].data);
	s->list[i] = s->list[--s->count];
}

void images_close(struct image_store *s)
{
	if (!s)
		return;
	while (s->count > 0)
		drop(s, 0);
	free(s->list);
	free(s);
}

static struct stored *find(const struct image_store *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i].id, id) == 0)
			return &s->list[i];
	return NULL;
}

void images_put(struct image_store *s, const char *id, const void *data, size_t len)
{
	struct stored *old = find(s, id), *more;

	/* The id is a hash of what determines the machine code, so the same id is the same image. */
	if (old && old->data.len == len && (len == 0 || memcmp(old->data.data, data, len) == 0)) {
		old->used = ++s->clock;
		return;
	}
	if (old)
		drop(s, (size_t)(old - s->list));
	while (s->count > 0 && s->bytes + len > s->max_bytes) {
		size_t oldest = 0;

		for (size_t i = 1; i < s->count; i++)
			if (s->list[i].used < s->list[oldest].used)
				oldest = i;
		drop(s, oldest);
	}
	more = realloc(s->list, (s->count + 1) * sizeof *more);
	if (!more)
		abort();
	s->list = more;
	s->list[s->count] = (struct stored){ .id = strdup(id), .used = ++s->clock };
	if (!s->list[s->count].id)
		abort();
	buf_init(&s->list[s->count].data);
	buf_add(&s->list[s->count].data, data, len);
	s->bytes += len;
	s->count++;
}

void images_drop(struct image_store *s, const char *id)
{
	struct stored *i = find(s, id);

	if (i)
		drop(s, (size_t)(i - s->list));
}

const struct buf *images_get(struct image_store *s, const char *id)
{
	struct stored *i = find(s, id);

	if (!i)
		return NULL;
	i->used = ++s->clock;
	return &i->data;
}

bool images_on_device(const struct image_store *s, const char *id)
{
	const struct stored *i = find(s, id);

	return i && i->on_device;
}

void images_set_on_device(struct image_store *s, const char *id, bool there)
{
	struct stored *i = find(s, id);

	if (i)
		i->on_device = there;
}

const char *images_other_on_device(const struct image_store *s, const char *keep)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].on_device && !(keep && strcmp(s->list[i].id, keep) == 0))
			return s->list[i].id;
	return NULL;
}

void images_device_lost(struct image_store *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->list[i].on_device = false;
}

void images_set_nondeterministic(struct image_store *s, const char *id, bool yes)
{
	struct stored *i = find(s, id);

	if (i)
		i->nondeterministic = yes;
}

int images_count_loss(struct image_store *s, const char *id)
{
	struct stored *i = find(s, id);

	return i ? ++i->losses : 2;
}

bool images_nondeterministic(const struct image_store *s, const char *id)
{
	const struct stored *i = find(s, id);

	return i && i->nondeterministic;
}
