// Command drover-manual writes what a package of Drover holds beside the
// program: a man page for each command, and completions for the shells.
//
//	go run ./cmd/drover-manual FOLDER
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/droverhq/drover/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: drover-manual FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	root := cli.Root(cli.Env{Dir: ".", Getenv: func(string) string { return "" }})
	for _, part := range []struct {
		folder string
		write  func(root *cobra.Command, folder string) error
	}{{"man", manPages}, {"completions", completions}} {
		into := filepath.Join(folder, part.folder)
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		if err := part.write(root, into); err != nil {
			return err
		}
	}
	return nil
}

// manPages are drover.1, drover-up.1 …; their date is SOURCE_DATE_EPOCH, if it
// is set.
func manPages(root *cobra.Command, folder string) error {
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Title: "DROVER", Section: "1", Source: "Drover", Manual: "Drover"}, folder)
}

func completions(root *cobra.Command, folder string) error {
	for name, write := range map[string]func(string) error{
		"drover.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_drover":     root.GenZshCompletionFile,
		"drover.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
		"drover.ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}
