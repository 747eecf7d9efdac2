/* cubin: reads the sections and symbols of a cubin (64-bit ELF, machine 190). Kernels are the symbols that carry the CUDA
 * entry mark; each has a section of its own, .text.NAME, whose 16-byte instructions are counted by opcode. Only lengths
 * and offsets that were checked against the file are followed; nothing is read through a pointer into the file, since
 * alignment is not given either. */
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attune/cubin.h"

#define MACHINE_CUDA 190
#define ENTRY_MARK 0x10 /* in st_other: the symbol is a kernel */
#define SYMBOLS_MAX 65536u
#define INSTRUCTION_BYTES 16

struct file {
	const unsigned char *data;
	size_t len;
	Elf64_Ehdr head;
	int cc;
	struct err *e;
};

static bool inside(const struct file *f, uint64_t offset, uint64_t len)
{
	return offset <= f->len && len <= f->len - offset;
}

static int section(const struct file *f, uint64_t index, Elf64_Shdr *s)
{
	uint64_t offset = f->head.e_shoff + index * sizeof *s;

	if (index >= f->head.e_shnum || f->head.e_shoff > f->len || !inside(f, offset, sizeof *s))
		return err_set(f->e, "cubin: section %llu lies outside the file (%zu bytes; truncated?)",
			       (unsigned long long)index, f->len);
	memcpy(s, f->data + offset, sizeof *s);
	if (s->sh_type != SHT_NOBITS && !inside(f, s->sh_offset, s->sh_size))
		return err_set(f->e, "cubin: content of section %llu lies outside the file (%zu bytes; truncated?)",
			       (unsigned long long)index, f->len);
	return 0;
}

/* A NUL-terminated text of a string table, or NULL. */
static const char *text_at(const struct file *f, const Elf64_Shdr *table, uint64_t offset)
{
	const char *base;

	if (table->sh_type != SHT_STRTAB || offset >= table->sh_size)
		return NULL;
	base = (const char *)f->data + table->sh_offset + offset;
	return memchr(base, '\0', table->sh_size - offset) ? base : NULL;
}

static int open_file(struct file *f, const void *data, size_t len, struct err *e)
{
	uint32_t flags;

	f->data = data;
	f->len = len;
	f->e = e;
	if (len < sizeof f->head || memcmp(data, ELFMAG, SELFMAG) != 0)
		return err_set(e, "cubin: no ELF file (%zu bytes)", len);
	memcpy(&f->head, data, sizeof f->head);
	if (f->head.e_ident[EI_CLASS] != ELFCLASS64 || f->head.e_ident[EI_DATA] != ELFDATA2LSB ||
	    f->head.e_machine != MACHINE_CUDA)
		return err_set(e, "cubin: an ELF file, but not machine code for a GPU");
	if (f->head.e_shentsize != sizeof(Elf64_Shdr))
		return err_set(e, "cubin: section headers of %u bytes", f->head.e_shentsize);
	/* They stand at the end of what nvcc writes, so a cut shows here first. */
	if (f->head.e_phnum && (f->head.e_phoff > len ||
				!inside(f, f->head.e_phoff, (uint64_t)f->head.e_phnum * f->head.e_phentsize)))
		return err_set(e, "cubin: program headers lie outside the file (%zu bytes; truncated?)", len);
	/* The compute capability moved up by a byte with version 8 of the ABI (CUDA 13). */
	flags = f->head.e_flags;
	f->cc = (int)(f->head.e_ident[EI_ABIVERSION] >= 8 ? flags >> 8 & 0xff : flags & 0xff);
	if (f->cc < 70)
		return err_set(e, "cubin: compute capability %d, only 70 and later are understood", f->cc);
	return 0;
}

static void count(json_t *mix, const char *name)
{
	json_object_set_new(mix, name, json_integer(1 + json_integer_value(json_object_get(mix, name))));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The counts with their names sorted, so that equal code gives equal text. */
static json_t *sorted(json_t *mix)
{
	size_t n = 0, size = json_object_size(mix);
	const char **names = calloc(size + 1, sizeof *names);
	json_t *out = json_object(), *v;
	const char *name;

	json_object_foreach(mix, name, v)
		names[n++] = name;
	qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++)
		json_object_set(out, names[i], json_object_get(mix, names[i]));
	free(names);
	return out;
}

static int add_kernel(const struct file *f, json_t *kernels, const char *name, const Elf64_Shdr *code)
{
	json_t *mix = json_object();
	json_int_t n = 0;

	if (code->sh_type != SHT_PROGBITS || code->sh_size % INSTRUCTION_BYTES != 0) {
		json_decref(mix);
		return err_set(f->e, "cubin: kernel %s has no code of whole instructions", name);
	}
	for (uint64_t at = 0; at < code->sh_size; at += INSTRUCTION_BYTES) {
		const char *mnemonic;
		uint64_t word;

		memcpy(&word, f->data + code->sh_offset + at, sizeof word);
		mnemonic = cubin_mnemonic(word, f->cc);
		if (mnemonic && strcmp(mnemonic, "NOP") == 0)
			continue;
		count(mix, mnemonic ? mnemonic : "other");
		n++;
	}
	json_array_append_new(kernels, json_pack("{s:s, s:I, s:I, s:o}", "name", name, "code_bytes",
						 (json_int_t)code->sh_size, "instructions", n, "mix", sorted(mix)));
	json_decref(mix);
	return 0;
}

