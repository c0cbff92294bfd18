package fetch

import (
	"errors"
	"net/url"
	"slices"
)

// answer is how a host has answered so far.
type answer int

const (
	unknown  answer = iota
	answered        // even if only that it has nothing
	mute            // the last request had no answer
	lost            // and no other either, until an item was given up
)

// reachable returns the addresses with those last whose host didn't answer.
func (r *run) reachable(urls []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(urls)
	slices.SortStableFunc(out, func(a, b string) int { return int(r.muteness(a) - r.muteness(b)) })
	return out
}

func (r *run) muteness(address string) answer { return max(r.hosts[host(address)], answered) }

// heard keeps in mind whether a host answers.
func (r *run) heard(address string, err error) {
	var status *statusError
	var wrong *MismatchError
	h := host(address)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || errors.As(err, &status) || errors.As(err, &wrong) {
		r.hosts[h] = answered
	} else {
		r.hosts[h] = max(r.hosts[h], mute)
	}
}

// giveUp keeps in mind the hosts of addresses that an item waited for in vain.
func (r *run) giveUp(urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range urls {
		if h := host(u); r.hosts[h] == mute {
			r.hosts[h] = lost
		}
	}
}

// hopeless tells whether another item has waited for all these in vain.
func (r *run) hopeless(urls []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(urls, func(u string) bool { return r.hosts[host(u)] != lost })
}

// silent tells whether no host has answered yet.
func (r *run) silent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.hosts {
		if a == answered {
			return false
		}
	}
	return true
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
