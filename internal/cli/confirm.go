package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/droverhq/drover/problem"
)

// confirm asks a person; a script says --yes.
func confirm(ctx context.Context, env Env, yes bool, question string) error {
	if yes {
		return nil
	}
	if !env.TTY {
		return &problem.Error{
			Kind: problem.Refused, Err: errors.New("there is no terminal to ask at"),
			Fix: "give --yes if you mean it",
		}
	}
	if _, err := fmt.Fprintf(env.Stdout, "%s [y/N] ", question); err != nil {
		return err
	}
	answer, err := readLine(ctx, env.Stdin)
	if errors.Is(err, io.EOF) { // Ctrl-D is no yes
		answer, err = "", nil
	}
	if err != nil {
		_, _ = fmt.Fprintln(env.Stdout) // what is said now is no part of the question
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Err: errors.New("you said no; nothing was changed"), Fix: "run it again when you are ready"}
}

// jsonNeedsYes refuses a question whose reader is a program.
func jsonNeedsYes() error {
	return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errors.New("nobody could read the question and answer"), Fix: "give --yes too"}
}

// readLine gives up when ctx ends. The read itself cannot be called back: its
// goroutine ends with the process, which does nothing else after this.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		if line != "" {
			err = nil // an answer without a newline is one too
		}
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-read:
		return a.line, a.err
	}
}
