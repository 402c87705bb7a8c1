package project

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/problem"
)

// On a full disk the config and the selection stay as they are, whichever call fails.
func TestFullDiskLeavesTheConfigWhole(t *testing.T) {
	p := stackOf(t)
	if err := p.SetConfig(t.Context(), "region", "us-west-2"); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(p.dir, spec.ConfigFile("dev"))
	before, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for call := 1; call <= 3; call++ { // open, write, sync
		p.disk = &durabletest.Disk{FailAt: call, Err: syscall.ENOSPC}
		for file, err := range map[string]error{config: p.SetConfig(t.Context(), "region", "eu-west-1"), selection: p.Select(t.Context(), "dev")} {
			var cause *problem.Error
			if !errors.As(err, &cause) || cause.Fix == "" {
				t.Errorf("call %d, %s: %v", call, file, err)
			}
		}
		after, err := os.ReadFile(config)
		if err != nil || string(after) != string(before) {
			t.Errorf("call %d: %q, %v", call, after, err)
		}
		if selected, err := os.ReadFile(filepath.Join(p.dir, selection)); err != nil || string(selected) != "dev\n" {
			t.Errorf("call %d: %q, %v", call, selected, err)
		}
	}
}
