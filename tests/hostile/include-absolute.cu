// Includes a file of this machine by an absolute path in angle brackets.
// verdict: compile
// needs: nvcc
#include </etc/passwd>
