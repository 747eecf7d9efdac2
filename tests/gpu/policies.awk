# The table of tests/gpu/policies.sh, from its paired.tsv (candidate, time), winners.tsv (policy, seed, candidate) and
# trials.tsv (policy, seed, number, time or "-", candidate), in this order; writes JSON to `evidence` when that is not "".
function sort(a, n,   i, k, v) {
	for (i = 2; i <= n; i++) {
		v = a[i]
		for (k = i - 1; k >= 1 && a[k] > v; k--) a[k + 1] = a[k]
		a[k + 1] = v
	}
}
function median(list,   n, a, i) {
	n = split(list, a, " ")
	for (i = 1; i <= n; i++) a[i] += 0
	sort(a, n)
	return n == 0 ? "-" : sprintf("%.3f", n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2)
}
# A number of JSON, null when it is not known.
function number(x) { return x == "" || x == "-" ? "null" : x }

BEGIN {
	FS = "\t"
	at[1] = int(trials / 3)
	at[2] = int(2 * trials / 3)
	at[3] = trials
}
FILENAME ~ /paired/ { paired[$1] = $2; next }
FILENAME ~ /winners/ { winner[$1, $2] = $3; next }
{
	if (!(($1, $2) in count)) {
		runs[$1]++
		seeds[$1] = seeds[$1] " " $2
	}
	n = ++count[$1, $2]
	if ($4 != "-" && (!(($1, $2) in best) || $4 < best[$1, $2])) best[$1, $2] = $4
	for (i = 1; i <= 3; i++)
		if (n == at[i] && ($1, $2) in best) {
			reached[$1, i] = reached[$1, i] " " best[$1, $2]
			one[$1, $2, i] = best[$1, $2]
		}
}
END {
	printf "%-10s %5s %9d %9d %9d  %s\n", "median us", "seeds", at[1], at[2], at[3], "winner, measured in pairs"
	for (p in runs) order[++m] = p
	sort(order, m)
	for (i = 1; i <= m; i++) {
		p = order[i]
		n = split(seeds[p], list, " ")
		all = rows = ""
		for (k = 1; k <= n; k++) {
			w = winner[p, list[k]]
			if (w in paired) all = all " " paired[w]
			rows = rows (k > 1 ? ",\n    " : "") sprintf("{\"seed\":%s,\"us\":[%s,%s,%s],\"paired_us\":%s,\"winner\":\"%s\"}",
				list[k], number(one[p, list[k], 1]), number(one[p, list[k], 2]), number(one[p, list[k], 3]),
				number(w in paired ? paired[w] : ""), w)
		}
		for (k = 1; k <= 3; k++) med[k] = median(reached[p, k])
		printf "%-10s %5d %9s %9s %9s  %s\n", p, runs[p], med[1], med[2], med[3], median(all)
		json = json (json ? ",\n  " : "") sprintf("{\"policy\":\"%s\",\"seeds\":%d,\"median_us\":[%s,%s,%s],", p, runs[p],
			number(med[1]), number(med[2]), number(med[3]))
		json = json sprintf("\"winner_paired_us\":%s,\"runs\":[\n    %s]}", number(median(all)), rows)
	}
	if (!evidence) exit
	printf "{\"what\":\"search policies\",\"command\":\"tests/gpu/policies.sh\",\"mode\":\"%s\",\"device\":\"%s\",", mode, device >evidence
	printf "\"after_trials\":[%d,%d,%d],\n \"table\":[\n  %s\n ]}\n", at[1], at[2], at[3], json >evidence
}
