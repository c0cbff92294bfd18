package verdict

import (
	"fmt"
	"strings"
)

// network says that builds tried to reach one. No build has a network: what they
// got is nothing, but who reads a verdict wants to know.
func (p *page) network(v *Verdict) {
	var tried []string
	for _, b := range v.Builds {
		if b.NetworkTries > 0 {
			tried = append(tried, fmt.Sprintf("%s %d×", clean(b.Side), b.NetworkTries))
		}
	}
	if len(tried) > 0 {
		p.line("%sno build has one, and it was tried: %s; `twice audit` says by whom", label10("network"), strings.Join(tried, ", "))
	}
}
