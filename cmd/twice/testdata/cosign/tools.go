//go:build tools

// Package cosign pins the cosign that tests verify with.
package cosign

import _ "github.com/sigstore/cosign/v3/cmd/cosign"
