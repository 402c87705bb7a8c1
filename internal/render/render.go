// Package render turns what is not yet a manifest into one: folders for Kustomize
// and charts of Helm. It stands beside package spec, which reads what comes of it as
// it reads manifests, and uses the libraries of these two programs. It reads the
// project folder, and nothing else but charts in a registry; it asks no cluster.
package render

import (
	"fmt"
	"io"
	"io/fs"
)

// maxFile is how much of a file is read, as of manifests.
const maxFile = 8 << 20

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than 8 MB", name)
	}
	return data, err
}
