package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/problem"
)

// Command is one to run in a sandbox.
type Command struct {
	Args []string
	Env  []string // the user's own
	Dir  string
}

// Exec replaces this process by a command in the sandbox's network: its PID,
// signals, terminal and exit code are the command's own. It only returns if it fails.
func (b Sandbox) Exec(c Command) error {
	nsenter := find(c.Env, "nsenter")
	if nsenter == "" {
		return &problem.Error{Kind: problem.Refused, Op: "find nsenter", Err: errors.New("not in PATH"),
			Fix: "sudo apt-get install util-linux (or your distribution's package of it)"}
	}
	args := []string{"nsenter", "--target", fmt.Sprint(b.PID), "--net", "--mount", "--uts", "--preserve-credentials"}
	if b.UserNS {
		args = append(args, "--user")
	}
	// Entering a mount namespace leads to its root folder; the shell goes back and disappears.
	args = append(args, "--", "sh", "-c", `cd "$0" && exec "$@"`, c.Dir)
	if err := unix.Exec(nsenter, append(args, c.Args...), b.environment(c.Env)); err != nil {
		return fmt.Errorf("run %s: %w", nsenter, err)
	}
	return nil
}

// environment is the user's own, pointed at the sandbox.
func (b Sandbox) environment(own []string) []string {
	var env []string
	unset := Unset(own)
	for _, entry := range own {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains(unset, name) {
			env = append(env, entry)
		}
	}
	for _, v := range b.Env(own) {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