/* A function that the driver is to supply: printf, malloc, a launch from the device. */
static int add_call(const struct file *f, const Elf64_Sym *symbol, const Elf64_Shdr *strings, json_t *calls)
{
	const char *name = text_at(f, strings, symbol->st_name);

	if (!name)
		return err_set(f->e, "cubin: a symbol's name lies outside its table");
	json_array_append_new(calls, json_string(name));
	return 0;
}

/* Kernels, variables and calls of the driver; every other symbol is passed over. */
static int add_symbol(const struct file *f, const Elf64_Sym *symbol, const Elf64_Shdr *strings, const Elf64_Shdr *names,
		      json_t *kernels, json_t *globals, json_t *calls)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	const char *name, *where;
	Elf64_Shdr s;

	if (type == STT_FUNC && symbol->st_shndx == SHN_UNDEF)
		return add_call(f, symbol, strings, calls);
	if ((type != STT_FUNC || !(symbol->st_other & ENTRY_MARK)) && type != STT_OBJECT)
		return 0;
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE)
		return 0;
	if (section(f, symbol->st_shndx, &s) < 0)
		return -1;
	name = text_at(f, strings, symbol->st_name);
	where = text_at(f, names, s.sh_name);
	if (!name || !where)
		return err_set(f->e, "cubin: a symbol's name lies outside its table");
	if (type == STT_FUNC)
		return add_kernel(f, kernels, name, &s);
	if (strncmp(where, ".nv.global", strlen(".nv.global")) == 0 || strncmp(where, ".nv.constant", strlen(".nv.constant")) == 0)
		json_array_append_new(globals, json_pack("{s:s, s:I, s:b}", "name", name, "bytes", (json_int_t)symbol->st_size,
							 "writable", (s.sh_flags & SHF_WRITE) != 0));
	return 0;
}

static int read_symbols(const struct file *f, const Elf64_Shdr *names, const Elf64_Shdr *table, json_t *kernels,
			json_t *globals, json_t *calls)
{
	uint64_t n = table->sh_size / sizeof(Elf64_Sym);
	Elf64_Shdr strings;

	if (n > SYMBOLS_MAX)
		return err_set(f->e, "cubin: %llu symbols", (unsigned long long)n);
	if (section(f, table->sh_link, &strings) < 0)
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Sym symbol;

		memcpy(&symbol, f->data + table->sh_offset + i * sizeof symbol, sizeof symbol);
		if (add_symbol(f, &symbol, &strings, names, kernels, globals, calls) < 0)
			return -1;
	}
	return 0;
}

int cubin_read(const void *data, size_t len, json_t **info, struct err *e)
{
	json_t *kernels = json_array(), *globals = json_array(), *calls = json_array();
	struct file f;
	Elf64_Shdr names, s;
	int rc;

	*info = NULL;
	rc = open_file(&f, data, len, e);
	if (rc == 0)
		rc = section(&f, f.head.e_shstrndx, &names);
	for (uint64_t i = 0; rc == 0 && i < f.head.e_shnum; i++) {
		rc = section(&f, i, &s);
		if (rc == 0 && s.sh_type == SHT_SYMTAB)
			rc = read_symbols(&f, &names, &s, kernels, globals, calls);
	}
	if (rc == 0 && !json_array_size(kernels))
		rc = err_set(e, "cubin: no kernel in it");
	if (rc == 0)
		*info = json_pack("{s:i, s:O, s:O, s:O}", "cc", f.cc, "kernels", kernels, "globals", globals, "calls", calls);
	if (rc == 0 && !*info)
		rc = err_set(e, "cubin: a name is not UTF-8");
	json_decref(kernels);
	json_decref(globals);
	json_decref(calls);
	return rc < 0 ? -1 : 0;
}

/* The section of an entry's code: ".text." and its name. */
int cubin_code(const void *data, size_t len, const char *entry, const void **code, size_t *bytes, int *cc, struct err *e)
{
	struct file f;
	Elf64_Shdr names, s;
	int rc = open_file(&f, data, len, e);

	if (rc == 0)
		rc = section(&f, f.head.e_shstrndx, &names);
	for (uint64_t i = 0; rc == 0 && i < f.head.e_shnum; i++) {
		const char *name;

		rc = section(&f, i, &s);
		name = rc == 0 ? text_at(&f, &names, s.sh_name) : NULL;
		if (!name || strncmp(name, ".text.", strlen(".text.")) != 0 || strcmp(name + strlen(".text."), entry) != 0)
			continue;
		if (s.sh_type != SHT_PROGBITS || s.sh_size % INSTRUCTION_BYTES != 0)
			return err_set(e, "cubin: kernel %s has no code of whole instructions", entry);
		*code = f.data + s.sh_offset;
		*bytes = s.sh_size;
		*cc = f.cc;
		return 0;
	}
	return rc < 0 ? rc : err_set(e, "cubin: no kernel %s in it", entry);
}
