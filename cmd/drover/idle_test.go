package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where nothing is to be done, up and preview write nothing: no lock, no entry
// of the journal, no history, and no file that comes and goes.
func TestNothingToDoWritesNothing(t *testing.T) {
	p := newBigProject(t, 5)
	before := p.files(t)
	for _, args := range []string{"preview", "up --yes", "up --yes --json", "up --yes --no-read"} {
		p.run(t, strings.Fields(args)...)
		if now := p.files(t); now != before {
			t.Errorf("drover %s wrote something; before:\n%safter:\n%s", args, before, now)
		}
	}
}

// files are all files and folders of the project, with when they changed: a
// folder does if a file in it comes or goes.
func (p *bigProject) files(t *testing.T) string {
	var b strings.Builder
	err := filepath.WalkDir(p.dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size(), strings.TrimPrefix(name, p.dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
