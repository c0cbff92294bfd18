//go:build linux

package embedded

import "github.com/moby/buildkit/client"

// Client is for engine.Client.
func (e *embedded) Client() *client.Client { return e.client }
