package vouch

import (
	"context"
	"errors"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/lock"
)

// Locked is what a lock says of who signed for an image: that nobody did, or that
// it can't be checked here, is said as well. A bad signature is an error.
func Locked(ctx context.Context, r *address.Resolver, image string) (string, error) {
	signer, err := Image(ctx, r, image, Options{TrustedRoot: SigstoreRoot})
	if errors.Is(err, ErrUnsigned) || errors.Is(err, ErrUnchecked) {
		return lock.Unsigned + " (" + err.Error() + ")", nil
	}
	if err != nil {
		return "", err
	}
	return signer.String(), nil
}
