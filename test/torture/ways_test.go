//go:build torture

package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
)

// way is one of the ways to move. move ends when it is done, when ctx ends
// (killed), or after stop has been closed (Ctrl-C); it returns an exit code.
type way struct {
	name  string
	limit time.Duration // after it the run counts as stuck, and is ended
	start []edit        // of the project, before it is launched
	edits func(scenario) []edit
	move  func(ctx context.Context, k *stack, s scenario, stop <-chan struct{}) (int, error)
}

var byDrover = way{name: "drover", limit: 15 * time.Minute, edits: func(s scenario) []edit { return s.Change }, move: droverUp}

// The tutorials' way has no end of its own where a budget forbids an eviction;
// after three minutes a person would have noticed.
var byTutorial = way{name: "tutorial", limit: 3 * time.Minute, edits: func(s scenario) []edit { return s.Beside }, move: drainAndDelete}

// EKS updates a managed group by itself; it gives up by itself, too.
var byEKS = way{name: "managed", limit: 15 * time.Minute, start: managedWork, edits: func(scenario) []edit { return nil }, move: updateByEKS}

// ways to run a scenario by.
func (s scenario) ways() []way {
	if s.Kinds != nil {
		return []way{byDrover, byTutorial, byEKS}
	}
	return []way{byDrover, byTutorial}
}

// droverUp is one command.
func droverUp(ctx context.Context, k *stack, s scenario, stop <-chan struct{}) (int, error) {
	log, err := os.OpenFile(filepath.Join(k.dir, "up.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	events := filepath.Join(k.dir, fmt.Sprintf("events-%d.jsonl", time.Now().Unix()))
	args := append([]string{"sandbox", "exec", "--", filepath.Join(bin(), "drover"), "up", "--yes", "--log", events}, s.Flags...)
	cmd := k.command(context.WithoutCancel(ctx), "drover", args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-stop:
			_ = cmd.Process.Signal(syscall.SIGINT)
		case <-ctx.Done():
		case <-ended:
		}
		select {
		case <-ctx.Done():
			_ = killAll(cmd)
		case <-ended:
		}
	}()
	err = cmd.Wait()
	close(ended)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// killAll kills the command and all that it started, as a dying machine would.
func killAll(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// drainAndDelete is what tutorials tell to do: a second group was made before;
// now cordon and drain the old nodes one after the other, delete them, and scale
// their group to nothing.
func drainAndDelete(ctx context.Context, k *stack, s scenario, stop <-chan struct{}) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	log, err := os.OpenFile(filepath.Join(k.dir, "drain.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	step := func(args ...string) error {
		cmd := k.command(ctx, kubectl(), args...)
		cmd.Stdout, cmd.Stderr = log, log
		return cmd.Run()
	}
	worst := 0
	for _, n := range k.nodes {
		if step("cordon", n) != nil {
			worst = 1
		}
	}
	for _, n := range k.nodes {
		if step("drain", n, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--grace-period=10") != nil {
			worst = 1
		}
		if ctx.Err() != nil {
			return 130, nil
		}
	}
	for _, n := range k.nodes {
		if step("delete", "node", n) != nil {
			worst = 1
		}
	}
	_, err = k.asg.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(k.group), MinSize: aws.Int32(0), DesiredCapacity: aws.Int32(0),
	})
	return worst, err
}

// prepare makes the second group that the tutorials' way needs.
func (w way) prepare(k *stack, s scenario) {
	k.edit(w.edits(s))
	if w.name == byTutorial.name {
		k.must("up", "--yes")
	}
}
