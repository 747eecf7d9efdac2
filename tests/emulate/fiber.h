// fiber: see fiber.cc.
#ifndef EMULATE_FIBER_H
#define EMULATE_FIBER_H

// Keeps the running stack in *save and goes on where `load` was left.
extern "C" void fiber_switch(void **save, void *load);

namespace emu {

// A stack, below which there is an inaccessible page.
char *fiber_stack();
// What to load so that `begin`, which must not return, runs on the stack.
void *fiber_start(char *stack, void (*begin)(void));

} // namespace emu
#endif
