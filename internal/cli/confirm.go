package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/droverhq/drover/problem"
)

// confirm asks a person; a script says --yes.
func confirm(env Env, yes bool, question string) error {
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
	answer, err := bufio.NewReader(env.Stdin).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Err: errors.New("you said no; nothing was changed"), Fix: "run it again when you are ready"}
}
