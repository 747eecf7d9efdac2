// Another directive that includes.
// verdict: compile
// needs: nvcc
#include_next </etc/passwd>
