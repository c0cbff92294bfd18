package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// A catFile is a running `git cat-file --batch`. It answers one request after
// the other.
type catFile struct {
	ctx    context.Context
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *limited
}

func (r repo) catFile(ctx context.Context) (*catFile, error) {
	c := &catFile{ctx: ctx, cmd: r.command(ctx, "cat-file", "--batch"), stderr: &limited{max: 64 << 10, drop: true}}
	c.cmd.Stderr = c.stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 256<<10)
	if err := c.cmd.Start(); err != nil {
		return nil, gitError(ctx, err, []string{"cat-file"}, nil)
	}
	return c, nil
}

// object asks for an object, calls fn with its kind, size and content, and
// skips what fn leaves unread.
func (c *catFile) object(id string, fn func(kind string, size int64, r io.Reader) error) error {
	if _, err := io.WriteString(c.in, id+"\n"); err != nil {
		return c.broken(err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return c.broken(err)
	}
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != id {
		return fmt.Errorf("object %s: %s", id, strings.Join(f[min(1, len(f)):], " "))
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return fmt.Errorf("object %s: size %.50q", id, f[2])
	}
	content := io.LimitReader(c.out, size)
	if err := fn(f[1], size, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return c.broken(err)
	}
	if b, err := c.out.ReadByte(); err != nil || b != '\n' {
		return c.broken(errors.Join(err, errors.New("object "+id+": no end")))
	}
	return nil
}

func (c *catFile) broken(err error) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return fmt.Errorf("git cat-file: %w %s", err, lastLines(c.stderr.Bytes()))
}

// Close ends the command. What it says about that is of no interest: every
// answer was complete, or its error is known.
func (c *catFile) Close() {
	c.in.Close()
	io.Copy(io.Discard, c.out) //nolint:errcheck // to let it finish
	c.cmd.Wait()               //nolint:errcheck
}
