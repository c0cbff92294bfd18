// Command twice builds a Cargo workspace hermetically, twice, and says whether
// the results are the same bits.
//
// Exit status: 0 when what was asked for was done, or the builds agree; 1 when
// the builds differ; 2 when there is no verdict, or the command failed. Of a
// reference that builds are compared with: 3 when it is not what is claimed of
// it, 4 when only its compression differs, 5 when it was built from other inputs.
//
// Results go to standard output, progress and errors to standard error. An
// error is one line, "twice: error: …", and where something can be done about
// it a second, "twice: hint: …".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/craton-co/twice/internal/fault"
)

func main() {
	if status, is := asEngine(); is {
		os.Exit(status)
	}
	os.Exit(run(os.Args[1:]))
}

// exitError is an exit status without a message: the output has said it all.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// errInterrupted is why a context ends when somebody presses Ctrl-C.
var errInterrupted = errors.New("interrupted")

func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals // a second one ends the program as it would any other
		os.Exit(2)
	}()
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitError
	if errors.As(err, &code) {
		return int(code)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	printError(err)
	return 2
}

// outputError is an error with the output that explains it.
type outputError struct {
	error
	lines []string
}

func (e *outputError) Unwrap() error { return e.error }

func printError(err error) {
	var step *outputError
	if errors.As(err, &step) {
		for _, l := range step.lines {
			fmt.Fprintf(os.Stderr, "    %s\n", l)
		}
	}
	fmt.Fprintf(os.Stderr, "twice: error: %s\n", oneLine(err.Error()))
	if h := fault.HintOf(err); h != "" {
		fmt.Fprintf(os.Stderr, "twice: hint: %s\n", oneLine(h))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
