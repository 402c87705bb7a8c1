// Package program builds and runs the user's program in Go, which says what a
// stack has in place of the stack file. It stands beside package spec, which asks
// it and judges the answer; package wire is what the two programs say to each other.
//
// The program is built by the go command of this machine, with the user's own
// module and build cache, so that it is what go vet, tests and editors see. It is
// run once, with a question on its standard input.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/wire"
	"github.com/droverhq/drover/problem"
)

// Program is a main package in a folder of a project.
type Program struct {
	Project string    // the project's folder
	Folder  string    // of the main package, within it: ./infra
	Stderr  io.Writer // where the program's own words go
}

// grace is what a program that was told to end may take to do so.
const grace = 5 * time.Second

// maxAnswer bounds what is read: a thousand times a large stack's.
const maxAnswer = 256 << 20

// Ask builds the program and asks it.
func (p Program) Ask(ctx context.Context, q wire.Question) (wire.Answer, error) {
	dir, err := os.MkdirTemp("", "drover-program-")
	if err != nil {
		return wire.Answer{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "program")
	if err := p.build(ctx, binary); err != nil {
		return wire.Answer{}, err
	}
	said, err := p.run(ctx, binary, q)
	if err != nil {
		return wire.Answer{}, err
	}
	answer, err := p.read(said)
	p.locate(&answer)
	return answer, err
}

func (p Program) build(ctx context.Context, binary string) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return &problem.Error{Kind: problem.Refused, Err: fmt.Errorf("the program is built with the go command, which this machine does not have: %w", err),
			Fix: "install Go (https://go.dev/dl), or run drover where it is"}
	}
	var said bytes.Buffer
	cmd := p.command(ctx, goTool, "build", "-o", binary, ".")
	cmd.Dir = filepath.Join(p.Project, p.Folder)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("go build: %w\n%s", cause(ctx, err), indented(said.String())),
			Fix: "correct the program: go build in " + p.Folder + " shows the same"}
	}
	return nil
}

func (p Program) run(ctx context.Context, binary string, q wire.Question) ([]byte, error) {
	question, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	said := &limited{max: maxAnswer}
	cmd := p.command(ctx, binary)
	cmd.Env = append(cmd.Env, wire.EnvMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(question), said, p.Stderr
	err = cmd.Run()
	if errors.Is(err, fs.ErrPermission) {
		return nil, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("%s is no main package", p.Folder), Fix: "write package main in its files, and call drover.Run in main"}
	}
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("the program ended without an answer: %w", cause(ctx, err)),
			Fix: "its own words stand above; return errors from the function of drover.Run, and end it there"}
	}
	return said.Bytes(), nil
}

// command runs in the project's folder, with the environment of drover but for
// what opens secrets.
func (p Program) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	cmd.Dir = p.Project
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "DROVER_PASSPHRASE") })
	return cmd
}

// cause is why a process failed, which may be that it was to end.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// read takes the answer, which stands alone on the program's standard output.
func (p Program) read(said []byte) (wire.Answer, error) {
	var answer wire.Answer
	d := json.NewDecoder(bytes.NewReader(said))
	if err := d.Decode(&answer); err != nil {
		if len(bytes.TrimSpace(said)) == 0 {
			return answer, &problem.Error{Kind: problem.Usage, Err: errors.New("the program ended without an answer"),
				Fix: "call drover.Run in main"}
		}
		return answer, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("the program's answer cannot be read: %w; it begins with %.60q", err, said),
			Fix: "write nothing to the standard output before drover.Run: use os.Stderr"}
	}
	return answer, nil
}

// locate names the files as the user does: within the project's folder.
func (p Program) locate(a *wire.Answer) {
	for i := range a.Entries {
		a.Entries[i].At.File = p.within(a.Entries[i].At.File)
	}
	for i := range a.Failures {
		a.Failures[i].At.File = p.within(a.Failures[i].At.File)
	}
}

// within is a file's path in the project. A program that was built with -trimpath
// names it by its import path, of which the end is the path.
func (p Program) within(file string) string {
	if file == "" {
		return ""
	}
	if rel, err := filepath.Rel(p.Project, file); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	for rest := filepath.ToSlash(file); ; {
		if _, err := os.Stat(filepath.Join(p.Project, filepath.FromSlash(rest))); err == nil && !filepath.IsAbs(file) {
			return rest
		}
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return file
		}
		rest = after
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// limited is a buffer that refuses to grow past its limit.
type limited struct {
	bytes.Buffer
	max int
}

// Write keeps what is written.
func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > l.max {
		return 0, fmt.Errorf("more than %d MB", l.max>>20)
	}
	return l.Buffer.Write(b)
}
