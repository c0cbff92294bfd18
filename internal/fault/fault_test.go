package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestInnermostHintWins(t *testing.T) {
	cause := errors.New("no such package")
	err := Hint(fmt.Errorf("resolving: %w", Hint(cause, "inner")), "outer")
	if got := HintOf(err); got != "inner" {
		t.Errorf("HintOf = %q, want inner", got)
	}
	if err.Error() != "resolving: no such package" {
		t.Errorf("Error = %q", err)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}

func TestNoHint(t *testing.T) {
	if Hint(nil, "x") != nil {
		t.Error("Hint(nil) is not nil")
	}
	if got := HintOf(errors.Join(errors.New("a"), Hint(errors.New("b"), "do b"))); got != "do b" {
		t.Errorf("HintOf = %q", got)
	}
	if got := HintOf(errors.New("plain")); got != "" {
		t.Errorf("HintOf = %q", got)
	}
}
