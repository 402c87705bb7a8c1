//go:build e2e

// Package e2e runs the real drover against a sandbox: what must stay true when
// everything but AWS is real. The test binary starts a sandbox and runs itself
// once more within the sandbox's network, where load balancers' names resolve.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// inside marks the run within the sandbox's network.
const inside = "DROVER_E2E_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	code, err := runInSandbox()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// bin is the folder of the binaries under test.
func bin() string { return os.Getenv("DROVER_BIN") }

func runInSandbox() (code int, err error) {
	if bin() == "" {
		return 1, errors.New("DROVER_BIN is not set: run `make test-e2e`")
	}
	dir, err := os.MkdirTemp("", "drover-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := filepath.Join(dir, "sandbox")
	defer func() { err = errors.Join(err, sandbox("stop", "--purge", "--dir", folder)) }()
	if err := sandbox("start", "--dir", folder); err != nil {
		return 1, err
	}
	args := append([]string{"exec", "--dir", folder, "--", os.Args[0]}, os.Args[1:]...)
	cmd := exec.Command(filepath.Join(bin(), "drover-sandbox"), args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1", "DROVER_SANDBOX_DIR="+folder, "PATH="+bin()+":"+os.Getenv("PATH"))
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func sandbox(args ...string) error {
	out, err := exec.Command(filepath.Join(bin(), "drover-sandbox"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("drover-sandbox %v: %w\n%s", args, err, out)
	}
	return nil
}
