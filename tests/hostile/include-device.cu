// Includes a device file that never ends.
// verdict: compile
// needs: nvcc
#include </dev/zero>
