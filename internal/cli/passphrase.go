package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// maxInput bounds a secret that is read; Kubernetes takes 1 MiB of them.
const maxInput = 1 << 20

// Where the passphrase of a stack's secrets comes from.
const (
	passphraseVariable = "DROVER_PASSPHRASE"
	passphraseFile     = "DROVER_PASSPHRASE_FILE"
)

func passphrases(env Env) project.Passphrases {
	p := project.Passphrases{Given: func() (string, error) { return givenPassphrase(env) }}
	if env.TTY {
		p.Ask = func(ctx context.Context, fresh bool) (string, error) { return askPassphrase(ctx, env, fresh) }
	}
	return p
}

func givenPassphrase(env Env) (string, error) {
	return passphraseFrom(env, passphraseVariable, passphraseFile)
}

func passphraseFrom(env Env, variable, fileVariable string) (string, error) {
	if p := env.Getenv(variable); p != "" {
		return p, nil
	}
	name := env.Getenv(fileVariable)
	if name == "" {
		return "", nil
	}
	data, err := os.ReadFile(name)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		err = fmt.Errorf("%s is empty", name)
	}
	if err != nil {
		return "", &problem.Error{Kind: problem.Usage, Op: fileVariable, Err: err, Fix: "name a file that holds the passphrase"}
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// askPassphrase asks a person, who sees nothing of it; twice for a new key.
func askPassphrase(ctx context.Context, env Env, fresh bool) (string, error) {
	question := "Passphrase of the stack's secrets: "
	if fresh {
		question = "New passphrase for the stack's secrets (nobody can restore it): "
	}
	p, err := hiddenLine(ctx, env, question)
	if err != nil || !fresh {
		return p, err
	}
	again, err := hiddenLine(ctx, env, "Once more: ")
	if err == nil && again != p {
		err = &problem.Error{Kind: problem.Usage, Err: errors.New("the two passphrases differ"), Fix: "run the command again"}
	}
	return p, err
}

// hiddenLine reads a line that is not echoed. Without a terminal it reads the
// whole input, which may have many lines, but for the last one's end.
func hiddenLine(ctx context.Context, env Env, question string) (string, error) {
	if !env.TTY {
		data, err := io.ReadAll(io.LimitReader(env.Stdin, maxInput))
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), err
	}
	if _, err := fmt.Fprint(env.Stderr, question); err != nil {
		return "", err
	}
	if f, ok := env.Stdin.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) {
		line, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(env.Stderr)
		return string(line), err
	}
	line, err := readLine(ctx, env.Stdin)
	return strings.TrimRight(line, "\r\n"), err
}
