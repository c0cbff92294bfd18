package check

import (
	"context"
)

var diffChecks = []Check{}

func (s *subject) since(ctx context.Context, opt Options) ([]Result, error) { return nil, nil }
