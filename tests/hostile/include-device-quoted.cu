// Includes a device file, climbing out of the tree.
// verdict: compile
// needs: nvcc
#include "../../../../../../../../../../../../dev/zero"
