// lift: see lift.cc.
#ifndef EMULATE_LIFT_H
#define EMULATE_LIFT_H
#include <string>

// Preprocessed CUDA C++ in, C++ for kernel.h out; line markers and numbers of lines are kept.
std::string lift(const std::string &text);

#endif
