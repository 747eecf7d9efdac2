// Hides the directive in a digraph, a comment and joined lines.
// verdict: compile
// needs: nvcc
/* a comment */ %: /**/ in\
clu\
de </etc/passwd>
