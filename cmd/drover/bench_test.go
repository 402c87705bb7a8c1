package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkStart runs `drover version` from process start to exit: what every
// command costs before it does anything. With DROVER_BIN, the folder of the
// built program, it measures that; else this test binary, which is larger.
func BenchmarkStart(b *testing.B) {
	bin, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if built := os.Getenv("DROVER_BIN"); built != "" {
		bin = filepath.Join(built, "drover")
	}
	info, err := os.Stat(bin)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cmd := exec.Command(bin, "version")
		cmd.Args[0] = "drover"
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
}
