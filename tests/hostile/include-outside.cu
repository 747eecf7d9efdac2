// Includes a file of this machine, so that it would be published with the winner.
// verdict: compile
// needs: nvcc
#include "../../../../../../../../../../../../etc/passwd"
