// Package render turns what is not yet a manifest into one: folders for Kustomize,
// by its library, and charts of Helm, by its program. It stands beside package spec,
// which reads what comes of it as it reads manifests. It reads the
// project folder, and nothing else but charts in a registry; it asks no cluster.
package render

import (
	"fmt"
	"io"
	"io/fs"
)

// MaxFile bounds a file that is read, manifests too: the largest bundles of
// definitions in use have 5 MB.
const MaxFile = 8 << 20

// ReadFile reads a file of at most that size.
func ReadFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%s has more than %d MB", name, MaxFile>>20)
	}
	return data, err
}
