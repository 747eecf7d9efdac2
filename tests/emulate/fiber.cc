// fiber: stacks switched by hand, which takes some ten instructions where ucontext asks the kernel. A fiber that is not
// running has its registers on its stack, in the order in which fiber_switch takes them off again.
#include "fiber.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

namespace emu {

enum : size_t { STACK = 64 << 10, PAGE = 4096 };

#if defined(__x86_64__)
asm(R"(
	.text
	.globl fiber_switch
	.hidden fiber_switch
	.type fiber_switch, @function
fiber_switch:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
)");
enum { SAVED = 6 };
#elif defined(__aarch64__)
asm(R"(
	.text
	.globl fiber_switch
	.hidden fiber_switch
	.type fiber_switch, %function
fiber_switch:
	sub sp, sp, #176
	stp x19, x20, [sp, #0]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #0]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #176
	ret
)");
#else
#error "the emulator switches stacks by hand on x86-64 and aarch64 only"
#endif
void *fiber_start(char *stack, void (*begin)(void)) {
#if defined(__x86_64__)
	void **top = (void **)(stack + STACK) - 2;

	*top = (void *)begin; // the return leaves the stack as a call would
	for (int i = 0; i < SAVED; i++)
		*--top = nullptr;
	return top;
#else
	void **top = (void **)(stack + STACK) - 22;

	memset(top, 0, 176);
	top[11] = (void *)begin;
	return top;
#endif
}

char *fiber_stack() {
	char *p = (char *)mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, PAGE, PROT_NONE))
		abort();
	return p + PAGE;
}

} // namespace emu
