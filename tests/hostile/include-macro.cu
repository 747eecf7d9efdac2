// Hides the name of what is included in a macro.
// verdict: compile
// needs: nvcc
#define WHAT </etc/passwd>
#include WHAT
