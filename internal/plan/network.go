package plan

// countNetwork is the end of a step: how often a program in it tried to reach a
// network, which no step has, into a file. The kernel counts that for the step's own
// network: what had no route, and datagrams that nobody took, as those to a name server
// that isn't there. Nothing is asked of the build, and nothing changes for it.
func countNetwork(file string) string {
	return `rm -rf ` + file + `
cat /proc/net/snmp /proc/net/snmp6 2>/dev/null | awk '$1 == of { for (i in name) if (name[i] ~ /^(OutNoRoutes|NoPorts)$/) n += $i; of = ""; next }
/:/ { of = $1; split($0, name) }
/^(Ip6OutNoRoutes|Udp6NoPorts) / { n += $2 }
END { printf "%.0f\n", n }' > ` + file + `
`
}
