// Package examples carries the example projects, so that `drover new` and
// `drover demo` can write them out.
package examples

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
)

// FS holds one folder for each example.
//
//go:embed all:migrate-nodegroups all:migrate-nodegroups-go
var FS embed.FS

// Library is where a program finds the library it is built with: a version that
// was released, or the folder of its source.
type Library struct{ Version, Dir string }

// Write makes a project folder of the example that is a file.
func Write(dir string) error { return write(dir, "migrate-nodegroups") }

// WriteProgram makes a project folder of the example that is a program, with a
// module around it.
func WriteProgram(dir string, library Library) error {
	if err := write(dir, "migrate-nodegroups-go"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(library.module()), 0o644)
}

func write(dir, example string) error {
	sub, err := fs.Sub(FS, example)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, sub)
}

// goVersion is the oldest that the library is built with.
const goVersion = "1.26.0"

func (l Library) module() string {
	head := "module eks-migrate-nodegroups\n\ngo " + goVersion + "\n\nrequire github.com/droverhq/drover "
	if l.Dir != "" {
		return head + "v0.0.0\n\nreplace github.com/droverhq/drover => " + filepath.ToSlash(l.Dir) + "\n"
	}
	return head + l.Version + "\n"
}
