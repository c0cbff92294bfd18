package engine

import "github.com/moby/buildkit/client"

// Client returns the BuildKit client that e speaks through, for solves that
// no Job can ask for. It is e's: closing e closes it.
func Client(e Engine) (*client.Client, bool) {
	c, ok := e.(interface{ Client() *client.Client })
	if !ok {
		return nil, false
	}
	return c.Client(), true
}

// Client is for the function of that name.
func (e *remote) Client() *client.Client { return e.c }
