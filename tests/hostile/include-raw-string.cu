// Hides the directive from a reader that takes the inside of raw strings for comments.
// verdict: compile
// needs: nvcc
__device__ void nothing() {
	asm volatile(R"(
/* )");
}
#include </etc/passwd>
// */
