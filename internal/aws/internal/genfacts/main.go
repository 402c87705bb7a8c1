// Command genfacts writes facts.json from a folder of CloudFormation registry
// schemas, one JSON file a type:
//
//	go run ./internal/genfacts FOLDER facts.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/droverhq/drover/internal/aws/internal/schema"
)

//nolint:forbidigo // a program of its own, not a command of the CLI
func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: genfacts FOLDER OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "genfacts:", err)
		os.Exit(1)
	}
}

func run(folder, output string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no *.json in %s", folder)
	}
	types := map[string]schema.Facts{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		typ, facts, err := schema.Parse(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		types[typ] = facts
	}
	return write(output, types)
}

// write puts one type on a line, so that a change reads well in a diff.
func write(output string, types map[string]schema.Facts) error {
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	slices.Sort(names)
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, name := range names {
		line, err := json.Marshal(types[name])
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%q: %s", name, line)
		if i < len(names)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return os.WriteFile(output, b.Bytes(), 0o644)
}
